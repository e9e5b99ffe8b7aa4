//! The scratch log of one queue: what memory has no room for, until the broker ends.

use std::sync::Arc;

use actix::prelude::*;

use super::log::Op;
use super::record::Positions;
use super::writer::Writer;
use super::{Batch, Journal, Notice, Restoring, Safety};
use crate::id::StoreId;

/// Keeps messages of a queue as long as the queue lives.
pub struct Scratch {
    store: StoreId,
    writer: Writer,
    tickets: u64,
}

impl Scratch {
    /// For one queue, under an id that nothing else has in this log.
    pub(super) fn new(store: StoreId, writer: Writer) -> Self {
        Scratch {
            store,
            writer,
            tickets: 0,
        }
    }
}

impl Journal for Scratch {
    fn open(&mut self, queue: Recipient<Notice>) -> Option<Restoring> {
        self.writer.open(self.store, queue);
        None
    }

    fn keeps(&self) -> bool {
        true
    }

    fn append(&mut self, batch: Batch<'_>) -> Safety {
        self.tickets += 1;
        let op = Op::Append {
            store: self.store,
            page: Arc::clone(batch.page),
            messages: batch.messages,
            ticket: self.tickets,
        };
        self.writer.write(op, batch.permit.cloned());
        Safety::After(self.tickets)
    }

    fn load(&mut self, positions: Vec<Positions>, most_bytes: u64) {
        self.writer.load(self.store, positions, most_bytes);
    }

    fn settled(&mut self, positions: Vec<Positions>) {
        let store = self.store;
        self.writer.write(Op::Settled { store, positions }, None);
    }

    fn deleted(&mut self) {
        let store = self.store;
        self.writer.write(Op::QueueDeleted { store }, None);
    }
}

impl Drop for Scratch {
    /// Also when the queue crashed: what it had here no one can ask for any more.
    fn drop(&mut self) {
        self.deleted();
    }
}
