//! The prefetch that all consumers of a channel share.
//!
//! Its consumers have no standing credit. A queue with messages offers them to its consumer, which asks here; what
//! it gets is lent to it until the queue hands out messages for it, or says that it can't.
//!
//! ```text
//! free ──offer──► lent ──delivered──► unacked ──settled──► free
//!                   └─────unused──────────────────────────►
//! ```

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::id::ConsumerId;

/// The budget of a channel, in messages.
#[derive(Debug)]
pub struct Budget {
    limit: u32,
    lent: FxHashMap<ConsumerId, u32>,
    /// The sum of what is lent.
    lent_total: u32,
    unacked: u32,
    /// Who gets what becomes free; each at most once.
    waiting: VecDeque<ConsumerId>,
}

impl Budget {
    /// A budget of so many messages, none of them in use.
    pub fn new(limit: u32) -> Self {
        Self {
            limit,
            lent: FxHashMap::default(),
            lent_total: 0,
            unacked: 0,
            waiting: VecDeque::new(),
        }
    }

    /// Changes the limit. What is in use stays in use, even above it. Returns what waiting consumers get.
    pub fn set_limit(&mut self, limit: u32) -> Vec<(ConsumerId, u32)> {
        self.limit = limit;
        self.share()
    }

    /// Messages lent or unacked.
    pub fn in_use(&self) -> u32 {
        self.lent_total.saturating_add(self.unacked)
    }

    /// A consumer was offered messages by its queue, and wants to take some. Returns how many it may;
    /// `None` when it has to wait: it then is among those that get what becomes free.
    pub fn offer(&mut self, consumer: ConsumerId) -> Option<u32> {
        if self.waiting.contains(&consumer) {
            return None;
        }
        if self.free() == 0 {
            self.waiting.push_back(consumer);
            return None;
        }
        Some(self.lend(consumer, self.free()))
    }

    /// Messages came for a consumer. Those beyond what was lent, from before there was a budget, count as well.
    pub fn delivered(&mut self, consumer: ConsumerId, messages: u32) {
        self.take_back(consumer, messages);
        self.unacked = self.unacked.saturating_add(messages);
    }

    /// Counts messages that were unacked before there was a budget.
    pub fn adopt(&mut self, messages: u32) {
        self.unacked = self.unacked.saturating_add(messages);
    }

    /// A consumer can't use so much of what it was lent. Returns what waiting consumers get.
    pub fn unused(&mut self, consumer: ConsumerId, messages: u32) -> Vec<(ConsumerId, u32)> {
        self.take_back(consumer, messages);
        self.share()
    }

    /// Deliveries to consumers were settled. Returns what waiting consumers get.
    pub fn settled(&mut self, messages: u32) -> Vec<(ConsumerId, u32)> {
        self.unacked = self.unacked.saturating_sub(messages);
        self.share()
    }

    /// A consumer is gone, and with it what it was lent. Returns what waiting consumers get.
    pub fn remove(&mut self, consumer: ConsumerId) -> Vec<(ConsumerId, u32)> {
        self.waiting.retain(|other| *other != consumer);
        self.take_back(consumer, u32::MAX);
        self.share()
    }

    fn free(&self) -> u32 {
        self.limit.saturating_sub(self.in_use())
    }

    fn lend(&mut self, consumer: ConsumerId, messages: u32) -> u32 {
        *self.lent.entry(consumer).or_default() += messages;
        self.lent_total += messages;
        messages
    }

    fn take_back(&mut self, consumer: ConsumerId, messages: u32) {
        let Some(lent) = self.lent.get_mut(&consumer) else {
            return;
        };
        let back = messages.min(*lent);
        *lent -= back;
        self.lent_total -= back;
        if *lent == 0 {
            self.lent.remove(&consumer);
        }
    }

    /// Lends what is free in equal parts to those who wait, in their order, as far as it goes.
    fn share(&mut self) -> Vec<(ConsumerId, u32)> {
        let mut grants = Vec::new();
        while self.free() > 0 {
            let part = (self.free() as usize / self.waiting.len().max(1)).max(1) as u32;
            let Some(consumer) = self.waiting.pop_front() else {
                break;
            };
            grants.push((consumer, self.lend(consumer, part)));
        }
        grants
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consumers<const N: usize>() -> [ConsumerId; N] {
        std::array::from_fn(|_| ConsumerId::next())
    }

    #[test]
    fn what_is_free_is_lent_and_the_rest_wait() {
        let mut budget = Budget::new(5);
        let [a, b] = consumers();
        assert_eq!(budget.offer(a), Some(5));
        assert_eq!(budget.offer(b), None);
        budget.delivered(a, 3);
        assert_eq!(budget.in_use(), 5);
        assert_eq!(budget.unused(a, 2), [(b, 2)]);
    }

    #[test]
    fn what_becomes_free_is_shared_by_those_who_wait_in_turn() {
        let mut budget = Budget::new(10);
        let [a, b, c, d] = consumers();
        budget.offer(a);
        budget.delivered(a, 10);
        for waiting in [b, c, d, b] {
            assert_eq!(budget.offer(waiting), None);
        }
        assert_eq!(budget.settled(1), [(b, 1)]);
        assert_eq!(budget.settled(5), [(c, 2), (d, 3)]);
        assert_eq!(budget.in_use(), 10);
    }

    #[test]
    fn a_consumer_that_leaves_frees_its_loan_but_not_its_unacked_messages() {
        let mut budget = Budget::new(4);
        let [a, b] = consumers();
        budget.offer(a);
        budget.delivered(a, 1);
        budget.offer(b);
        assert_eq!(budget.remove(a), [(b, 3)]);
        assert_eq!(budget.remove(b), []);
        assert_eq!(budget.in_use(), 1);
    }

    #[test]
    fn a_raised_limit_is_lent_at_once_and_a_lowered_one_waits_for_settlements() {
        let mut budget = Budget::new(2);
        let [a, b] = consumers();
        budget.offer(a);
        budget.delivered(a, 2);
        budget.offer(b);
        assert_eq!(budget.set_limit(1), []);
        assert_eq!(budget.settled(1), []);
        assert_eq!(budget.set_limit(3), [(b, 2)]);
    }

    #[test]
    fn what_was_unacked_before_counts() {
        let mut budget = Budget::new(3);
        let [a] = consumers();
        budget.adopt(2);
        budget.delivered(a, 2);
        assert_eq!((budget.in_use(), budget.offer(a)), (4, None));
        assert_eq!(budget.settled(2), [(a, 1)]);
    }
}
