//! One pass over what waits and who can take it.

use std::sync::Arc;

use super::{
    fifo::Entry,
    holders::{Held, Holders},
    levels::Levels,
    pages::Pages,
    plates::Plates,
    returning::Returning,
    settlements::Settlements,
    state::QueueState,
    subscribers::Subscriber,
};
use crate::{
    id::ConsumerId,
    publication::{Delivery, Handout, NO_KEY, Portion, Tray},
};

/// From so many on, equals get the messages of several rounds at once. Fewer are served message by message, as clients expect it.
const MANY: usize = 64;

/// What came of a pass. A consumer is told of its handout first, then of unused credit, then of an offer: it answers
/// the offer with what it then has room for.
#[derive(Debug, Default)]
pub struct Pass {
    /// Messages for consumers; one handout for each that got any and sits nowhere.
    pub handouts: Vec<(ConsumerId, Handout)>,
    /// Messages for those who sit in a hall; one tray for each hall.
    pub trays: Vec<Tray>,
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
        pass.more = self.serve_all(limit, &mut pass);
        let on_trays = pass.trays.iter().map(|tray| &tray.handout);
        for handout in pass.handouts.iter().map(|(_, handout)| handout).chain(on_trays) {
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
    fn serve_all(&mut self, limit: usize, pass: &mut Pass) -> bool {
        let mut left = limit;
        let mut plates = Plates::of(pass);
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
                1 if round.to_come == 0 => left,
                2..MANY if round.to_come == 0 => 1,
                _ => round.turn(equals, || left.min(self.ready.at_hand())),
            };
            let mut service = Service {
                ready: &mut self.ready,
                pages: &mut self.pages,
                holders: &mut self.holders,
                settlements: &mut self.settlements,
                returning: &mut self.returning,
                plates: &mut plates,
                pass: self.passes,
                share: left / equals + 1,
            };
            left -= service.serve(subscriber, turn);
            self.subscribers.end_turn();
            if let Some(ahead) = round.ends() {
                self.subscribers.skip(ahead);
            }
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
    /// How many get one more: the first ones.
    ahead: usize,
    /// How many of these have not had their turn.
    ahead_to_come: usize,
}

impl Round {
    /// What the next one gets: its share of those `at_hand` when the round begins, so that they suffice for all.
    #[inline]
    fn turn(&mut self, equals: usize, at_hand: impl FnOnce() -> usize) -> usize {
        if self.to_come == 0 {
            let at_hand = at_hand();
            self.to_come = equals;
            (self.turn, self.ahead) = match at_hand / equals {
                0 => (1, 0),
                turn => (turn, at_hand % equals),
            };
            self.ahead_to_come = self.ahead;
        }
        self.to_come -= 1;
        match self.ahead_to_come.checked_sub(1) {
            Some(fewer) => {
                self.ahead_to_come = fewer;
                self.turn + 1
            }
            None => self.turn,
        }
    }

    /// Whether all have had their turn, with how many are ahead: the next is the first of the others.
    #[inline]
    fn ends(&mut self) -> Option<usize> {
        let ends = self.to_come == 0 && self.ahead > 0;
        ends.then(|| std::mem::take(&mut self.ahead))
    }
}

/// What serving a consumer works on.
struct Service<'a, 'p> {
    ready: &'a mut Levels,
    pages: &'a mut Pages,
    holders: &'a mut Holders,
    settlements: &'a mut Settlements,
    returning: &'a mut Returning,
    plates: &'a mut Plates<'p>,
    pass: u64,
    /// How many messages the consumer may get in this pass, roughly.
    share: usize,
}

impl Service<'_, '_> {
    /// Hands a consumer up to `turn` messages, as far as its credit goes, and returns how many.
    #[inline]
    fn serve(&mut self, subscriber: &mut Subscriber, turn: usize) -> usize {
        self.open(subscriber);
        let bytes = subscriber.credit.bytes;
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
        if let Some(seat) = subscriber.subscription.seat
            && served > 0
        {
            self.plates.add_portion(
                subscriber.open.handout,
                Portion {
                    consumer: subscriber.id,
                    seat: seat.number,
                    messages: served as u32,
                    bytes: (bytes - subscriber.credit.bytes) as u64,
                },
            );
        }
        served
    }

    /// Hands out messages of one page together. None of those that need a closer look.
    #[inline]
    fn serve_run(&mut self, subscriber: &mut Subscriber, most: usize) -> usize {
        let Some((handout, last)) = self
            .plates
            .get(subscriber.subscription.seat, &mut subscriber.open)
        else {
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
        turn_to_page(handout, last, self.pages, entry);
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
        let Some((handout, last)) = self
            .plates
            .get(subscriber.subscription.seat, &mut subscriber.open)
        else {
            return 0;
        };
        let Some((position, entry)) = self.ready.pop(self.settlements) else {
            return 0;
        };
        subscriber.credit.spend(entry.cost);
        turn_to_page(handout, last, self.pages, &entry);
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
        let waiting = self.ready.len_at_least();
        let room = self.share.min(waiting).min(subscriber.credit.messages as usize);
        self.plates.open(subscriber, room, waiting);
    }
}

/// Sees that the last page of a handout is that of an entry. `last` is the slot of the last one now.
#[inline(always)]
fn turn_to_page(handout: &mut Handout, last: &mut u32, pages: &Pages, entry: &Entry) {
    if handout.pages.is_empty() || *last != entry.page {
        *last = entry.page;
        handout.pages.extend(pages.get(entry).map(Arc::clone));
    }
}
