//! Exchanges: which queues a publication goes to.
//!
//! An exchange is the single writer of its [`bindings`]; after each change it lends a snapshot of its
//! [`routes`], which publishers [`walk`] without asking it.

pub mod actor;
mod arguments;
pub mod binding;
pub mod bindings;
pub(crate) mod canonical;
pub mod delay;
pub mod hashing;
pub mod history;
pub mod kind;
pub mod messages;
pub mod options;
mod replay;
pub mod routes;
mod selector;
mod shared_map;
pub mod walk;
