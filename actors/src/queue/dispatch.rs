//! One pass over what waits and who can take it.

use std::sync::Arc;

use super::{
    fifo::Entry,
    holders::{Held, Holders},
    levels::Levels,
    pages::Pages,
    returning::Returning,
    settlements::Settlements,
    state::QueueState,
    subscribers::Subscriber,
};
use crate::{
    id::ConsumerId,
    publication::{Delivery, Handout, NO_KEY},
};

/// From so many on, equals get the messages of several rounds at once. Fewer are served message by message, as clients expect it.
const MANY: usize = 64;

/// What came of a pass. A consumer is told of its handout first, then of unused credit, then of an offer: it answers
/// the offer with what it then has room for.
#[derive(Debug, Default)]
pub struct Pass {
    /// Messages for consumers; one handout for each that got any.
    pub handouts: Vec<(ConsumerId, Handout)>,
    /// Messages of credit taken back from consumers on offer, since there was nothing to use it for.
    pub unused: Vec<(ConsumerId, u32)>,
    /// Consumers on offer that messages wait for; each answers with credit, as soon as it has some.
    pub offers: Vec<ConsumerId>,
    /// The limit was reached: another pass would hand out more.
    pub more: bool,
}

impl QueueState {
    /// Hands out ready messages while there is credit, at most `limit`.
    pub fn dispatch(&mut self, limit: usize) -> Pass {
        let mut pass = Pass::default();
        self.passes += 1;
        self.succeed();
        if self.ready.has_first() {
            self.subscribers.offer(&mut pass.offers);
        }
        pass.more = self.serve_all(limit, &mut pass.handouts);
        for (_, handout) in &pass.handouts {
            self.count_left(handout);
        }
        if !pass.more {
            self.subscribers.take_back();
        }
        if self.ready.has_first() {
            self.subscribers.offer(&mut pass.offers);
        }
        pass.unused = self.subscribers.taken_back();
        self.compact_pages();
        pass
    }

    /// Lets a consumer of a higher priority succeed the active one when nothing keeps that.
    fn succeed(&mut self) {
        if let Some(holder) = self.subscribers.yielding()
            && self.holders.is_free(holder)
        {
            self.subscribers.promote();
            self.welcome_successor();
        }
    }

    /// What the channel of a consumer holds that has become the active one is nothing that it got.
    pub(super) fn welcome_successor(&mut self) {
        if let Some(holder) = self.subscribers.take_successor() {
            self.holders.begin_anew(holder);
        }
    }

    /// Whether there is more to serve when the limit is reached.
    fn serve_all(&mut self, limit: usize, handouts: &mut Vec<(ConsumerId, Handout)>) -> bool {
        let mut left = limit;
        let mut round = Round::default();
        while self.ready.has_first() {
            let equals = self.subscribers.equals();
            let Some(subscriber) = self.subscribers.next() else {
                return false;
            };
            if left == 0 {
                return true;
            }
            let turn = match equals {
                1 => left,
                2..MANY => 1,
                _ => round.turn(equals, || left.min(self.ready.at_hand())),
            };
            let mut service = Service {
                ready: &mut self.ready,
                pages: &mut self.pages,
                holders: &mut self.holders,
                settlements: &mut self.settlements,
                returning: &mut self.returning,
                handouts,
                pass: self.passes,
                share: left / equals + 1,
            };
            left -= service.serve(subscriber, turn);
            self.subscribers.end_turn();
        }
        false
    }
}

/// A round in which each of many equals gets as many messages as the others.
#[derive(Default)]
struct Round {
    /// How many of them have not had their turn.
    to_come: usize,
    /// How many messages each gets.
    turn: usize,
}

impl Round {
    /// What the next one gets: its share of those `at_hand` when the round begins, so that they suffice for all.
    #[inline]
    fn turn(&mut self, equals: usize, at_hand: impl FnOnce() -> usize) -> usize {
        if self.to_come == 0 {
            (self.to_come, self.turn) = (equals, (at_hand() / equals).max(1));
        }
        self.to_come -= 1;
        self.turn
    }
}

/// What serving a consumer works on.
struct Service<'a> {
    ready: &'a mut Levels,
    pages: &'a mut Pages,
    holders: &'a mut Holders,
    settlements: &'a mut Settlements,
    returning: &'a mut Returning,
    handouts: &'a mut Vec<(ConsumerId, Handout)>,
    pass: u64,
    /// How many messages the consumer may get in this pass, roughly.
    share: usize,
}

