//! Messages that expire, wherever they stand. Pure: time comes in, in milliseconds since the Unix epoch.
//!
//! One that waits leaves at its deadline. One that a channel holds does not; but if it comes back later, it dies at once.

use std::ops::RangeInclusive;

use super::deadlines::{Deadlines, Due};
use super::ready::TakenOut;
use super::reason::Reason;
use super::spans::Spans;
use super::stale::Stale;
use super::stamps::Stamps;
use super::state::QueueState;
use crate::journal::Positions;
use crate::publication::Page;

/// Deadlines that are looked at in one turn for those of messages that are gone, roughly, or as many as there are messages that
/// do not wait, if these are more.
const LOOKS: usize = 4 * 1024;

/// What a queue knows of the time of its messages.
#[derive(Debug, Default)]
pub(super) struct Expiry {
    deadlines: Deadlines,
    /// Messages whose time was over while they were not waiting, and others that are gone.
    overdue: Spans,
    forgotten: Stale,
    /// Messages that live until the next pass.
    fleeting: Vec<Due>,
}

impl Expiry {
    /// Whether a message that comes back has died meanwhile.
    #[inline]
    pub(super) fn is_over(&self, position: u64) -> bool {
        !self.overdue.is_empty() && self.overdue.contains(position)
    }
}

impl QueueState {
    /// Gives the messages that were enqueued last their deadlines: those at `offsets` of a page, the first of them at the
    /// position `first`. Those whose deadline is not after `now` live until the next pass.
    pub fn stamp(&mut self, first: u64, page: &Page, offsets: &[u32], stamps: &Stamps, now: u64) {
        match (stamps, self.ready.level_of_all(page)) {
            (Stamps::Never, _) => return,
            (&Stamps::All(at), Some(level)) if !offsets.is_empty() => {
                let last = first + offsets.len() as u64 - 1;
                let due = Due {
                    at,
                    first,
                    last,
                    level,
                };
                self.expect(due, now);
            }
            _ => self.stamp_each(first, page, offsets, stamps, now),
        }
        self.sweep_deadlines();
    }

    fn stamp_each(&mut self, first: u64, page: &Page, offsets: &[u32], stamps: &Stamps, now: u64) {
        let mut run: Option<Due> = None;
        for (place, &offset) in offsets.iter().enumerate() {
            let position = first + place as u64;
            let next = Due {
                at: stamps.get(place),
                first: position,
                last: position,
                level: self.ready.level_of(page, offset),
            };
            match &mut run {
                Some(run) if (run.at, run.level) == (next.at, next.level) => run.last = position,
                _ => {
                    let before = run.replace(next);
                    before.into_iter().for_each(|due| self.expect(due, now));
                }
            }
        }
        run.into_iter().for_each(|due| self.expect(due, now));
    }

    /// Whether some messages have a deadline, so that [`expire`](Self::expire) has to be asked before others are handed out.
    #[inline]
    pub fn is_timed(&self) -> bool {
        !self.expiry.deadlines.is_empty()
    }

    /// When to ask for [`expire`](Self::expire) again, if nothing happens before.
    pub fn next_deadline(&self) -> Option<u64> {
        self.expiry.deadlines.next_look()
    }

    /// Lets messages die whose time is over, about `most` of them. `true` when there are more.
    pub fn expire(&mut self, now: u64, most: usize) -> bool {
        if self.ready.len() == 0 && !self.rests() && !self.may_come_back() {
            self.expiry = Expiry::default();
            return false;
        }
        let mut left = most;
        while left > 0 {
            let Some(due) = self.expiry.deadlines.take_due(now) else {
                break;
            };
            left = left.saturating_sub(self.expire_some(due, left).max(1));
        }
        self.compact_pages();
        let more = self.expiry.deadlines.is_due(now);
        if more {
            // Until there is a pass, others whose deadlines are later may be due.
            for due in std::mem::take(&mut self.expiry.fleeting) {
                self.expiry.deadlines.add(due);
            }
        }
        more
    }

