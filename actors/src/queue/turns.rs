//! Whose turn it is: by priority, and by turn among equals.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::mem;

/// Rings of consumers that can take a message, by priority.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Turns {
    /// The highest priority of those that there are.
    highest: Option<Ring>,
    /// The others, lowest first.
    lower: Vec<Ring>,
}

/// Consumers of one priority that can take a message. Most often there is one, who is at hand here.
#[derive(Debug)]
struct Ring {
    priority: i64,
    /// Who is next.
    first: u32,
    /// Those after it, in order.
    others: VecDeque<u32>,
}

impl Turns {
    /// Who is next.
    #[inline]
    pub(super) fn first(&self) -> Option<u32> {
        self.highest.as_ref().map(|ring| ring.first)
    }

    /// How many take turns with the next one, itself included.
    #[inline]
    pub(super) fn equals(&self) -> usize {
        self.highest.as_ref().map_or(0, |ring| 1 + ring.others.len())
    }

    /// The first had its turn, and is the last of its equals now.
    #[inline]
    pub(super) fn rotate(&mut self) {
        if let Some(ring) = &mut self.highest
            && let Some(next) = ring.others.pop_front()
        {
            ring.others.push_back(mem::replace(&mut ring.first, next));
        }
    }

    /// So many of the first go behind their equals.
    pub(super) fn skip(&mut self, consumers: usize) {
        if let Some(ring) = &mut self.highest {
            ring.others.push_front(ring.first);
            let equals = ring.others.len();
            ring.others.rotate_left(consumers % equals);
            ring.leave();
        }
    }

    /// The first leaves.
    #[inline]
    pub(super) fn leave(&mut self) {
        if let Some(ring) = &mut self.highest
            && !ring.leave()
        {
            self.highest = self.lower.pop();
        }
    }

    /// Joins as the last of its equals.
    pub(super) fn join(&mut self, priority: i64, consumer: u32) {
        let Some(highest) = &mut self.highest else {
            self.highest = Some(Ring::alone(priority, consumer));
            return;
        };
        match priority.cmp(&highest.priority) {
            Ordering::Equal => highest.others.push_back(consumer),
            Ordering::Greater => {
                let before = mem::replace(highest, Ring::alone(priority, consumer));
                self.lower.push(before);
            }
            Ordering::Less => self.join_lower(priority, consumer),
        }
    }

    fn join_lower(&mut self, priority: i64, consumer: u32) {
        match self.lower.binary_search_by_key(&priority, |ring| ring.priority) {
            Ok(at) => {
                if let Some(ring) = self.lower.get_mut(at) {
                    ring.others.push_back(consumer);
                }
            }
            Err(at) => self.lower.insert(at, Ring::alone(priority, consumer)),
        }
    }

    /// Keeps only those that `stay`.
    pub(super) fn retain(&mut self, mut stay: impl FnMut(u32) -> bool) {
        self.lower.retain_mut(|ring| ring.retain(&mut stay));
        if self.highest.as_mut().is_some_and(|ring| !ring.retain(&mut stay)) {
            self.highest = self.lower.pop();
        }
    }
}

impl Ring {
    fn alone(priority: i64, first: u32) -> Self {
        let others = VecDeque::new();
        Ring {
            priority,
            first,
            others,
        }
    }

    /// Keeps only those that `stay`; false if none does.
    fn retain(&mut self, mut stay: impl FnMut(u32) -> bool) -> bool {
        self.others.push_front(self.first);
        self.others.retain(|&consumer| stay(consumer));
        self.leave()
    }

    /// The first leaves; false if it was the last.
    #[inline]
    fn leave(&mut self) -> bool {
        let next = self.others.pop_front();
        self.first = next.unwrap_or(self.first);
        next.is_some()
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

    #[test]
    fn equals_may_skip_turns_and_leave_at_any_time() {
        let mut turns = Turns::default();
        (0..5).for_each(|consumer| turns.join(0, consumer));
        turns.skip(2);
        assert_eq!((turns.first(), turns.equals()), (Some(2), 5));
        turns.retain(|consumer| consumer != 2 && consumer != 4);
        let mut seen = Vec::new();
        while let Some(first) = turns.first() {
            seen.push(first);
            turns.leave();
        }
        assert_eq!(seen, [3, 0, 1]);
        turns.skip(3);
        turns.rotate();
        assert_eq!(turns.equals(), 0);
    }

    #[test]
    fn those_of_lower_priorities_wait_in_their_order() {
        let mut turns = Turns::default();
        for (priority, consumer) in [(1, 1), (3, 3), (2, 2), (1, 11), (3, 33), (2, 22)] {
            turns.join(priority, consumer);
        }
        turns.retain(|consumer| consumer != 3);
        let mut seen = Vec::new();
        while let Some(first) = turns.first() {
            seen.push(first);
            turns.leave();
        }
        assert_eq!(seen, [33, 2, 22, 1, 11]);
    }
}
