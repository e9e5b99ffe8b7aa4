//! How much memory messages may take before they go to the disk.

use std::ops::RangeInclusive;

/// The most of one queue's journaled messages that stay in memory.
const JOURNALED: u64 = 64 * 1024 * 1024;
/// What stays of each queue's first messages when memory is short.
const FRONT: u64 = 1024 * 1024;

/// Bytes that are read ahead of those who take messages: while the first half is handed out, the second is read.
const AHEAD: RangeInclusive<u64> = 256 * 1024..=4 * 1024 * 1024;
/// The part of the free room that one queue's reading may take.
const SHARE: u64 = 8;

/// The bounds of what waits in memory. All are bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryBudget {
    /// Of one queue's messages that its journal has, whatever else there is.
    pub journaled: u64,
    /// Of all messages of the process.
    pub all: u64,
}

impl MemoryBudget {
    /// Everything stays in memory.
    pub const UNBOUNDED: MemoryBudget = MemoryBudget {
        journaled: u64::MAX,
        all: u64::MAX,
    };

    /// That of a process that is to get by with `limit` bytes.
    pub fn of(limit: u64) -> Self {
        MemoryBudget {
            journaled: JOURNALED.min(limit / 8),
            all: limit / 2,
        }
    }

    /// Whether all messages of the process take so much, `used` bytes, that some are to leave. That begins below the budget,
    /// since they don't leave at once.
    fn is_short(self, used: u64) -> bool {
        used > self.all / 4 * 3
    }

    /// What may stay of one queue's first messages while all messages of the process take `used` bytes; `None` when
    /// there is room. The less room, the less.
    pub(super) fn keep(self, used: u64) -> Option<u64> {
        if !self.is_short(used) {
            None
        } else if used <= self.all {
            Some(FRONT)
        } else if used <= self.all.saturating_add(self.all / 4) {
            Some(FRONT / 16)
        } else {
            Some(0)
        }
    }

    /// How many bytes to read ahead, and at once, while all messages of the process take `used` bytes. Those who take messages have
    /// room when those who publish have none left: they make more of it.
    pub(super) fn ahead(self, used: u64) -> u64 {
        let room = self.all.saturating_add(self.all / 4).saturating_sub(used);
        (room / SHARE).clamp(*AHEAD.start(), *AHEAD.end())
    }

    /// Whether messages come faster than they go to the disk: those who publish have to wait.
    pub fn strained(self, used: u64) -> bool {
        used > self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_less_room_there_is_the_less_stays() {
        let budget = MemoryBudget::of(256 << 20);
        let keep = |mib: u64| budget.keep(mib << 20);
        assert_eq!(keep(95), None);
        assert_eq!(keep(97), Some(FRONT));
        assert_eq!(keep(129), Some(FRONT / 16));
        assert_eq!(keep(161), Some(0));
        assert!(budget.strained(129 << 20) && !budget.strained(127 << 20));
    }

    #[test]
    fn the_less_room_there_is_the_less_is_read_at_once() {
        let budget = MemoryBudget::of(256 << 20);
        let ahead = |mib: u64| budget.ahead(mib << 20);
        assert_eq!((ahead(0), ahead(128)), (4 << 20, 4 << 20));
        assert_eq!((ahead(144), ahead(152)), (2 << 20, 1 << 20));
        assert_eq!((ahead(160), ahead(1 << 20)), (256 << 10, 256 << 10));
    }

    #[test]
    fn without_a_bound_everything_stays() {
        let most = 1 << 60;
        assert_eq!(MemoryBudget::UNBOUNDED.keep(most), None);
        assert!(!MemoryBudget::UNBOUNDED.strained(most));
    }
}
