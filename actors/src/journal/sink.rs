//! What a log notes about the records it writes.

use std::iter::repeat;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::gather::Gather;
use super::index::{Index, Location, MessageId};
use super::op::{Copied, CopiedBody, Lender, Op};
use super::recent::{Place, Recent};
use super::recovery::RecoveredQueue;
use super::{Alike, Kept, Positions, Return};
use crate::id::StoreId;
use crate::publication::{Page, Publication};

/// Publications without a body that there may be at a time: each takes some memory.
const MOST_BORROWERS: usize = if cfg!(test) { 200 } else { 1_000_000 };

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
                    self.message(segment, message, page, offset, deadline, None);
                }
            }
            Op::Moved {
                page,
                messages,
                bodies,
            } => {
                self.moved_bodies(segment, page, bodies);
                self.moved(segment, page, messages);
            }
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

    /// Writes a message whose publication is in a page; without its body, if that is known to be elsewhere.
    fn message(
        &mut self,
        segment: u32,
        message: MessageId,
        page: &Arc<Page>,
        offset: u32,
        deadline: u64,
        body: Option<Lender>,
    ) {
        let MessageId { store, position } = message;
        if deadline != 0 {
            self.queues.entry(store).or_default().timed(position);
        }
        if let Some(Place {
            at,
            deadline: told,
            origin,
            ..
        }) = self.written(segment, page, offset)
        {
            self.gather.reference(store, position, deadline, at);
            let location = Location { segment, offset: at };
            self.index.insert_further(message, location, origin, None);
            if deadline != told {
                self.index.notes.expires(message, deadline);
            }
            return;
        }
        let body = body.or_else(|| self.lender(page, offset));
        // A segment is far smaller than 4 GiB.
        let at = self.publication(segment, message, deadline, &page.get(offset), body) as u32;
        if self.may_come_again(page) {
            let place = Place {
                at,
                deadline,
                origin: message,
                borrows: body.is_some(),
            };
            self.recent.add(page, offset, place);
        }
    }

    /// Writes a publication and returns where.
    fn publication(
        &mut self,
        segment: u32,
        message: MessageId,
        deadline: u64,
        publication: &Publication<'_>,
        body: Option<Lender>,
    ) -> u64 {
        let MessageId { store, position } = message;
        let Some(body) = body else {
            let at = self
                .gather
                .publication(store, position, deadline, publication.clone());
            let offset = at as u32;
            self.index.insert(message, Location { segment, offset });
            return at;
        };
        let before = self.gather.len();
        let at = self.gather.borrower(store, position, deadline, publication, body);
        let (bytes, offset) = (self.gather.len() - before, at as u32);
        self.index
            .insert_borrower(message, Location { segment, offset }, bytes, body.name);
        at
    }

    /// Where in the segment a publication was written lately that further queues can have.
    fn written(&self, segment: u32, page: &Arc<Page>, offset: u32) -> Option<Place> {
        let place = self.recent.find(page, offset)?;
        let offset = place.at;
        // One without a body that all have settled may have lost it.
        let is_there = !place.borrows || self.index.lending.name_of(Location { segment, offset }).is_some();
        is_there.then_some(place)
    }

    /// The body of a publication, if the log has it already: that of a message that waits for this one to arrive.
    fn lender(&self, page: &Page, offset: u32) -> Option<Lender> {
        let may_borrow = !self.passing && self.index.lending.len() < MOST_BORROWERS;
        let source = page.source(offset).filter(|_| may_borrow)?;
        let at = self.index.get(source.store, source.position)?;
        Some(Lender {
            name: self.index.lending.name_of(at).unwrap_or(at),
            len: page.body_len(offset),
        })
    }

    fn moved_bodies(&mut self, segment: u32, page: &Page, bodies: &[CopiedBody]) {
        for &CopiedBody { name, offset, from } in bodies {
            if self.index.lending.lent(name) == Some(from) {
                let offset = self.gather.body(name, page.body(offset)) as u32;
                self.index.move_body(name, Location { segment, offset });
            }
        }
    }

    /// What was noted of the originals is told again: it may be deleted before the copies are.
    fn moved(&mut self, segment: u32, page: &Arc<Page>, messages: &[Copied]) {
        for copied in messages {
            let Copied {
                message,
                offset,
                deadline,
                body,
                ..
            } = *copied;
            self.message(segment, message, page, offset, deadline, body);
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
