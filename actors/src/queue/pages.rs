//! The pages a queue keeps alive, and what they cost.

use std::sync::Arc;

use slab::Slab;

use super::fifo::Entry;
use crate::publication::{Page, PageBuilder};

/// What a page costs beyond its bytes: allocations, its slot here, its counts.
const OVERHEAD: u64 = 128;
/// Wasted bytes below which nothing is compacted.
const SLACK: u64 = 256 * 1024;
/// Bytes of a page that others hold too which are not worth a copy.
const SHARED_SLACK: u64 = 1024;
/// Size at which a page of moved messages is closed.
const COMPACTED: u64 = 64 * 1024;
/// Messages that are looked at in one turn, roughly.
const LOOKS: usize = 16 * 1024;
/// Bytes that are moved in one turn, roughly.
const MOVES: u64 = 1024 * 1024;

/// Pages with live messages.
#[derive(Debug, Default)]
pub(super) struct Pages {
    slots: Slab<Slot>,
    /// Bytes of the live messages.
    live: u64,
    /// Bytes of the pages they keep alive.
    pinned: u64,
    /// Bytes of these that others keep alive too, beyond what would be wasteful, as at the last look.
    shared: u64,
}

/// What was done in one turn of compacting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Compacted {
    /// Messages that were looked at.
    pub(super) looked: usize,
    /// Whether these were all.
    pub(super) whole: bool,
    /// What those that were moved did cost.
    pub(super) cost_before: u64,
    /// What they cost now.
    pub(super) cost_after: u64,
}

impl Default for Compacted {
    fn default() -> Self {
        Compacted {
            looked: 0,
            whole: true,
            cost_before: 0,
            cost_after: 0,
        }
    }
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

    /// Whether moving its messages elsewhere pays: of a page that others hold too, each answers for a part.
    ///
    /// Stricter than [`Pages::wasteful`], so that a compaction is not followed by the next one soon.
    fn is_sparse(&self) -> bool {
        match Arc::strong_count(&self.page) as u64 {
            0 | 1 => self.pinned() * 3 > self.live * 4,
            holders => self.pinned() / holders > self.live * 4 + SHARED_SLACK,
        }
    }
}

impl Pages {
    /// Takes a page in, and gives `admit` an entry for each of its messages in `offsets`.
    ///
    /// `kept` says which of them the journal keeps.
    pub(super) fn insert(
        &mut self,
        page: Arc<Page>,
        offsets: &[u32],
        kept: impl Fn(&Page, u32) -> bool,
        mut admit: impl FnMut(Entry),
    ) {
        self.insert_together(page, offsets.len(), |page, key| {
            let mut live = 0;
            for &offset in offsets {
                let cost = page.cost(offset);
                live += u64::from(cost);
                let kept = kept(page, offset);
                admit(Entry {
                    kept,
                    ..Entry::new(key, offset, cost)
                });
            }
            live
        });
    }

    /// Takes a page in for so many of its messages. `admit` is given the slot of the page, and says what they cost together.
    #[inline]
    pub(super) fn insert_together(
        &mut self,
        page: Arc<Page>,
        count: usize,
        admit: impl FnOnce(&Page, u32) -> u64,
    ) {
        if count > 0 {
            let key = self.slots.vacant_key() as u32;
            let live = admit(&page, key);
            self.add(Slot {
                page,
                count: count as u32,
                live,
            });
        }
    }

    #[inline]
    pub(super) fn get(&self, entry: &Entry) -> Option<&Arc<Page>> {
        Some(&self.slots.get(entry.page as usize)?.page)
    }

    /// A message is gone; with its last message goes the page.
    #[inline]
    pub(super) fn release(&mut self, entry: &Entry) {
        self.release_some(entry.page, 1, entry.cost.into());
    }

    /// Some messages of a page are gone, which cost so much together.
    #[inline]
    pub(super) fn release_some(&mut self, page: u32, count: u32, cost: u64) {
        let Some(slot) = self.slots.get_mut(page as usize) else {
            return;
        };
        slot.count -= count;
        slot.live -= cost;
        self.live -= cost;
        if slot.count == 0 {
            self.pinned -= slot.pinned();
            self.shared = self.shared.min(self.pinned);
            self.slots.remove(page as usize);
        }
    }

