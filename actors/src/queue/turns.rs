//! Whose turn it is: by priority, and by turn among equals.

use std::collections::VecDeque;

/// Rings of consumers that can take a message, by priority.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Non-empty rings, lowest priority first.
    rings: Vec<(i64, VecDeque<u32>)>,
    /// The room of the last ring that became empty: a lone consumer leaves and joins with every message it settles.
    spare: VecDeque<u32>,
}

impl Turns {
    /// Who is next.
    #[inline]
    pub(super) fn first(&self) -> Option<u32> {
        self.rings.last().and_then(|(_, ring)| ring.front().copied())
    }

    /// How many take turns with the next one, itself included.
    #[inline]
    pub(super) fn equals(&self) -> usize {
        self.rings.last().map_or(0, |(_, ring)| ring.len())
    }

    /// The first had its turn, and is the last of its equals now.
    #[inline]
    pub(super) fn rotate(&mut self) {
        let Some((_, ring)) = self.rings.last_mut() else {
            return;
        };
        if let Some(first) = ring.pop_front() {
            ring.push_back(first);
        }
    }

    /// So many of the first go behind their equals.
    pub(super) fn skip(&mut self, consumers: usize) {
        if let Some((_, ring)) = self.rings.last_mut()
            && !ring.is_empty()
        {
            ring.rotate_left(consumers % ring.len());
        }
    }

    /// The first leaves.
    #[inline]
    pub(super) fn leave(&mut self) {
        let Some((_, ring)) = self.rings.last_mut() else {
            return;
        };
        ring.pop_front();
        if ring.is_empty()
            && let Some((_, ring)) = self.rings.pop()
        {
            self.spare = ring;
        }
    }

    /// Joins as the last of its equals.
    pub(super) fn join(&mut self, priority: i64, consumer: u32) {
        match self
            .rings
            .binary_search_by_key(&priority, |(priority, _)| *priority)
        {
            Ok(at) => {
                if let Some((_, ring)) = self.rings.get_mut(at) {
                    ring.push_back(consumer);
                }
            }
            Err(at) => {
                let mut ring = std::mem::take(&mut self.spare);
                ring.push_back(consumer);
                self.rings.insert(at, (priority, ring));
            }
        }
    }

    /// Keeps only those that `stay`.
    pub(super) fn retain(&mut self, mut stay: impl FnMut(u32) -> bool) {
        for (_, ring) in &mut self.rings {
            ring.retain(|&consumer| stay(consumer));
        }
        self.rings.retain(|(_, ring)| !ring.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_take_turns() {
        let mut turns = Turns::default();
        (0..3).for_each(|consumer| turns.join(0, consumer));
        let mut seen = Vec::new();
        for _ in 0..6 {
            seen.extend(turns.first());
            turns.rotate();
        }
        assert_eq!(seen, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn a_higher_priority_goes_first_until_it_leaves() {
        let mut turns = Turns::default();
        turns.join(0, 1);
        turns.join(9, 2);
        turns.join(-3, 3);
        let mut seen = Vec::new();
        while let Some(first) = turns.first() {
            seen.push(first);
            turns.leave();
        }
        assert_eq!(seen, [2, 1, 3]);
    }

    #[test]
    fn one_who_left_is_not_asked() {
        let mut turns = Turns::default();
        turns.join(0, 1);
        turns.join(5, 2);
        turns.retain(|consumer| consumer != 2);
        assert_eq!((turns.first(), turns.equals()), (Some(1), 1));
    }
}
