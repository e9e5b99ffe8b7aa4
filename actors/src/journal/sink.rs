//! What a log notes about the records it writes.

use std::iter::repeat;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::gather::Gather;
use super::index::{Index, Location, MessageId};
use super::op::{Copied, Op};
use super::recent::{Place, Recent};
use super::recovery::RecoveredQueue;
use super::{Alike, Kept, Positions, Return};
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
                deadlines,
                ..
            } => {
                self.arrived(*store, page, messages);
                let deadlines = deadlines.iter().copied().chain(repeat(0));
                for (&(position, offset), deadline) in messages.iter().zip(deadlines) {
                    let message = MessageId {
                        store: *store,
                        position,
                    };
                    self.message(segment, message, page, offset, deadline);
                }
            }
            Op::Moved { page, messages } => self.moved(segment, page, messages),
            Op::Returned { store, returns } => self.returned(*store, returns),
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

    /// What the log knows of a queue.
    pub(super) fn kept(&self, store: StoreId) -> Kept {
        let queue = self.queues.get(&store).copied().unwrap_or_default();
        let waiting = self.index.waiting(store);
        let returned = self.index.notes.returns(store);
        let has_deadlines = waiting.is_some_and(|run| run.positions.first < queue.timed_below);
        Kept {
            waiting,
            next_position: queue.next_position,
            handed_out_below: queue.handed_out_below,
            timed: has_deadlines || !returned.is_empty(),
            alike: waiting.map_or(Alike::Unknown, |run| queue.tail.since(run.positions.first)),
            returned,
        }
    }

    /// A queue has new messages.
    fn arrived(&mut self, store: StoreId, page: &Page, messages: &[(u64, u32)]) {
        let (Some(&(first, _)), Some(&(last, _))) = (messages.first(), messages.last()) else {
            return;
        };
        let queue = self.queues.entry(store).or_default();
        if page.has_priorities() {
            for &(position, offset) in messages {
                queue.had(Positions::one(position), page.priority(offset));
            }
        } else {
            queue.had(Positions { first, last }, None);
        }
    }

    fn message(&mut self, segment: u32, message: MessageId, page: &Arc<Page>, offset: u32, deadline: u64) {
        let MessageId { store, position } = message;
        if deadline != 0 {
            self.queues.entry(store).or_default().timed(position);
        }
        if let Some(Place {
            at,
            deadline: told,
            origin,
        }) = self.recent.find(page, offset)
        {
            self.gather.reference(store, position, deadline, at);
            let location = Location { segment, offset: at };
            self.index.insert_further(message, location, origin);
            if deadline != told {
                self.index.notes.expires(message, deadline);
            }
        } else {
            // A segment is far smaller than 4 GiB.
            let at = self
                .gather
                .publication(store, position, deadline, page.get(offset)) as u32;
            if self.may_come_again(page) {
                let place = Place {
                    at,
                    deadline,
                    origin: message,
                };
                self.recent.add(page, offset, place);
            }
            self.index.insert(message, Location { segment, offset: at });
        }
    }

    /// What was noted of the originals is told again: it may be deleted before the copies are.
    fn moved(&mut self, segment: u32, page: &Arc<Page>, messages: &[Copied]) {
        for copied in messages {
            self.message(segment, copied.message, page, copied.offset, copied.deadline);
        }
        for copied in messages {
            if let Some(back) = self.index.notes.return_of(copied.message) {
                self.gather.returned(copied.message.store, &[back]);
            }
        }
    }

    fn returned(&mut self, store: StoreId, returns: &[Return]) {
        for back in returns {
            self.index.returned(store, *back);
        }
        self.gather.returned(store, returns);
    }

    /// Whether another queue may have the page. The one that gave it holds it, and so does the operation.
    fn may_come_again(&self, page: &Arc<Page>) -> bool {
        !self.passing || Arc::strong_count(page) > 2
    }
}