    /// A message leaves memory; nothing happens to one that has left already.
    pub(super) fn let_go(&mut self, entry: &mut Entry) {
        let body = self.body_len(entry);
        self.release(entry);
        (entry.page, entry.offset) = (Entry::ABSENT, body);
    }

    /// The length of a message's body, in memory or not.
    pub(super) fn body_len(&self, entry: &Entry) -> u32 {
        match self.get(entry) {
            Some(page) => page.body_len(entry.offset),
            None => entry.offset,
        }
    }

    /// Bytes of the live messages.
    pub(super) fn live(&self) -> u64 {
        self.live
    }

    /// Bytes of memory kept alive.
    pub(super) fn bytes(&self) -> u64 {
        self.pinned
    }

    /// Whether the pages keep far more alive than what is live.
    #[inline]
    pub(super) fn wasteful(&self) -> bool {
        self.pinned > 2 * (self.live + self.shared) + SLACK
    }

    /// Whether others still hold pages has to be looked at again.
    pub(super) fn doubt_shared(&mut self) {
        self.shared = 0;
    }

    /// Moves messages of sparse pages to fresh ones, until enough is done for one turn.
    pub(super) fn compact<'a>(&mut self, entries: impl Iterator<Item = &'a mut Entry>) -> Compacted {
        let mut builder = PageBuilder::new();
        let mut moved: Vec<(&'a mut Entry, u32)> = Vec::new();
        let mut done = Compacted::default();
        let mut bytes = 0;
        for entry in entries {
            // A page is not left half-filled for the sake of a short turn, unless it takes too long to fill.
            let enough = done.looked >= LOOKS || bytes >= MOVES;
            if enough && (builder.is_empty() || done.looked >= 4 * LOOKS) {
                done.whole = false;
                break;
            }
            done.looked += 1;
            let slot = self.slots.get(entry.page as usize);
            let Some(slot) = slot.filter(|slot| slot.is_sparse()) else {
                continue;
            };
            let offset = builder.copy(slot.page.get(entry.offset));
            bytes += u64::from(entry.cost);
            moved.push((entry, offset));
            if builder.len() >= COMPACTED {
                self.settle_in(builder.finish(), &mut moved, &mut done);
            }
        }
        if !builder.is_empty() {
            self.settle_in(builder.finish(), &mut moved, &mut done);
        }
        done
    }

    /// All messages there are were looked at, and so many bytes given up. `true` when another look is worth it.
    pub(super) fn compacted(&mut self, freed: u64) -> bool {
        if freed >= SLACK && self.wasteful() {
            return true;
        }
        // What was not worth moving is not looked at again before there is as much again of it.
        self.shared = self.pinned.saturating_sub(2 * self.live + SLACK);
        false
    }

    /// Points moved entries to their new page, and releases the old ones.
    fn settle_in(&mut self, page: Arc<Page>, moved: &mut Vec<(&mut Entry, u32)>, done: &mut Compacted) {
        let key = self.slots.vacant_key() as u32;
        let costs = moved.iter().map(|&(_, offset)| u64::from(page.cost(offset)));
        self.add(Slot {
            live: costs.sum(),
            count: moved.len() as u32,
            page: Arc::clone(&page),
        });
        for (entry, offset) in moved.drain(..) {
            self.release(entry);
            done.cost_before += u64::from(entry.cost);
            *entry = Entry {
                page: key,
                offset,
                cost: page.cost(offset),
                ..*entry
            };
            done.cost_after += u64::from(entry.cost);
        }
    }

    fn add(&mut self, slot: Slot) {
        self.live += slot.live;
        self.pinned += slot.pinned();
        self.slots.insert(slot);
    }
}

#[cfg(test)]
mod tests {
    use leveret_protocol::Body;

    use super::*;

