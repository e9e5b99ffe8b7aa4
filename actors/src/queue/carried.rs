//! The dead that the forwarder has: it gets them numbered, and settles them by their numbers. Pure.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::dying::Dead;

/// What the forwarder has not settled.
#[derive(Debug, Default)]
pub(super) struct Carried {
    /// Messages under numbers that follow each other, by that of the first.
    runs: BTreeMap<u64, Vec<Dead>>,
    /// The number of the next message.
    next: u64,
    len: usize,
    bytes: u64,
}

impl Carried {
    /// How many messages.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// What they cost together.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The forwarder gets these. Answers them, and the number of the first.
    pub(super) fn add(&mut self, run: Vec<Dead>) -> (u64, &[Dead]) {
        let first = self.next;
        if run.is_empty() {
            return (first, &[]);
        }
        self.next += run.len() as u64;
        self.len += run.len();
        self.bytes += cost(&run);
        (first, self.runs.entry(first).or_insert(run))
    }

    /// The forwarder is done with those of these numbers that it still has; `sink` gets neighbours together. Returns how many.
    pub(super) fn release(&mut self, numbers: RangeInclusive<u64>, mut sink: impl FnMut(&[Dead])) -> usize {
        let (first, last) = (*numbers.start(), *numbers.end());
        let before = self.len;
        self.split(first);
        self.split(last.saturating_add(1));
        while let Some((&begin, _)) = self.runs.range(first..=last).next()
            && let Some(run) = self.runs.remove(&begin)
        {
            self.len -= run.len();
            self.bytes -= cost(&run);
            sink(&run);
        }
        before - self.len
    }

    /// All of them, in order.
    pub(super) fn take_all(&mut self) -> Vec<Dead> {
        let all = std::mem::take(self);
        all.runs.into_values().flatten().collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Dead> {
        self.runs.values().flatten()
    }

    /// After [`recount`](Self::recount), what is changed here counts.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Dead> {
        self.runs.values_mut().flatten()
    }

    /// Adds up what they cost after that changed.
    pub(super) fn recount(&mut self) {
        self.bytes = self.runs.values().map(|run| cost(run)).sum();
    }

    /// Sees that a run begins at a number, if there is a message of that number.
    fn split(&mut self, number: u64) {
        let Some((&begin, run)) = self.runs.range_mut(..number).next_back() else {
            return;
        };
        let place = (number - begin) as usize;
        if place < run.len() {
            let rest = run.split_off(place);
            // A few may stay for long: they must not take the room of thousands.
            run.shrink_to_fit();
            self.runs.insert(number, rest);
        }
    }
}

fn cost(run: &[Dead]) -> u64 {
    run.iter().map(|dead| u64::from(dead.entry.cost)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::entry::Entry;
    use crate::queue::reason::Reason;

    fn dead(positions: std::ops::Range<u64>) -> Vec<Dead> {
        positions
            .map(|position| Dead {
                position,
                entry: Entry::new(0, 0, 10),
                reason: Reason::Expired,
            })
            .collect()
    }

    fn released(carried: &mut Carried, numbers: RangeInclusive<u64>) -> Vec<u64> {
        let mut positions = Vec::new();
        let count = carried.release(numbers, |run| {
            positions.extend(run.iter().map(|dead| dead.position))
        });
        assert_eq!(count, positions.len());
        positions
    }

    #[test]
    fn those_of_some_numbers_go_once_and_the_others_stay() {
        let mut carried = Carried::default();
        assert_eq!(carried.add(dead(100..104)).0, 0);
        assert_eq!(carried.add(dead(200..204)).0, 4);
        assert_eq!(released(&mut carried, 1..=1), [101]);
        assert_eq!(released(&mut carried, 0..=5), [100, 102, 103, 200, 201]);
        assert_eq!(released(&mut carried, 0..=5), [0; 0]);
        assert_eq!((carried.len(), carried.bytes()), (2, 20));
        assert_eq!(carried.add(dead(300..301)).0, 8);
        let left: Vec<u64> = carried.iter().map(|dead| dead.position).collect();
        assert_eq!(left, [202, 203, 300]);
        assert_eq!(released(&mut carried, 7..=u64::MAX), [203, 300]);
        assert_eq!(released(&mut carried, 0..=u64::MAX), [202]);
        assert_eq!((carried.len(), carried.bytes()), (0, 0));
    }

    #[test]
    fn what_is_taken_back_is_in_order_and_numbers_begin_anew() {
        let mut carried = Carried::default();
        carried.add(dead(5..8));
        carried.add(dead(1..3));
        carried.release(1..=1, |_| {});
        let positions: Vec<u64> = carried.take_all().iter().map(|dead| dead.position).collect();
        assert_eq!(positions, [5, 7, 1, 2]);
        assert_eq!((carried.len(), carried.add(dead(9..10)).0), (0, 0));
    }

    #[test]
    fn one_that_stays_takes_no_room_for_others() {
        let mut carried = Carried::default();
        carried.add(dead(0..4_096));
        carried.release(1..=4_095, |_| {});
        assert!(carried.runs.values().all(|run| run.capacity() < 16));
    }
}
