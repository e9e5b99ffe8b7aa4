//! Messages that wait, in order: those that came back, then those never handed out.

use std::collections::BTreeMap;

use super::fifo::{Entry, Fifo};

/// The order of what waits. A returned message has an earlier position than any that was never handed out.
#[derive(Debug, Default)]
pub(super) struct Ready {
    returned: BTreeMap<u64, Entry>,
    fresh: Fifo,
}

impl Ready {
    pub(super) fn len(&self) -> usize {
        self.returned.len() + self.fresh.len()
    }

    /// The position of the next message that is pushed.
    pub(super) fn next_position(&self) -> u64 {
        self.fresh.next_position()
    }

    /// Gives the next message that is pushed this position. None was pushed yet.
    pub(super) fn start_at(&mut self, position: u64) {
        self.fresh.start_at(position);
    }

    /// The last position of a message that was handed out and came back.
    pub(super) fn last_redelivered(&self) -> Option<u64> {
        let mut latest_first = self.returned.iter().rev();
        latest_first.find_map(|(&position, entry)| entry.redelivered.then_some(position))
    }

    #[inline]
    pub(super) fn push(&mut self, entry: Entry) {
        self.fresh.push(entry);
    }

    /// The first message, with its position.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<(u64, Entry)> {
        if self.returned.is_empty() {
            self.fresh.pop()
        } else {
            self.returned.pop_first()
        }
    }

    /// Puts a popped message back to its place.
    pub(super) fn put_back(&mut self, position: u64, entry: Entry) {
        self.returned.insert(position, entry);
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.returned.values_mut().chain(self.fresh.iter_mut())
    }
}
