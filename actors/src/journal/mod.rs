//! What a queue asks of the disk, and nothing more.
//!
//! A queue hands every batch it takes to its journal before it tells publishers that the batch is safe. The
//! answer is either "safe now" or a ticket; when the ticket is reached, the queue is sent [`Synced`]. Whatever
//! keeps the messages (nothing, a log on this machine, a log on several) stands behind this interface.

mod cleaning;
pub mod files;
mod gather;
pub mod index;
pub mod log;
mod recent;
pub mod record;
pub mod recovery;
pub mod restore;
pub mod segment;
mod sink;
#[cfg(test)]
mod tests;
mod volatile;
pub mod writer;

use std::sync::Arc;

use actix::prelude::*;

use crate::publication::Page;

pub use volatile::Volatile;

/// When a batch is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safety {
    /// It is as safe as it will ever be.
    Now,
    /// When a [`Synced`] covers this ticket. Tickets of one journal only rise.
    After(u64),
}

/// Tells a queue that its batches up to a ticket are safe.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Synced {
    /// The highest ticket that is covered.
    pub upto: u64,
}

/// Keeps the messages of one queue.
pub trait Journal: Send + 'static {
    /// Takes the publications at `offsets` of `page`, in order.
    fn append(&mut self, page: &Arc<Page>, offsets: &[u32]) -> Safety;
}
