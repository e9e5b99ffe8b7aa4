//! The journal of one durable queue, in the log of the broker.

use std::future::pending;
use std::sync::Arc;

use actix::prelude::*;
use tracing::error;

use super::log::Op;
use super::record::Positions;
use super::recovery::RecoveredQueue;
use super::writer::Writer;
use super::{Batch, Journal, Kept, Notice, Restoring, Run, Safety};
use crate::id::StoreId;

/// Keeps the persistent messages of a queue.
pub struct Durable {
    store: StoreId,
    writer: Writer,
    start: RecoveredQueue,
    tickets: u64,
}

impl Durable {
    /// The journal of the queue with this store id, which begins with what `start` says.
    pub fn new(store: StoreId, writer: Writer, start: RecoveredQueue) -> Self {
        Durable {
            store,
            writer,
            start,
            tickets: 0,
        }
    }
}

impl Journal for Durable {
    fn open(&mut self, queue: Recipient<Notice>) -> Option<Restoring> {
        self.writer.open(self.store, queue);
        let (store, writer, start) = (self.store, self.writer.clone(), self.start);
        Some(Box::pin(async move {
            let waiting = look_up(store, &writer).await;
            let above = waiting.map_or(0, |run| run.positions.last.saturating_add(1));
            Kept {
                waiting,
                next_position: start.next_position.max(above),
                handed_out_below: start.handed_out_below,
            }
        }))
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

    fn handed_out(&mut self, upto: u64) {
        let store = self.store;
        self.writer.write(Op::HandedOut { store, upto }, None);
    }

    fn deleted(&mut self) {
        let store = self.store;
        self.writer.write(Op::QueueDeleted { store }, None);
    }
}

/// What the log has of a queue, its last append included.
async fn look_up(store: StoreId, writer: &Writer) -> Option<Run> {
    if let Ok(waiting) = writer.waiting(store).await {
        return waiting;
    }
    // A queue without its messages would confuse everyone.
    error!(store = store.0, "the journal has ended; a queue waits for ever");
    pending().await
}