impl Service<'_> {
    /// Hands a consumer up to `turn` messages, as far as its credit goes, and returns how many.
    #[inline]
    fn serve(&mut self, subscriber: &mut Subscriber, turn: usize) -> usize {
        self.open(subscriber);
        let mut served = 0;
        while served < turn && subscriber.credit.covers() {
            let more = match self.serve_run(subscriber, turn - served) {
                0 => self.serve_one(subscriber),
                more => more,
            };
            if more == 0 {
                break;
            }
            served += more;
        }
        served
    }

    /// Hands out messages of one page together. None of those that need a closer look.
    #[inline]
    fn serve_run(&mut self, subscriber: &mut Subscriber, most: usize) -> usize {
        let Some((_, handout)) = self.handouts.get_mut(subscriber.open.handout as usize) else {
            return 0;
        };
        let Some((first, run)) = self.ready.run(most) else {
            return 0;
        };
        let (count, bytes) = subscriber.credit.covered(run.iter().map(|entry| entry.cost));
        let Some((run, entry)) = run.get(..count).zip(run.first()).filter(|_| count > 0) else {
            return 0;
        };
        let slot = entry.page;
        if handout.pages.is_empty() || subscriber.open.page != slot {
            subscriber.open.page = slot;
            handout.pages.extend(self.pages.get(entry).map(Arc::clone));
        }
        let page = handout.pages.len() as u32 - 1;
        let delivery = |entry: &Entry, key| Delivery {
            page,
            offset: entry.offset,
            key,
            redelivered: false,
        };
        if subscriber.subscription.no_ack {
            for (position, entry) in (first..).zip(run) {
                self.settlements.note(position, entry);
            }
            let deliveries = run.iter().map(|entry| delivery(entry, NO_KEY));
            handout.deliveries.extend(deliveries);
            self.pages.release_some(slot, count as u32, bytes);
        } else {
            handout.deliveries.reserve(count);
            self.holders
                .hold_all(subscriber.holder, first, run, |entry, key| {
                    handout.deliveries.push(delivery(entry, key.unwrap_or(NO_KEY)));
                });
        }
        handout.bytes += bytes;
        subscriber.credit.spend_together(count, bytes);
        self.ready.pop_run(count, bytes);
        count
    }

    /// Hands out one message, whatever it is.
    #[inline(never)]
    fn serve_one(&mut self, subscriber: &mut Subscriber) -> usize {
        let Some((_, handout)) = self.handouts.get_mut(subscriber.open.handout as usize) else {
            return 0;
        };
        let Some((position, entry)) = self.ready.pop(self.settlements) else {
            return 0;
        };
        subscriber.credit.spend(entry.cost);
        if handout.pages.is_empty() || subscriber.open.page != entry.page {
            subscriber.open.page = entry.page;
            handout.pages.extend(self.pages.get(&entry).map(Arc::clone));
        }
        if entry.redelivered
            && let Some(count) = self.returning.counted(position)
        {
            handout.counts.push((handout.deliveries.len() as u32, count));
        }
        let key = if subscriber.subscription.no_ack {
            if entry.redelivered {
                self.returning.attempts.forget(position);
            }
            self.settlements.note(position, &entry);
            self.pages.release(&entry);
            NO_KEY
        } else {
            self.holders
                .hold(subscriber.holder, Held { position, entry })
                .unwrap_or(NO_KEY)
        };
        let page = handout.pages.len() as u32 - 1;
        handout.bytes += u64::from(entry.cost);
        handout.deliveries.push(Delivery {
            page,
            offset: entry.offset,
            key,
            redelivered: entry.redelivered,
        });
        1
    }

    /// Sees that the consumer has a handout in this pass.
    #[inline]
    fn open(&mut self, subscriber: &mut Subscriber) {
        if subscriber.open.pass == self.pass {
            return;
        }
        subscriber.open.pass = self.pass;
        subscriber.open.handout = self.handouts.len() as u32;
        let room = self
            .share
            .min(self.ready.len_at_least())
            .min(subscriber.credit.messages as usize);
        let handout = Handout {
            deliveries: Vec::with_capacity(room),
            ..Handout::default()
        };
        self.handouts.push((subscriber.id, handout));
    }
}
