//! How often messages have come back. Pure.

use std::mem;

use rustc_hash::FxHashMap;

use super::stale::Stale;

/// The messages of a queue that have come back, known by their positions, with how often they have.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    counts: FxHashMap<u64, u32>,
    swept: Stale,
}

impl Attempts {
    pub(super) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// How often a message has come back, if ever.
    #[inline]
    pub(super) fn of(&self, position: u64) -> Option<u32> {
        self.counts.get(&position).copied()
    }

    /// A message comes back: for the how manieth time.
    pub(super) fn add(&mut self, position: u64) -> u32 {
        let count = self.counts.entry(position).or_default();
        *count = count.saturating_add(1);
        *count
    }

    /// A message has come back so often.
    pub(super) fn set(&mut self, position: u64, count: u32) {
        self.counts.insert(position, count);
    }

    /// A message is gone.
    #[inline]
    pub(super) fn forget(&mut self, position: u64) {
        self.counts.remove(&position);
    }

    /// Whether it pays to look for those of messages that are gone, when there are so many that are not.
    pub(super) fn are_stale(&self, messages: usize) -> bool {
        self.swept.pays(self.counts.len(), messages)
    }

    /// Only these messages are there, and maybe any below a position.
    pub(super) fn sweep(&mut self, below: u64, there: impl Iterator<Item = u64>) {
        let mut counts = mem::take(&mut self.counts);
        let mut messages = 0;
        let there = there.inspect(|_| messages += 1);
        let there = there.filter_map(|position| Some((position, counts.remove(&position)?)));
        self.counts = there.collect();
        self.counts
            .extend(counts.into_iter().filter(|&(position, _)| position < below));
        self.swept.looked(self.counts.len(), messages);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_return_counts() {
        let mut attempts = Attempts::default();
        assert_eq!(attempts.of(7), None);
        assert_eq!((attempts.add(7), attempts.add(7), attempts.add(8)), (1, 2, 1));
        attempts.forget(7);
        assert_eq!((attempts.of(7), attempts.of(8)), (None, Some(1)));
        attempts.set(8, u32::MAX);
        assert_eq!(attempts.add(8), u32::MAX);
    }

    #[test]
    fn counts_of_messages_that_are_gone_are_swept_out() {
        let mut attempts = Attempts::default();
        (0..2_000).for_each(|position| assert_eq!(attempts.add(position), 1));
        assert!(attempts.are_stale(10) && !attempts.are_stale(1_000));
        attempts.sweep(2, 1_999..2_010);
        let left = [0, 1, 2, 1_998, 1_999].map(|position| attempts.of(position));
        assert_eq!(left, [Some(1), Some(1), None, None, Some(1)]);
        assert_eq!(attempts.counts.len(), 3);
    }
}
