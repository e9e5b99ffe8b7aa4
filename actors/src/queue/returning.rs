//! What becomes of messages that come back: each takes its old place. A queue that counts how often that happens lets one die
//! that has come back too often.

use std::mem;

use super::{
    attempts::Attempts,
    effective::Effective,
    fifo::Entry,
    holders::Held,
    reason::Reason,
    state::{Outcome, QueueState},
};
use crate::journal::Return;

/// What a queue that counts knows of messages that come back.
#[derive(Debug, Default)]
pub(super) struct Returning {
    counts: bool,
    /// How often a message may come back.
    limit: Option<u32>,
    pub(super) attempts: Attempts,
    /// Messages of an earlier life were below this position.
    kept_below: u64,
    /// What the journal was not told yet.
    untold: Vec<Return>,
}

impl QueueState {
    /// What holds for messages that come back.
    pub fn amend_returns(&mut self, effective: &Effective) {
        self.returning.counts = effective.counts_deliveries;
        self.returning.limit = effective.delivery_limit;
    }

    /// The returns that the journal is to keep, since this was asked last. It is to hear of them before it hears what is
    /// [settled](Self::take_settled).
    pub fn take_returned(&mut self) -> Vec<Return> {
        mem::take(&mut self.returning.untold)
    }

    /// Messages that a channel had come back, in this way.
    pub(super) fn take_back(&mut self, held: Vec<Held>, _: Outcome) {
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
            position, attempts, ..
        } in returned
        {
            self.returning.attempts.set(position, attempts);
        }
    }

    /// All that waited is gone.
    pub(super) fn forget_returns(&mut self) {
        self.returning.kept_below = 0;
        let held = self.holders.iter().map(|held| held.position);
        self.returning.attempts.sweep(0, held);
    }

    /// Forgets how often messages have come back that are gone, once they are most.
    fn sweep_attempts(&mut self) {
        if self.returning.attempts.are_stale(self.holders.len()) {
            let held = self.holders.iter().map(|held| held.position);
            let returned = self.ready.returned_mut().map(|(position, _)| position);
            let below = self.returning.kept_below;
            self.returning.attempts.sweep(below, held.chain(returned));
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
