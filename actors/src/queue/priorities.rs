//! Which priorities the messages of a queue have. Pure.

/// The priorities that count in a queue: from 0 to the highest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Priorities {
    usual: u8,
    highest: u8,
}

impl Priorities {
    /// Those of a quorum queue, which nobody has to ask for.
    pub const QUORUM: Self = Self {
        usual: 4,
        highest: 31,
    };

    /// Those of a queue that was declared with a highest one; with 0 all messages are equal.
    #[must_use]
    pub const fn up_to(highest: u8) -> Self {
        Self { usual: 0, highest }
    }

    /// That of a message which says none.
    #[inline]
    #[must_use]
    pub fn usual(self) -> u8 {
        self.usual
    }

    /// Whether all messages are equal, whatever they say.
    #[inline]
    #[must_use]
    pub fn are_equal(self) -> bool {
        self.highest == 0
    }

    /// That of a message which says this: one above the highest counts as the highest.
    #[must_use]
    pub fn of(self, said: Option<u8>) -> u8 {
        match self.highest {
            0 => 0,
            highest => said.map_or(self.usual, |priority| priority.min(highest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_priority_it_says_as_far_as_the_queue_goes() {
        let said = [None, Some(0), Some(4), Some(5), Some(31), Some(32), Some(255)];
        let of = |priorities: Priorities| said.map(|said| priorities.of(said));
        assert_eq!(of(Priorities::up_to(0)), [0; 7]);
        assert_eq!(of(Priorities::up_to(5)), [0, 0, 4, 5, 5, 5, 5]);
        assert_eq!(of(Priorities::QUORUM), [4, 0, 4, 5, 31, 31, 31]);
    }
}
