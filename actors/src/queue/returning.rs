//! What becomes of messages that come back: each takes its old place. A queue that counts how often that happens may let one
//! rest before, the longer the oftener, and gives one up that has come back too often.

use std::mem;

use rustc_hash::FxHashMap;

use super::{
    attempts::Attempts,
    effective::{Effective, Retry},
    fifo::Entry,
    holders::Held,
    reason::Reason,
    resting::{Begin, Resting},
    state::{Outcome, QueueState},
    terms::RetryKind,
};
use crate::clock::millis;
use crate::journal::Return;

/// Messages that are woken together, roughly; more are at once due again.
const MOST_WOKEN: usize = 4_096;

/// What a queue that counts knows of messages that come back.
#[derive(Debug, Default)]
pub(super) struct Returning {
    counts: bool,
    /// How often a message may come back.
    limit: Option<u32>,
    retry: Option<Retry>,
    pub(super) attempts: Attempts,
    /// Messages of an earlier life were below this position.
    kept_below: u64,
    /// Messages of an earlier life that rested, and when they are due, until they are read.
    unread: FxHashMap<u64, u64>,
    pub(super) resting: Resting,
    /// What the journal was not told yet.
    untold: Vec<Return>,
}

impl Returning {
    /// How often a message has come back, for its consumer: nothing in a queue that does not count.
    #[inline]
    pub(super) fn counted(&self, position: u64) -> Option<u32> {
        self.attempts.of(position).filter(|&count| count > 0)
    }

    /// Where a message was read that an earlier life has left: whether it rests.
    pub(super) fn rests_on(&mut self, position: u64, entry: Entry) -> bool {
        match self.unread.remove(&position) {
            Some(due) => {
                self.resting.push_until(due, position, entry);
                true
            }
            None => false,
        }
    }

    /// How long a message rests that comes back for the how manieth time, in milliseconds.
    fn delay(&self, outcome: Outcome, attempts: u32) -> Option<u64> {
        let retry = self.retry?;
        let rests = match retry.kind {
            RetryKind::All => true,
            RetryKind::Failed => outcome == Outcome::Fail,
            RetryKind::Returned => outcome == Outcome::Requeue,
        };
        let delay = millis(retry.min).saturating_mul(attempts.into());
        rests.then(|| delay.min(millis(retry.max)))
    }
}

impl QueueState {
    /// What holds for messages that come back.
    pub fn amend_returns(&mut self, effective: &Effective) {
        self.returning.counts = effective.counts_deliveries;
        self.returning.limit = effective.delivery_limit;
        self.returning.retry = effective.retry;
        self.amend_overtime(effective);
    }

    /// The returns that the journal is to keep, since this was asked last. It is to hear of them before it hears what is
    /// [settled](Self::take_settled).
    pub fn take_returned(&mut self) -> Vec<Return> {
        mem::take(&mut self.returning.untold)
    }

    /// The broker stops in order: what was handed out and is not settled is to be marked as redelivered when it is taken back.
    /// That is all up to this position, and what is among the [returns](Self::take_returned).
    pub fn conclude(&mut self) -> Option<u64> {
        if self.ready.is_one() {
            return self.last_handed_out();
        }
        // Among those that were handed out stand others of lower levels that were not.
        let returning = &mut self.returning;
        let held = self.holders.iter().map(|held| (held.position, held.entry));
        let returned = self
            .ready
            .returned_mut()
            .map(|(position, entry)| (position, *entry));
        let handed_out = held.chain(returned.filter(|(_, entry)| entry.redelivered));
        for (position, _) in handed_out.filter(|(_, entry)| entry.kept) {
            if returning.attempts.of(position).is_none() {
                let (attempts, due) = (0, 0);
                returning.untold.push(Return {
                    position,
                    attempts,
                    due,
                });
            }
        }
        self.ready.last_feared()
    }

    /// Whether messages rest, so that they have to be [woken](Self::wake).
    #[inline]
    pub fn rests(&self) -> bool {
        !self.returning.resting.is_empty()
    }

    /// Messages that rest: neither ready nor unacked.
    pub fn resting(&self) -> usize {
        self.returning.resting.len()
    }

    /// Where they stood, in order.
    pub fn resting_positions(&self) -> impl Iterator<Item = u64> {
        self.returning.resting.positions()
    }

    /// When the next of those that rest is due, in milliseconds since the Unix epoch.
    pub fn next_due(&self) -> Option<u64> {
        self.returning.resting.next_due()
    }

    /// It is `now`, in milliseconds since the Unix epoch: the rest of messages that came back begins, and those that are due take
    /// their old places.
    pub fn wake(&mut self, now: u64) {
        let untold = &mut self.returning.untold;
        self.returning
            .resting
            .begin(now, |position, attempts, due, entry| {
                if entry.kept {
                    untold.push(Return {
                        position,
                        attempts,
                        due,
                    });
                }
            });
        let mut woken = 0;
        while woken < MOST_WOKEN
            && let Some(due) = self.returning.resting.take_due(now)
        {
            woken += due.len();
            for (position, entry) in due {
                self.put_back(position, entry);
            }
        }
    }

    /// Messages that a channel had come back, in this way.
    pub(super) fn take_back(&mut self, held: Vec<Held>, outcome: Outcome) {
        let counts = self.returning.counts;
        for Held { position, mut entry } in held {
            entry.redelivered = true;
            if !counts {
                self.put_back(position, entry);
                continue;
            }
            let attempts = self.returning.attempts.add(position);
            if self.returning.limit.is_some_and(|limit| attempts > limit) {
                self.returning.attempts.forget(position);
                self.die(position, entry, Reason::DeliveryLimit);
                continue;
            }
            if let Some(delay) = self.returning.delay(outcome, attempts) {
                let begin = Begin {
                    position,
                    attempts,
                    delay,
                };
                self.returning.resting.push(begin, entry);
                continue;
            }
            if entry.kept {
                self.returning.untold.push(Return {
                    position,
                    attempts,
                    due: 0,
                });
            }
            self.put_back(position, entry);
        }
        self.sweep_attempts();
    }

    /// An earlier life has left messages below a position, and these had come back.
    pub(super) fn take_back_kept(&mut self, returned: &[Return], below: u64) {
        self.returning.kept_below = below;
        for &Return {
            position,
            attempts,
            due,
        } in returned
        {
            self.returning.attempts.set(position, attempts);
            if due > 0 {
                self.returning.unread.insert(position, due);
            }
        }
    }

    /// All that waited is gone.
    pub(super) fn forget_returns(&mut self) {
        let returning = &mut self.returning;
        returning.kept_below = 0;
        returning.unread.clear();
        let held = self.holders.iter().map(|held| held.position);
        let resting = returning.resting.positions();
        returning.attempts.sweep(0, held.chain(resting));
    }

    /// Forgets how often messages have come back that are gone, once they are most.
    fn sweep_attempts(&mut self) {
        let returning = &mut self.returning;
        if returning
            .attempts
            .are_stale(self.holders.len() + returning.resting.len())
        {
            let held = self.holders.iter().map(|held| held.position);
            let returned = self.ready.returned_mut().map(|(position, _)| position);
            let there = held.chain(returned).chain(returning.resting.positions());
            returning.attempts.sweep(returning.kept_below, there);
        }
    }

    /// A message waits again, unless its time was over meanwhile.
    pub(super) fn put_back(&mut self, position: u64, entry: Entry) {
        if self.expiry.is_over(position) {
            self.returning.attempts.forget(position);
            self.die(position, entry, Reason::Expired);
        } else {
            self.count_returned(&entry);
            self.ready.put_back(position, entry);
        }
    }
}
