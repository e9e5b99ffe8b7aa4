//! Positions of messages that are gone, until the journals are told. Pure.

use super::fifo::Entry;
use crate::journal::{Keeper, Positions};

/// Which messages that a journal has are gone.
#[derive(Debug, Default)]
pub(super) struct Settlements {
    journal: Ranges,
    scratch: Ranges,
}

impl Settlements {
    /// A message is gone.
    #[inline]
    pub(super) fn note(&mut self, position: u64, entry: &Entry) {
        if entry.kept {
            self.journal.add(position);
        }
        if entry.scratched {
            self.scratch.add(position);
        }
    }

    /// A journal needs these no longer; not all of them need be there.
    pub(super) fn note_range(&mut self, keeper: Keeper, positions: Positions) {
        self.of(keeper).0.push(positions);
    }

    /// Like [`note_range`](Self::note_range), without the `others`, whose positions rise.
    pub(super) fn note_range_without(&mut self, keeper: Keeper, positions: Positions, others: &[u64]) {
        let mut first = positions.first;
        let from = others.partition_point(|&other| other < first);
        let among = others.iter().skip(from).copied();
        for other in among.take_while(|&other| other <= positions.last) {
            if first < other {
                let last = other - 1;
                self.note_range(keeper, Positions { first, last });
            }
            first = other + 1;
        }
        if first <= positions.last {
            self.note_range(keeper, Positions { first, ..positions });
        }
    }

    /// The scratch log needs a message no longer.
    pub(super) fn note_written(&mut self, position: u64) {
        self.scratch.add(position);
    }

    /// What was noted since this was asked last, in order of its going.
    pub(super) fn take(&mut self, keeper: Keeper) -> Vec<Positions> {
        std::mem::take(&mut self.of(keeper).0)
    }

    fn of(&mut self, keeper: Keeper) -> &mut Ranges {
        match keeper {
            Keeper::Journal => &mut self.journal,
            Keeper::Scratch => &mut self.scratch,
        }
    }
}

/// Ranges of positions, neighbours in one.
#[derive(Debug, Default)]
pub(super) struct Ranges(pub(super) Vec<Positions>);

impl Ranges {
    pub(super) fn add(&mut self, position: u64) {
        match self.0.last_mut() {
            Some(range) if position == range.last.wrapping_add(1) => range.last = position,
            Some(range) if position.wrapping_add(1) == range.first => range.first = position,
            _ => self.0.push(Positions::one(position)),
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
            scratched: false,
            level: 0,
        }
    }

    #[test]
    fn neighbours_become_one_range_whichever_goes_first() {
        let mut settlements = Settlements::default();
        for position in [5, 6, 7, 4, 9, 8] {
            settlements.note(position, &entry(true));
        }
        let range = |first, last| Positions { first, last };
        assert_eq!(settlements.take(Keeper::Journal), [range(4, 7), range(8, 9)]);
        assert_eq!(settlements.take(Keeper::Journal), []);
    }

    #[test]
    fn what_the_journal_does_not_keep_is_not_told() {
        let mut settlements = Settlements::default();
        settlements.note(1, &entry(false));
        assert_eq!(settlements.take(Keeper::Journal), []);
    }
}
