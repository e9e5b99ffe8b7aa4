//! How many copies of each message are still to arrive. Pure.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Messages of which some copies have not arrived yet, by their numbers, which rise.
#[derive(Debug, Default)]
pub(super) struct Underway {
    /// Messages that stand side by side and miss as many copies, by the number of the first.
    runs: BTreeMap<u64, Run>,
    /// Those of which all have arrived.
    safe: Vec<RangeInclusive<u64>>,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    last: u64,
    copies: u32,
}

impl Underway {
    /// Messages set out, each to so many targets.
    pub(super) fn set_out(&mut self, numbers: RangeInclusive<u64>, copies: u32) {
        if copies == 0 {
            return self.is_safe(numbers);
        }
        let (first, last) = numbers.into_inner();
        if let Some(mut before) = self.runs.last_entry()
            && (before.get().last + 1, before.get().copies) == (first, copies)
        {
            before.get_mut().last = last;
            return;
        }
        self.runs.insert(first, Run { last, copies });
    }

    /// One copy more of each of these messages has arrived, or is not wanted any more.
    pub(super) fn arrived(&mut self, numbers: RangeInclusive<u64>) {
        let (first, last) = numbers.into_inner();
        self.split(first);
        self.split(last.saturating_add(1));
        let mut next = first;
        while next <= last
            && let Some((&begin, run)) = self.runs.range_mut(next..=last).next()
        {
            run.copies -= 1;
            let Run { last, copies } = *run;
            if copies == 0 {
                self.runs.remove(&begin);
                self.is_safe(begin..=last);
            }
            next = last + 1;
        }
    }

    /// The messages of which all copies have arrived since this was asked last.
    pub(super) fn take_safe(&mut self) -> Vec<RangeInclusive<u64>> {
        std::mem::take(&mut self.safe)
    }

    fn is_safe(&mut self, numbers: RangeInclusive<u64>) {
        match self.safe.last_mut() {
            Some(before) if before.end() + 1 == *numbers.start() => {
                *before = *before.start()..=*numbers.end();
            }
            _ => self.safe.push(numbers),
        }
    }

    /// Sees that a run begins at a number, if there is a message of that number.
    fn split(&mut self, number: u64) {
        if let Some((_, run)) = self.runs.range_mut(..number).next_back()
            && run.last >= number
        {
            let rest = *run;
            run.last = number - 1;
            self.runs.insert(number, rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn neighbours_that_set_out_alike_and_arrive_are_one_range() {
        let mut underway = Underway::default();
        underway.set_out(0..=9, 1);
        underway.set_out(10..=19, 1);
        assert_eq!(underway.runs.len(), 1);
        underway.arrived(0..=4);
        underway.arrived(5..=19);
        assert_eq!(underway.take_safe(), [0..=19]);
        assert!(underway.runs.is_empty() && underway.take_safe().is_empty());
    }

    #[test]
    fn a_message_is_safe_when_all_its_copies_have_arrived() {
        let mut underway = Underway::default();
        underway.set_out(0..=1, 0);
        underway.set_out(2..=5, 2);
        underway.arrived(3..=3);
        assert_eq!(underway.take_safe(), [0..=1]);
        underway.arrived(2..=5);
        assert_eq!(underway.take_safe(), [3..=3]);
        underway.arrived(4..=5);
        underway.arrived(2..=2);
        assert_eq!(underway.take_safe(), [4..=5, 2..=2]);
        underway.arrived(0..=100);
        assert!(underway.take_safe().is_empty());
    }

    proptest! {
        #[test]
        fn each_message_is_safe_once_after_its_last_copy(
            copies in prop::collection::vec(0_u32..4, 1..40),
            picks in prop::collection::vec((0_usize..40, 0_usize..6), 0..200),
        ) {
            let mut underway = Underway::default();
            for (number, &copies) in copies.iter().enumerate() {
                underway.set_out(number as u64..=number as u64, copies);
            }
            let mut left = copies.clone();
            let mut safe = vec![0; left.len()];
            let mut look = |underway: &mut Underway, left: &[u32]| {
                for numbers in underway.take_safe() {
                    numbers.for_each(|number| safe[number as usize] += 1);
                }
                let expected: Vec<i32> = left.iter().map(|&left| i32::from(left == 0)).collect();
                assert_eq!(safe, expected);
            };
            look(&mut underway, &left);
            for (first, more) in picks {
                // Only what is open in all of its messages can arrive.
                let Some(last) = left.get(first).map(|_| (first + more).min(left.len() - 1)) else { continue };
                if left[first..=last].contains(&0) { continue }
                left[first..=last].iter_mut().for_each(|left| *left -= 1);
                underway.arrived(first as u64..=last as u64);
                look(&mut underway, &left);
            }
        }
    }
}
