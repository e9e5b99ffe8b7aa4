//! The pages a queue keeps alive, and what they cost.

use std::sync::Arc;

use slab::Slab;

use super::fifo::Entry;
use crate::publication::{Page, PageBuilder};

/// What a page costs beyond its bytes: allocations, its slot here, its counts.
const OVERHEAD: u64 = 128;
/// Wasted bytes below which nothing is compacted.
const SLACK: u64 = 256 * 1024;
/// Size at which a page of moved messages is closed.
const COMPACTED: u64 = 64 * 1024;

/// Pages with live messages.
#[derive(Debug, Default)]
pub(super) struct Pages {
    slots: Slab<Slot>,
    /// Bytes of the live messages.
    live: u64,
    /// Bytes of the pages they keep alive.
    pinned: u64,
}

#[derive(Debug)]
struct Slot {
    page: Arc<Page>,
    /// Messages not gone yet.
    count: u32,
    /// Their bytes.
    live: u64,
}

impl Slot {
    fn pinned(&self) -> u64 {
        self.page.bytes() + OVERHEAD
    }

    /// Whether moving its messages elsewhere pays.
    ///
    /// Stricter than [`Pages::wasteful`], so that a compaction is not followed by the next one soon.
    fn is_sparse(&self) -> bool {
        self.pinned() * 3 > self.live * 4
    }
}

impl Pages {
    /// Takes a page in, and gives `admit` an entry for each of its messages in `offsets`.
    pub(super) fn insert(&mut self, page: Arc<Page>, offsets: &[u32], mut admit: impl FnMut(Entry)) {
        if offsets.is_empty() {
            return;
        }
        let key = self.slots.vacant_key() as u32;
        let mut live = 0;
        for &offset in offsets {
            let cost = page.cost(offset);
            live += u64::from(cost);
            admit(Entry {
                page: key,
                offset,
                cost,
                redelivered: false,
            });
        }
        self.add(Slot {
            page,
            count: offsets.len() as u32,
            live,
        });
    }

    #[inline]
    pub(super) fn get(&self, entry: &Entry) -> Option<&Arc<Page>> {
        Some(&self.slots.get(entry.page as usize)?.page)
    }

    /// A message is gone; with its last message goes the page.
    #[inline]
    pub(super) fn release(&mut self, entry: &Entry) {
        let Some(slot) = self.slots.get_mut(entry.page as usize) else {
            return;
        };
        slot.count -= 1;
        slot.live -= u64::from(entry.cost);
        self.live -= u64::from(entry.cost);
        if slot.count == 0 {
            self.pinned -= slot.pinned();
            self.slots.remove(entry.page as usize);
        }
    }

    /// Bytes of memory kept alive.
    pub(super) fn bytes(&self) -> u64 {
        self.pinned
    }

    /// Whether the pages keep far more alive than what is live.
    #[inline]
    pub(super) fn wasteful(&self) -> bool {
        self.pinned > 2 * self.live + SLACK
    }

    /// Moves the messages of sparse pages to fresh ones. `entries` must be all there are.
    ///
    /// Takes time in proportion to the entries. It is due only after a good part of the live bytes went or
    /// as many came in badly filled pages, so a message pays for a bounded number of looks.
    pub(super) fn compact<'a>(&mut self, entries: impl Iterator<Item = &'a mut Entry>) {
        let mut builder = PageBuilder::new();
        let mut moved: Vec<(&'a mut Entry, u32)> = Vec::new();
        for entry in entries {
            let Some(slot) = self.slots.get(entry.page as usize) else {
                continue;
            };
            if !slot.is_sparse() {
                continue;
            }
            let offset = builder.copy(slot.page.get(entry.offset));
            moved.push((entry, offset));
            if builder.len() >= COMPACTED {
                self.settle_in(builder.finish(), &mut moved);
            }
        }
        if !builder.is_empty() {
            self.settle_in(builder.finish(), &mut moved);
        }
    }

    /// Points moved entries to their new page, and releases the old ones.
    fn settle_in(&mut self, page: Arc<Page>, moved: &mut Vec<(&mut Entry, u32)>) {
        let key = self.slots.vacant_key() as u32;
        self.add(Slot {
            live: page.bytes(),
            count: moved.len() as u32,
            page: Arc::clone(&page),
        });
        for (entry, offset) in moved.drain(..) {
            self.release(entry);
            *entry = Entry {
                page: key,
                offset,
                cost: page.cost(offset),
                redelivered: entry.redelivered,
            };
        }
    }

    fn add(&mut self, slot: Slot) {
        self.live += slot.live;
        self.pinned += slot.pinned();
        self.slots.insert(slot);
    }
}
