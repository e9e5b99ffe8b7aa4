//! The journal of one durable queue, in the log of the broker.

use std::future::pending;

use actix::prelude::*;
use tracing::error;

use super::place::Place;
use super::record::Positions;
use super::recovery::RecoveredQueue;
use super::writer::Writer;
use super::{Batch, Journal, Kept, Notice, Restoring, Return, Safety};
use crate::id::StoreId;

/// Keeps the persistent messages of a queue.
pub struct Durable {
    place: Place,
    start: RecoveredQueue,
}

impl Durable {
    /// The journal of the queue with this store id, which begins with what `start` says.
    pub fn new(store: StoreId, writer: Writer, start: RecoveredQueue) -> Self {
        let place = Place::new(store, writer);
        Durable { place, start }
    }
}

impl Journal for Durable {
    fn open(&mut self, queue: Recipient<Notice>) -> Option<Restoring> {
        self.place.open(queue);
        let (store, writer, start) = (self.place.store, self.place.writer.clone(), self.start);
        Some(Box::pin(async move {
            let kept = look_up(store, &writer).await;
            Kept {
                next_position: kept.next_position.max(start.next_position),
                handed_out_below: start.handed_out_below,
                ..kept
            }
        }))
    }

    fn keeps(&self) -> bool {
        true
    }

    fn store(&self) -> Option<StoreId> {
        Some(self.place.store)
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

    fn returned(&mut self, returns: Vec<Return>) {
        self.place.returned(returns);
    }

    fn handed_out(&mut self, upto: u64) {
        self.place.handed_out(upto);
    }

    fn deleted(&mut self) {
        self.place.deleted();
    }
}

/// What the log has of a queue, its last append included.
async fn look_up(store: StoreId, writer: &Writer) -> Kept {
    if let Ok(kept) = writer.kept(store).await {
        return kept;
    }
    // A queue without its messages would confuse everyone.
    error!(store = store.0, "the journal has ended; a queue waits for ever");
    pending().await
}
