//! What a log notes about the records it writes.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::gather::Gather;
use super::index::{Index, Location, MessageId};
use super::log::Op;
use super::recent::{Place, Recent};
use super::recovery::RecoveredQueue;
use crate::id::StoreId;
use crate::publication::Page;

/// Where operations become records and entries of the index.
pub(super) struct Sink {
    pub(super) index: Index,
    /// What a start is to know of each queue.
    pub(super) queues: FxHashMap<StoreId, RecoveredQueue>,
    pub(super) recent: Recent,
    pub(super) gather: Gather,
    /// No one reads the records after the broker ends: what is gone need not be told.
    pub(super) passing: bool,
}

impl Sink {
    pub(super) fn put(&mut self, segment: u32, op: &Op) {
        match op {
            Op::Append {
                store,
                page,
                messages,
                ..
            } => {
                if let Some(&(last, _)) = messages.last() {
                    self.queues.entry(*store).or_default().seen(last);
                }
                for &(position, offset) in messages {
                    let message = MessageId {
                        store: *store,
                        position,
                    };
                    self.message(segment, message, page, offset);
                }
            }
            Op::Moved { page, messages } => {
                for copied in messages {
                    self.message(segment, copied.message, page, copied.offset);
                }
            }
            Op::Settled { store, positions } => {
                for range in positions {
                    self.index.settle(*store, *range);
                    self.queues.entry(*store).or_default().seen(range.last);
                }
                if !self.passing {
                    self.gather.settled(*store, positions);
                }
            }
            Op::HandedOut { store, upto } => {
                self.queues.entry(*store).or_default().handed_out(*upto);
                self.gather.handed_out(*store, *upto);
            }
            Op::QueueDeleted { store } => {
                self.index.remove(*store);
                self.queues.remove(store);
                if !self.passing {
                    self.gather.queue_deleted(*store);
                }
            }
            Op::Stopped => self.gather.stopped(),
        }
    }

    fn message(&mut self, segment: u32, message: MessageId, page: &Arc<Page>, offset: u32) {
        let MessageId { store, position } = message;
        if let Some(Place { at, origin }) = self.recent.find(page, offset) {
            self.gather.reference(store, position, at);
            let location = Location { segment, offset: at };
            self.index.insert_further(message, location, origin);
        } else {
            // A segment is far smaller than 4 GiB.
            let at = self.gather.publication(store, position, page.get(offset)) as u32;
            if self.may_come_again(page) {
                let place = Place { at, origin: message };
                self.recent.add(page, offset, place);
            }
            self.index.insert(message, Location { segment, offset: at });
        }
    }

    /// Whether another queue may have the page. The one that gave it holds it, and so does the operation.
    fn may_come_again(&self, page: &Arc<Page>) -> bool {
        !self.passing || Arc::strong_count(page) > 2
    }
}