    /// Lets those die that were to live until a pass.
    pub fn expire_fleeting(&mut self) {
        for due in std::mem::take(&mut self.expiry.fleeting) {
            self.expire_some(due, usize::MAX);
        }
    }

    /// A message that was read at the start expires at `at`.
    pub(super) fn expect_kept(&mut self, at: u64, position: u64, level: u8) {
        self.expiry.deadlines.add(Due {
            at,
            first: position,
            last: position,
            level,
        });
    }

    fn expect(&mut self, due: Due, now: u64) {
        match due.at {
            0 => {}
            at if at <= now => self.expiry.fleeting.push(due),
            _ => self.expiry.deadlines.add(due),
        }
    }

    /// Of messages whose time is over, those that wait die, `most` of them, and the others are noted. Returns how many died.
    fn expire_some(&mut self, due: Due, most: usize) -> usize {
        let Due { first, last, .. } = due;
        let mut taken = TakenOut::default();
        let upto = self.ready.take_out(due.level, &(first..=last), most, &mut taken);
        if upto < last {
            let first = upto + 1;
            self.expiry.deadlines.add(Due { first, ..due });
        }
        let last = upto;
        self.expire_resting(&(first..=last));
        if self.may_come_back() {
            self.expiry.overdue.add(Positions { first, last });
            self.forget_settled();
        }
        self.bury(taken, Reason::Expired)
    }

    /// Those of these messages die that rest.
    fn expire_resting(&mut self, positions: &RangeInclusive<u64>) {
        if self.rests() {
            for (position, entry) in self.returning.resting.take_out(positions) {
                self.returning.attempts.forget(position);
                self.die(position, entry, Reason::Expired);
            }
        }
    }

    /// Whether messages that do not wait, and do not rest, may wait again.
    fn may_come_back(&self) -> bool {
        self.holders.len() > 0 || self.dying.may_come_back()
    }

    /// Forgets which messages' time is over that can't come back any more.
    fn forget_settled(&mut self) {
        let away = self.holders.len()
            + if self.dying.may_come_back() {
                self.dying.waiting() + self.dying.held()
            } else {
                0
            };
        if self.expiry.forgotten.pays(self.expiry.overdue.len(), away) {
            let elsewhere = self.elsewhere();
            let overdue = &mut self.expiry.overdue;
            overdue.retain(|Positions { first, last }| elsewhere.overlap(first, last));
            self.expiry.forgotten.looked(overdue.len(), away);
        }
    }

    /// Forgets deadlines of messages that are gone, once they are most: some at a time.
    pub(super) fn sweep_deadlines(&mut self) {
        let messages = self.ready.len() + self.holders.len() + self.resting();
        if !self.expiry.deadlines.are_stale(messages) {
            return;
        }
        let elsewhere = self.elsewhere();
        let ready = &mut self.ready;
        self.expiry.deadlines.sweep(
            LOOKS.max(elsewhere.0.len()),
            messages,
            |Due {
                 first, last, level, ..
             }| elsewhere.overlap(first, last) || ready.overlaps(level, &(first..=last)),
        );
    }

    fn elsewhere(&self) -> Elsewhere {
        let held = self.holders.iter().map(|held| held.position);
        let single = held.chain(self.resting_positions()).map(Positions::one);
        let mut elsewhere: Vec<Positions> = single.chain(self.dying.redriven()).collect();
        elsewhere.sort_unstable_by_key(|part| part.first);
        Elsewhere(elsewhere)
    }
}

/// Where messages stood that do not wait and may wait again, in order.
struct Elsewhere(Vec<Positions>);

impl Elsewhere {
    fn overlap(&self, first: u64, last: u64) -> bool {
        let at = self.0.partition_point(|part| part.last < first);
        self.0.get(at).is_some_and(|part| part.first <= last)
    }
}
