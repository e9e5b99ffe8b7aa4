//! Positions of messages that are gone, until the journal is told. Pure.

use super::fifo::Entry;
use crate::journal::Positions;

/// Which messages that the journal keeps are gone, as ranges in order of their going.
#[derive(Debug, Default)]
pub(super) struct Settlements {
    ranges: Vec<Positions>,
}

impl Settlements {
    /// A message is gone.
    #[inline]
    pub(super) fn note(&mut self, position: u64, entry: &Entry) {
        if entry.kept {
            self.add(position);
        }
    }

    /// What was noted since this was asked last.
    pub(super) fn take(&mut self) -> Vec<Positions> {
        std::mem::take(&mut self.ranges)
    }

    fn add(&mut self, position: u64) {
        match self.ranges.last_mut() {
            Some(range) if position == range.last.wrapping_add(1) => range.last = position,
            Some(range) if position.wrapping_add(1) == range.first => range.first = position,
            _ => self.ranges.push(Positions {
                first: position,
                last: position,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kept: bool) -> Entry {
        Entry {
            page: 0,
            offset: 0,
            cost: 1,
            redelivered: false,
            kept,
        }
    }

    #[test]
    fn neighbours_become_one_range_whichever_goes_first() {
        let mut settlements = Settlements::default();
        for position in [5, 6, 7, 4, 9, 8] {
            settlements.note(position, &entry(true));
        }
        let range = |first, last| Positions { first, last };
        assert_eq!(settlements.take(), [range(4, 7), range(8, 9)]);
        assert_eq!(settlements.take(), []);
    }

    #[test]
    fn what_the_journal_does_not_keep_is_not_told() {
        let mut settlements = Settlements::default();
        settlements.note(1, &entry(false));
        assert_eq!(settlements.take(), []);
    }
}
