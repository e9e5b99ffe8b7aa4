//! Where the publications of a page come from, for those that a journal has already. Pure.

use crate::id::StoreId;

/// A message of a queue whose journal has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// The queue.
    pub store: StoreId,
    /// Its place there.
    pub position: u64,
}

/// The messages that publications of a page were, in one queue, with the same bodies.
#[derive(Debug)]
pub struct Sources {
    store: StoreId,
    /// By the places in the page, which rise.
    positions: Vec<(u32, u64)>,
}

impl Sources {
    /// The publications at these places of a page, which rise, are the messages at these positions of a queue.
    pub fn new(store: StoreId, positions: Vec<(u32, u64)>) -> Self {
        Sources { store, positions }
    }

    /// What the publication at a place of the page was.
    pub(super) fn get(&self, offset: u32) -> Option<Source> {
        let found = self.positions.binary_search_by_key(&offset, |(at, _)| *at);
        let &(_, position) = self.positions.get(found.ok()?)?;
        Some(Source {
            store: self.store,
            position,
        })
    }
}
