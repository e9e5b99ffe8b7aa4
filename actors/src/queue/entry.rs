//! What a queue knows of a message. Pure.

use crate::journal::Keeper;

/// A message a queue knows: a place in a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Slot of its page in the queue's [`Pages`](super::pages::Pages).
    pub(super) page: u32,
    /// Its place in that page. Of a message that is not in memory, the length of its body.
    pub(super) offset: u32,
    /// What it costs, in bytes.
    pub(super) cost: u32,
    /// It was handed out before, and came back.
    pub(super) redelivered: bool,
    /// The journal has it, and wants to hear when it is gone.
    pub(super) kept: bool,
    /// It is on the scratch log by itself, which wants to hear when it is gone.
    pub(super) scratched: bool,
    /// Its level among the [`Levels`](super::levels::Levels), which is the priority of the message.
    pub(super) level: u8,
}

impl Entry {
    /// The `page` of a message that is not in memory.
    pub(super) const ABSENT: u32 = u32::MAX;
    /// What is left of one that was taken out of the middle of a [`Fifo`](super::fifo::Fifo): its room.
    pub(super) const GAP: Entry = Entry {
        page: u32::MAX - 1,
        offset: 0,
        cost: 0,
        redelivered: false,
        kept: false,
        scratched: false,
        level: 0,
    };

    /// A message of a page, new to the queue.
    #[inline]
    pub(super) fn new(page: u32, offset: u32, cost: u32) -> Self {
        Entry {
            page,
            offset,
            cost,
            redelivered: false,
            kept: false,
            scratched: false,
            level: 0,
        }
    }

    /// Whether the message is not in memory: one of its journals has it.
    #[inline]
    pub(super) fn is_absent(&self) -> bool {
        self.page == Self::ABSENT
    }

    /// Which journal has the message, if it is not in memory.
    pub(super) fn keeper(&self) -> Keeper {
        match self.scratched {
            true => Keeper::Scratch,
            false => Keeper::Journal,
        }
    }

    pub(super) fn is_gap(&self) -> bool {
        self.page == Self::GAP.page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_takes_sixteen_bytes() {
        assert_eq!(size_of::<Entry>(), 16);
    }
}
