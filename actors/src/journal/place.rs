//! The place of one queue in a log, whichever log that is.

use std::sync::Arc;

use actix::prelude::*;

use super::log::Op;
use super::record::Positions;
use super::writer::Writer;
use super::{Batch, Notice, Return, Safety};
use crate::id::StoreId;

/// What a queue says to the log that has its messages.
pub(super) struct Place {
    pub(super) store: StoreId,
    pub(super) writer: Writer,
    tickets: u64,
}

impl Place {
    /// That of the queue with this store id.
    pub(super) fn new(store: StoreId, writer: Writer) -> Self {
        Place {
            store,
            writer,
            tickets: 0,
        }
    }

    /// As [`Journal::open`](super::Journal::open), without what was kept.
    pub(super) fn open(&self, queue: Recipient<Notice>) {
        self.writer.open(self.store, queue);
    }

    /// As [`Journal::append`](super::Journal::append).
    pub(super) fn append(&mut self, batch: Batch<'_>) -> Safety {
        self.tickets += 1;
        let op = Op::Append {
            store: self.store,
            page: Arc::clone(batch.page),
            messages: batch.messages,
            deadlines: batch.deadlines,
            ticket: self.tickets,
        };
        self.writer.write(op, batch.permit.cloned());
        Safety::After(self.tickets)
    }

    /// As [`Journal::load`](super::Journal::load).
    pub(super) fn load(&self, positions: Vec<Positions>, most_bytes: u64) {
        self.writer.load(self.store, positions, most_bytes);
    }

    /// As [`Journal::look`](super::Journal::look).
    pub(super) fn look(&self, positions: Vec<Positions>, most_bytes: u64, to: Recipient<Notice>) {
        self.writer.look(self.store, positions, most_bytes, to);
    }

    /// As [`Journal::settled`](super::Journal::settled).
    pub(super) fn settled(&self, positions: Vec<Positions>) {
        let store = self.store;
        self.writer.write(Op::Settled { store, positions }, None);
    }

    /// As [`Journal::returned`](super::Journal::returned).
    pub(super) fn returned(&self, returns: Vec<Return>) {
        let store = self.store;
        self.writer.write(Op::Returned { store, returns }, None);
    }

    /// As [`Journal::handed_out`](super::Journal::handed_out).
    pub(super) fn handed_out(&self, upto: u64) {
        let store = self.store;
        self.writer.write(Op::HandedOut { store, upto }, None);
    }

    /// As [`Journal::deleted`](super::Journal::deleted).
    pub(super) fn deleted(&self) {
        let store = self.store;
        self.writer.write(Op::QueueDeleted { store }, None);
    }
}
