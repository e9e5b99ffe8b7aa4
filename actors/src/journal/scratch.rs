//! The scratch log of one queue: what memory has no room for, until the broker ends.

use actix::prelude::*;

use super::place::Place;
use super::record::Positions;
use super::writer::Writer;
use super::{Batch, Journal, Notice, Restoring, Safety};
use crate::id::StoreId;

/// Keeps messages of a queue as long as the queue lives.
pub struct Scratch {
    place: Place,
}

impl Scratch {
    /// For one queue, under an id that nothing else has in this log.
    pub(super) fn new(store: StoreId, writer: Writer) -> Self {
        Scratch {
            place: Place::new(store, writer),
        }
    }
}

impl Journal for Scratch {
    fn open(&mut self, queue: Recipient<Notice>) -> Option<Restoring> {
        self.place.open(queue);
        None
    }

    fn keeps(&self) -> bool {
        true
    }

    fn append(&mut self, batch: Batch<'_>) -> Safety {
        self.place.append(batch)
    }

    fn load(&mut self, positions: Vec<Positions>, most_bytes: u64) {
        self.place.load(positions, most_bytes);
    }

    fn look(&mut self, positions: Vec<Positions>, most_bytes: u64, to: Recipient<Notice>) {
        self.place.look(positions, most_bytes, to);
    }

    fn settled(&mut self, positions: Vec<Positions>) {
        self.place.settled(positions);
    }

    fn deleted(&mut self) {
        self.place.deleted();
    }
}

impl Drop for Scratch {
    /// Also when the queue crashed: what it had here no one can ask for any more.
    fn drop(&mut self) {
        self.deleted();
    }
}
