//! Whether the messages of a queue have the same priority, so that they need not be read for it. Pure.

use super::record::Positions;

/// What is known of the priorities of some messages without reading them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Alike {
    /// They may have different ones.
    #[default]
    Unknown,
    /// All have this one, or none.
    All(Option<u8>),
}

/// The end of a queue where all messages have the same priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tail {
    /// That of the messages.
    pub priority: Option<u8>,
    /// Where they begin.
    pub from: u64,
}

impl Tail {
    /// Nothing is known of messages below this position.
    pub(super) fn unknown_below(position: u64) -> Self {
        Tail {
            priority: None,
            from: position,
        }
    }

    /// The queue has messages with a priority at these positions; it had none yet from `next` on.
    pub(super) fn seen(&mut self, Positions { first, last }: Positions, priority: Option<u8>, next: u64) {
        if self.priority == priority || last < self.from {
            return;
        }
        if first >= next {
            *self = Tail {
                priority,
                from: first,
            };
        } else {
            self.from = last.saturating_add(1);
        }
    }

    /// What is known of the messages from a position on.
    pub(super) fn since(&self, first: u64) -> Alike {
        match first >= self.from {
            true => Alike::All(self.priority),
            false => Alike::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_messages_of_one_priority_are_alike() {
        let mut tail = Tail::default();
        assert_eq!(tail.since(0), Alike::All(None));
        tail.seen(Positions { first: 0, last: 4 }, None, 0);
        tail.seen(Positions::one(5), Some(0), 5);
        tail.seen(Positions::one(6), Some(0), 6);
        assert_eq!(
            (tail.since(4), tail.since(5)),
            (Alike::Unknown, Alike::All(Some(0)))
        );
        tail.seen(Positions { first: 7, last: 9 }, None, 7);
        assert_eq!((tail.since(6), tail.since(7)), (Alike::Unknown, Alike::All(None)));
    }

    #[test]
    fn one_that_is_seen_late_is_not_forgotten() {
        let mut tail = Tail::default();
        tail.seen(Positions { first: 10, last: 20 }, Some(1), 0);
        tail.seen(Positions::one(3), Some(2), 21);
        assert_eq!(tail.since(10), Alike::All(Some(1)));
        tail.seen(Positions::one(15), Some(2), 21);
        assert_eq!(
            (tail.since(15), tail.since(16)),
            (Alike::Unknown, Alike::All(Some(1)))
        );
        tail.seen(Positions { first: 20, last: 21 }, None, 21);
        assert_eq!(
            (tail.since(21), tail.since(22)),
            (Alike::Unknown, Alike::All(Some(1)))
        );
    }
}
