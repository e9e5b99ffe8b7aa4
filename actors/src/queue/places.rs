//! A set of positions, whatever gaps there are between them: a bit for each where they are many. Pure.

use std::collections::BTreeMap;

use super::absent::positions;
use crate::journal::Positions;

/// Words of a chunk.
const WORDS: usize = 4;
/// Positions of a word.
const WORD: u64 = 64;
/// Positions of a chunk.
const CHUNK: u64 = WORDS as u64 * WORD;

/// Positions, in chunks of neighbours of which at least one is here.
#[derive(Debug, Default)]
pub(super) struct Places(BTreeMap<u64, [u64; WORDS]>);

impl Places {
    pub(super) fn contains(&self, position: u64) -> bool {
        let chunk = self.0.get(&(position / CHUNK));
        chunk
            .and_then(|words| words.get((position % CHUNK / WORD) as usize))
            .is_some_and(|word| word >> (position % WORD) & 1 == 1)
    }

    /// Adds positions, some of which may be here.
    pub(super) fn add(&mut self, Positions { first, last }: Positions) {
        for at in first / CHUNK..=last / CHUNK {
            let words = self.0.entry(at).or_default();
            for (start, word) in (at * CHUNK..).step_by(WORD as usize).zip(words) {
                *word |= bits(first, last, start);
            }
        }
    }

    /// Forgets those below a position, but for a few.
    pub(super) fn forget_below(&mut self, position: u64) {
        while let Some(first) = self.0.first_entry()
            && *first.key() < position / CHUNK
        {
            first.remove();
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Of these positions those that are not here.
    pub(super) fn others(&self, asked: Positions) -> Vec<Positions> {
        let mut others = Vec::new();
        let mut next = asked.first;
        for (at, words) in self.0.range(asked.first / CHUNK..=asked.last / CHUNK) {
            for (start, word) in (at * CHUNK..).step_by(WORD as usize).zip(words) {
                let mut here = word & bits(asked.first, asked.last, start);
                while here != 0 {
                    let first = start + u64::from(here.trailing_zeros());
                    if next < first {
                        others.push(positions(next, first - 1));
                    }
                    next = first + 1;
                    here &= here - 1;
                }
            }
        }
        if next <= asked.last {
            others.push(positions(next, asked.last));
        }
        others
    }
}

/// The bits of the positions from `first` to `last` in the word that begins at `start`.
fn bits(first: u64, last: u64, start: u64) -> u64 {
    let end = start + (WORD - 1);
    if last < start || end < first {
        return 0;
    }
    let from = u64::MAX << first.saturating_sub(start);
    let upto = u64::MAX >> end.saturating_sub(last);
    from & upto
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn what_was_added_is_here_and_the_others_are_not(
            added in vec((0..2_000_u64, 0..300_u64), 0..20),
            below in 0..1_500_u64,
            (first, more) in (0..2_500_u64, 0..1_000_u64),
        ) {
            let (mut places, mut model) = (Places::default(), BTreeSet::new());
            for &(first, more) in &added {
                places.add(positions(first, first + more));
                model.extend(first..=first + more);
            }
            places.forget_below(below);
            model.retain(|&position| position >= below / CHUNK * CHUNK);
            for position in 0..3_600 {
                prop_assert_eq!(places.contains(position), model.contains(&position));
            }
            let others = places.others(positions(first, first + more));
            prop_assert!(others.is_sorted_by(|one, next| one.last + 1 < next.first));
            let others: Vec<u64> = others.iter().flat_map(|part| part.first..=part.last).collect();
            let expected = (first..=first + more).filter(|position| !model.contains(position));
            prop_assert_eq!(others, expected.collect::<Vec<u64>>());
        }
    }

    #[test]
    fn many_neighbours_take_little() {
        let mut places = Places::default();
        places.add(positions(1_000, 1_000_999));
        assert!(places.0.len() < 4_000);
        assert_eq!(
            places.others(positions(0, 2_000_000)),
            [positions(0, 999), positions(1_001_000, 2_000_000)]
        );
        places.forget_below(2_000_000);
        assert!(places.0.is_empty());
    }
}