    /// Pages of `count` messages of `size` bytes each, and all their entries.
    fn filled(pages: usize, count: usize, size: usize) -> (Pages, Vec<Entry>) {
        let mut filled = Pages::default();
        let mut entries = Vec::new();
        for page in 0..pages {
            let mut builder = PageBuilder::new();
            let body = vec![page as u8; size];
            let offsets: Vec<u32> = (0..count)
                .map(|_| builder.push("x", "key", &[0, 0], false, Body::Slice(&body)))
                .collect();
            filled.insert(
                builder.finish(),
                &offsets,
                |_, _| false,
                |entry| entries.push(entry),
            );
        }
        (filled, entries)
    }

    #[test]
    fn a_page_goes_with_its_last_message() {
        let (mut pages, entries) = filled(1, 3, 10);
        for entry in &entries {
            assert!(pages.get(entry).is_some());
            pages.release(entry);
        }
        assert!(pages.get(&entries[0]).is_none());
        assert_eq!((pages.bytes(), pages.live), (0, 0));
    }

    #[test]
    fn a_page_without_messages_for_this_queue_is_not_kept() {
        let mut pages = Pages::default();
        let mut builder = PageBuilder::new();
        builder.push("x", "key", &[0, 0], false, Body::Slice(b"for another queue"));
        pages.insert(builder.finish(), &[], |_, _| false, |_| panic!("there is none"));
        assert_eq!(pages.bytes(), 0);
    }

    #[test]
    fn sparse_pages_are_given_up_for_a_copy_of_what_lives() {
        let (mut pages, entries) = filled(64, 100, 200);
        let (mut kept, settled): (Vec<Entry>, Vec<Entry>) = entries
            .into_iter()
            .partition(|entry| entry.offset < 300 || entry.page == 7);
        settled.iter().for_each(|entry| pages.release(entry));
        assert!(pages.wasteful());
        let live = kept.len() as u64 * 220;
        assert!(pages.compact(kept.iter_mut()).whole);
        assert!(!pages.wasteful());
        assert!(pages.bytes() < live + live / 8, "{} of {live}", pages.bytes());
        for entry in &kept {
            let page = pages.get(entry).unwrap();
            assert_eq!(page.get(entry.offset).body.len(), 200);
            assert_eq!(page.get(entry.offset).routing_key, b"key");
        }
        kept.iter().for_each(|entry| pages.release(entry));
        assert_eq!((pages.bytes(), pages.live), (0, 0));
    }

    #[test]
    fn what_others_keep_alive_anyway_is_copied_once_they_let_go() {
        let mut builder = PageBuilder::new();
        let (mut pages, mut others, mut entries) = (Pages::default(), Vec::new(), Vec::new());
        for _ in 0..100 {
            let offsets: Vec<u32> = (0..100)
                .map(|_| builder.push("", "q", &[0, 0], false, Body::Slice(&[7; 100])))
                .collect();
            let page = builder.finish();
            others.extend(vec![Arc::clone(&page); 99]);
            pages.insert(page, &offsets[..1], |_, _| false, |entry| entries.push(entry));
        }
        assert!(pages.wasteful());
        let pinned = pages.bytes();
        pages.compact(entries.iter_mut());
        assert!(!pages.compacted(0));
        assert_eq!((pages.bytes(), pages.wasteful()), (pinned, false));
        others.clear();
        pages.doubt_shared();
        assert!(pages.wasteful());
        pages.compact(entries.iter_mut());
        assert!(pages.bytes() < 100 * 200, "{}", pages.bytes());
        assert!(entries.iter().all(|entry| pages.get(entry).is_some()));
    }

    #[test]
    fn a_large_body_moves_without_a_copy() {
        let (mut pages, mut entries) = filled(2, 20, 40_000);
        let last = entries.split_off(39);
        entries.iter().for_each(|entry| pages.release(entry));
        let mut kept = last;
        let before = pages
            .get(&kept[0])
            .unwrap()
            .get(kept[0].offset)
            .body
            .as_slice()
            .as_ptr();
        assert!(pages.wasteful());
        pages.compact(kept.iter_mut());
        assert_eq!(
            pages
                .get(&kept[0])
                .unwrap()
                .get(kept[0].offset)
                .body
                .as_slice()
                .as_ptr(),
            before
        );
        assert!(pages.bytes() < 41_000);
    }
}
