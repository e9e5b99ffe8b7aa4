//! The journal of one durable queue, in the log of the broker.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tracing::error;

use super::log::Op;
use super::record::Positions;
use super::recovery::RecoveredQueue;
use super::writer::Writer;
use super::{Batch, Journal, Kept, Notice, Restoring, Safety};
use crate::id::StoreId;

/// How long until the next try when messages can't be read back.
const RETRY: Duration = Duration::from_secs(1);

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
            let messages = read_back(store, &writer).await;
            let last = messages.last().and_then(|some| some.messages.last());
            let above = last.map_or(0, |(position, _)| position.saturating_add(1));
            Kept {
                next_position: start.next_position.max(above),
                handed_out_below: start.handed_out_below,
                waiting: None,
                messages,
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

/// A queue without its messages would confuse everyone: it waits until they can be read.
async fn read_back(store: StoreId, writer: &Writer) -> Vec<super::Restored> {
    loop {
        match writer.restore(store).await {
            Ok(Ok(messages)) => return messages,
            Ok(Err(failure)) => {
                error!(store = store.0, error = %failure, "a queue's messages can't be read; it waits");
            }
            Err(_) => error!(store = store.0, "the journal has ended; a queue waits for ever"),
        }
        tokio::time::sleep(RETRY).await;
    }
}
