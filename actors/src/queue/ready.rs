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
