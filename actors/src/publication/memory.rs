//! What all pages of the process take, and what is left for them.

use std::sync::atomic::{AtomicU64, Ordering};

static PAGES: AtomicU64 = AtomicU64::new(0);
static EXCESS: AtomicU64 = AtomicU64::new(0);

/// Bytes of all pages there are in the process; one that many queues share counts once.
pub fn pages_in_memory() -> u64 {
    PAGES.load(Ordering::Relaxed)
}

/// Bytes taken of the memory that is meant for pages: by them, and by all else in the process that takes more than its part.
pub fn room_taken() -> u64 {
    pages_in_memory().saturating_add(EXCESS.load(Ordering::Relaxed))
}

/// So many bytes more than their part are taken by what is not pages: connections, indexes, freed memory that the
/// system does not have back yet.
pub fn others_exceed(bytes: u64) {
    EXCESS.store(bytes, Ordering::Relaxed);
}

/// Counts bytes as taken by pages for as long as it lives: those of a page, or of pages to come.
#[derive(Debug)]
pub struct Room(u64);

impl Room {
    /// Takes so many bytes.
    pub fn take(bytes: u64) -> Self {
        PAGES.fetch_add(bytes, Ordering::Relaxed);
        Room(bytes)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.0
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        PAGES.fetch_sub(self.0, Ordering::Relaxed);
    }
}
