//! Waiting messages that are not in memory. Pure.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use crate::journal::{Keeper, Positions, Run};

/// Messages that one journal keeps and no other message stands between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) keeper: Keeper,
    pub(super) run: Run,
}

/// Stretches in order: a few bytes each, however many messages they are.
#[derive(Debug, Default)]
pub(super) struct Absent {
    stretches: VecDeque<Stretch>,
    messages: u64,
}

impl Absent {
    pub(super) fn is_empty(&self) -> bool {
        self.stretches.is_empty()
    }

    /// How many messages.
    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    /// Messages whose positions are above all that are here.
    pub(super) fn push(&mut self, stretch: Stretch) {
        self.messages += stretch.run.messages;
        match self.stretches.back_mut() {
            Some(last) if last.keeper == stretch.keeper => {
                last.run.positions.last = stretch.run.positions.last;
                last.run.messages += stretch.run.messages;
            }
            _ if stretch.run.messages > 0 => self.stretches.push_back(stretch),
            _ => {}
        }
    }

    pub(super) fn first(&self) -> Option<&Stretch> {
        self.stretches.front()
    }

    /// The first stretch was read up to a position, and so many messages were there. Fewer may be left than were counted.
    pub(super) fn read(&mut self, upto: u64, messages: u64) {
        let Some(Stretch { run, .. }) = self.stretches.front_mut() else {
            return;
        };
        let before = run.messages;
        let left = run.positions.last.saturating_sub(upto);
        run.messages = run.messages.saturating_sub(messages).min(left);
        run.positions.first = upto.saturating_add(1);
        self.messages -= before - run.messages;
        if run.messages == 0 {
            self.stretches.pop_front();
        }
    }

    /// Takes out those at these positions, all of which are here. `taken` hears of each stretch of them.
    pub(super) fn take_out(&mut self, range: RangeInclusive<u64>, mut taken: impl FnMut(Stretch)) {
        let from = self
            .stretches
            .partition_point(|stretch| stretch.run.positions.last < *range.start());
        let mut used_up = false;
        for Stretch { keeper, run } in self.stretches.range_mut(from..) {
            let overlap = positions(
                run.positions.first.max(*range.start()),
                run.positions.last.min(*range.end()),
            );
            if overlap.first > overlap.last {
                break;
            }
            // What can't be read any more may have been counted for nothing.
            let messages = run.messages.min(overlap.last - overlap.first + 1);
            run.messages -= messages;
            self.messages -= messages;
            used_up |= run.messages == 0;
            let run = Run {
                positions: overlap,
                messages,
            };
            taken(Stretch { keeper: *keeper, run });
        }
        if used_up {
            self.stretches.retain(|stretch| stretch.run.messages > 0);
        }
    }

    /// Whether some of these positions are among those of the messages.
    pub(super) fn overlaps(&self, range: &RangeInclusive<u64>) -> bool {
        let at = self
            .stretches
            .partition_point(|stretch| stretch.run.positions.last < *range.start());
        let stretch = self.stretches.get(at);
        stretch.is_some_and(|stretch| stretch.run.positions.first <= *range.end())
    }

    /// The stretches from a position on.
    pub(super) fn from(&self, position: u64) -> impl Iterator<Item = Stretch> {
        let at = self
            .stretches
            .partition_point(|stretch| stretch.run.positions.last < position);
        self.stretches.range(at..).copied()
    }

    /// All of them go.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Stretch> {
        self.messages = 0;
        self.stretches.drain(..)
    }
}

/// The positions from one to another.
pub(super) fn positions(first: u64, last: u64) -> Positions {
    Positions { first, last }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(keeper: Keeper, first: u64, last: u64, messages: u64) -> Stretch {
        let positions = positions(first, last);
        Stretch {
            keeper,
            run: Run { positions, messages },
        }
    }

    #[test]
    fn neighbours_of_one_journal_are_one_stretch() {
        let mut absent = Absent::default();
        absent.push(stretch(Keeper::Journal, 3, 10, 8));
        absent.push(stretch(Keeper::Journal, 14, 20, 5));
        absent.push(stretch(Keeper::Scratch, 21, 22, 2));
        assert_eq!(absent.messages(), 15);
        let stretches: Vec<Stretch> = absent.drain().collect();
        assert_eq!(
            stretches,
            [
                stretch(Keeper::Journal, 3, 20, 13),
                stretch(Keeper::Scratch, 21, 22, 2)
            ]
        );
    }

    #[test]
    fn what_is_taken_out_is_counted_out_of_its_stretches() {
        let mut absent = Absent::default();
        absent.push(stretch(Keeper::Journal, 1, 10, 10));
        absent.push(stretch(Keeper::Scratch, 11, 20, 10));
        absent.push(stretch(Keeper::Journal, 21, 30, 10));
        let mut taken = Vec::new();
        absent.take_out(8..=23, |stretch| taken.push(stretch));
        assert_eq!(
            taken,
            [
                stretch(Keeper::Journal, 8, 10, 3),
                stretch(Keeper::Scratch, 11, 20, 10),
                stretch(Keeper::Journal, 21, 23, 3)
            ]
        );
        assert_eq!(absent.messages(), 14);
        absent.read(7, 7);
        assert_eq!(absent.first(), Some(&stretch(Keeper::Journal, 21, 30, 7)));
    }

    #[test]
    fn what_is_missing_is_no_longer_counted_once_that_is_certain() {
        let mut absent = Absent::default();
        absent.push(stretch(Keeper::Journal, 1, 10, 10));
        absent.read(5, 3);
        assert_eq!(absent.messages(), 5, "two of five are missing");
        absent.read(10, 5);
        assert!(absent.is_empty());
        absent.push(stretch(Keeper::Journal, 1, 100, 10));
        absent.read(50, 4);
        assert_eq!(absent.messages(), 6, "they may all be still to come");
        absent.read(100, 5);
        assert_eq!((absent.messages(), absent.is_empty()), (0, true));
    }
}
