//! A set of positions, most of which are neighbours. Pure.

use std::collections::BTreeMap;

use crate::journal::Positions;

/// Positions, as the ranges they form: the first of each, and its last.
#[derive(Debug, Default)]
pub(super) struct Spans(BTreeMap<u64, u64>);

impl Spans {
    /// How many ranges.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn contains(&self, position: u64) -> bool {
        let before = self.0.range(..=position).next_back();
        before.is_some_and(|(_, &last)| position <= last)
    }

    /// Adds positions, none of which is here.
    pub(super) fn add(&mut self, positions: Positions) {
        let Positions { mut first, mut last } = positions;
        if let Some((&before, &ended)) = self.0.range(..first).next_back()
            && ended + 1 == first
        {
            first = before;
        }
        if let Some(behind) = self.0.remove(&(last + 1)) {
            last = behind;
        }
        self.0.insert(first, last);
    }

    /// Forgets the ranges that `stays` does not want to keep.
    pub(super) fn retain(&mut self, mut stays: impl FnMut(Positions) -> bool) {
        self.0
            .retain(|&first, &mut last| stays(Positions { first, last }));
    }
}

impl FromIterator<u64> for Spans {
    fn from_iter<T: IntoIterator<Item = u64>>(positions: T) -> Self {
        let mut spans = Spans::default();
        for position in positions {
            spans.add(Positions::one(position));
        }
        spans
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_range_whichever_comes_first() {
        let mut spans: Spans = [5, 3, 4, 9, 7].into_iter().collect();
        assert_eq!(spans.len(), 3);
        spans.add(Positions { first: 10, last: 20 });
        spans.add(Positions { first: 8, last: 8 });
        assert_eq!(spans.0, BTreeMap::from([(3, 5), (7, 20)]));
        let held: Vec<u64> = (0..30).filter(|&position| spans.contains(position)).collect();
        assert_eq!(held, Vec::from_iter((3..=5).chain(7..=20)));
    }
}
