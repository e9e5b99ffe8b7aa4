//! A virtual host: the one place where exchanges and queues get and lose their names.
//!
//! - declares, deletes and supervises the exchanges and queues of the host; a queue [lives](dwelling) where it is used first
//! - checks that a declaration agrees with what exists
//! - has what is durable recorded, and brings it back after a restart
//! - applies policies to what they match, also when they change
//! - keeps queues that are deleted until what had died in them is carried away
//! - drops exclusive queues with their connection
//! - publishes names and routing tables through the [`directory`](directory::Directory), which channels read without a hop
//!
//! It never waits for a queue: a queue decides itself whether it may be deleted, and tells.

pub mod actor;
mod binding;
mod crashes;
mod declaring;
pub mod definitions;
mod departing;
pub mod directory;
mod down;
pub mod dwelling;
pub mod equivalence;
mod forgetting;
pub mod limits;
pub mod messages;
pub mod names;
mod placement;
mod policies;
mod recovery;
pub mod settings;
pub(crate) mod successor;
mod supervision;
mod under_way;
mod waiting_rooms;

use std::sync::Arc;

use actix::prelude::*;

use crate::name::Name;

/// A virtual host as others know it.
#[derive(Debug)]
pub struct VhostHandle {
    /// Its name.
    pub name: Name,
    /// Its mailbox.
    pub addr: Addr<actor::VirtualHost>,
    /// Its names.
    pub directory: Arc<directory::Directory>,
}
