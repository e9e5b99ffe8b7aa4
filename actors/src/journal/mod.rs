//! What a queue asks of the disk, and nothing more.
//!
//! A queue hands every batch it takes to its [`Journal`] before it tells publishers that the batch is safe. The
//! answer is either "safe now" or a ticket; when the ticket is reached, the queue hears [`Told::Synced`]. What is safe
//! need not stay in memory: the queue asks for it again with [`Journal::load`]. Whatever keeps the messages (nothing,
//! a log on this machine, a log on several) stands behind this interface.
//!
//! The log on this machine, from the disk upwards:
//!
//! - [`files`]: the few things it needs of a file system
//! - [`header`], [`record`], [`segment`], `pieces`: the format, byte by byte; see `docs/storage.md`
//! - [`index`], `block`, `notes`, `alike`, `lending`: where the unsettled messages are, what else is known of them, whose bodies
//!   are in the records of others, and how much of each segment lives
//! - `active`, `spare`: the file that is written to, and one that is kept for the next
//! - [`log`]: writes and syncs, goes on after failures, deletes and cleans old segments
//! - [`recovery`], `recovered_queue`, `bodies`, [`checkpoint`]: what was there before
//! - [`writer`], `patience`, `reader`: the threads of the log
//! - [`inspect`]: what a journal holds that no broker uses
//! - [`store`], [`durable`], [`scratch`]: the journals of a broker, and those of one queue

mod active;
mod alike;
mod block;
mod bodies;
pub mod checkpoint;
mod checks;
mod cleaning;
mod defect;
pub mod durable;
mod fields;
pub mod files;
mod flags;
mod gather;
pub mod header;
mod health;
mod homes;
pub mod index;
pub mod inspect;
mod lending;
mod loading;
pub mod log;
mod notes;
mod op;
mod opening;
mod patience;
mod pieces;
mod place;
mod reader;
mod recent;
pub mod record;
mod recovered_queue;
pub mod recovery;
pub mod scratch;
pub mod segment;
mod sink;
mod spare;
mod stopping;
pub mod store;
#[cfg(test)]
mod tests;
pub mod threads;
mod volatile;
pub mod writer;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use actix::prelude::*;

use crate::id::StoreId;
use crate::publication::Page;
use crate::window::Permit;

pub use alike::Alike;
pub use index::MessageId;
pub use record::Positions;
pub use volatile::Volatile;

/// Bodies of fewer bytes are written again rather than found where they are: that takes as much processor time, and memory.
pub const LEAST_BORROWED: u32 = 512;

/// When a batch is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safety {
    /// It is as safe as it will ever be.
    Now,
    /// When a [`Told::Synced`] covers this ticket. Tickets of one journal only rise.
    After(u64),
}

/// Which of a queue's journals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeper {
    /// Keeps persistent messages across restarts.
    Journal,
    /// Takes what memory has no room for, until the broker ends.
    Scratch,
}

/// What a journal says to its queue.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Notice {
    /// Which journal.
    pub keeper: Keeper,
    /// What it says.
    pub told: Told,
}

/// The content of a [`Notice`].
#[derive(Debug)]
pub enum Told {
    /// The batches up to a ticket are safe.
    Synced {
        /// The highest ticket that is covered.
        upto: u64,
    },
    /// The answer to a [`Journal::load`].
    Loaded {
        /// The messages, in order. One that is missing can't be read any more.
        messages: Vec<Restored>,
        /// All that was asked for up to this position is covered.
        upto: u64,
    },
}

/// Some messages of a queue that were read back, in order.
#[derive(Debug)]
pub struct Restored {
    /// Where the publications are.
    pub page: Arc<Page>,
    /// The messages' positions, which rise, and the places of their publications in the page.
    pub messages: Vec<(u64, u32)>,
    /// As [`Batch::deadlines`].
    pub deadlines: Vec<u64>,
}

/// Messages for a journal.
#[derive(Debug)]
pub struct Batch<'a> {
    /// Where the publications are.
    pub page: &'a Arc<Page>,
    /// The messages' positions, which rise, and the places of their publications in the page.
    pub messages: Vec<(u64, u32)>,
    /// When each of the messages expires, in milliseconds since the Unix epoch; 0 when it does not. Empty when none does.
    pub deadlines: Vec<u64>,
    /// Covers the batch until it is safe.
    pub permit: Option<&'a Permit>,
}

/// Messages that are kept and not in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// They are among these positions, which need not all be there.
    pub positions: Positions,
    /// How many they are.
    pub messages: u64,
}

/// A message that came back to its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Return {
    /// Its place in the queue.
    pub position: u64,
    /// How often it has come back.
    pub attempts: u32,
    /// It is not handed out before, in milliseconds since the Unix epoch; 0 when it may be at once.
    pub due: u64,
}

/// What a queue starts with.
#[derive(Debug, Default)]
pub struct Kept {
    /// Its unsettled messages, to be [loaded](Journal::load).
    pub waiting: Option<Run>,
    /// The position of its next message.
    pub next_position: u64,
    /// Messages below this position may have been handed out before.
    pub handed_out_below: u64,
    /// One of the waiting messages has a deadline, or has come back.
    pub timed: bool,
    /// Of the waiting messages.
    pub alike: Alike,
    /// The waiting messages whose return was [noted](Journal::returned), by position, each with its last one.
    pub returned: Vec<Return>,
}

/// Resolves to what a queue starts with.
pub type Restoring = Pin<Box<dyn Future<Output = Kept> + Send>>;

/// Keeps the messages of one queue.
pub trait Journal: Send + 'static {
    /// The queue has come to life, and is to be told what is safe. When something may have been kept, it waits for that
    /// before it does anything else.
    fn open(&mut self, _queue: Recipient<Notice>) -> Option<Restoring> {
        None
    }

    /// Whether it keeps anything. To one that does not, nothing else is said.
    fn keeps(&self) -> bool;

    /// As what the log knows the queue whose messages it keeps.
    fn store(&self) -> Option<StoreId> {
        None
    }

    /// Takes a batch, all of it.
    fn append(&mut self, batch: Batch<'_>) -> Safety;

    /// Reads messages that are safe, in order, until about `most_bytes` are read. Answered with [`Told::Loaded`];
    /// one question at a time.
    fn load(&mut self, _positions: Vec<Positions>, _most_bytes: u64) {}

    /// Reads messages as [`load`](Self::load) does, and answers somebody else.
    fn look(&mut self, _positions: Vec<Positions>, _most_bytes: u64, _to: Recipient<Notice>) {}

    /// Messages are gone.
    fn settled(&mut self, _positions: Vec<Positions>) {}

    /// Messages have come back. Of each the latest return counts, until it is settled; it is safe as soon as what is
    /// settled is.
    fn returned(&mut self, _returns: Vec<Return>) {}

    /// The broker stops in order; messages up to this position have been handed out.
    fn handed_out(&mut self, _upto: u64) {}

    /// The queue is deleted.
    fn deleted(&mut self) {}
}
