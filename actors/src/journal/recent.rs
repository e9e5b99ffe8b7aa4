//! What was lately written to the active segment, so that a message that goes to many queues is written once. Pure.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::index::MessageId;
use crate::publication::Page;

/// Bytes of pages that are remembered, and thereby kept in memory.
const MOST_BYTES: u64 = 8 * 1024 * 1024;
/// Pages that are remembered.
const MOST_PAGES: usize = 1024;

/// The pages whose publications were written last.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// By address, which is not used again while the page is held here.
    pages: FxHashMap<usize, Written>,
    order: VecDeque<usize>,
    bytes: u64,
}

/// What of a page is in the segment.
#[derive(Debug)]
struct Written {
    page: Arc<Page>,
    /// In order of the offset in the page.
    places: Vec<(u32, Place)>,
}

/// Where a publication was written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Where in the segment its record begins.
    pub(super) at: u32,
    /// The deadline that its record tells.
    pub(super) deadline: u64,
    /// The message it was written for.
    pub(super) origin: MessageId,
    /// Its body is elsewhere.
    pub(super) borrows: bool,
}

impl Recent {
    /// The active segment is another one.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Where the publication at `offset` of a page was written.
    pub(super) fn find(&self, page: &Arc<Page>, offset: u32) -> Option<Place> {
        let places = &self.pages.get(&address(page))?.places;
        let found = places.binary_search_by_key(&offset, |(offset, _)| *offset);
        Some(places.get(found.ok()?)?.1)
    }

    /// Remembers where it was written.
    pub(super) fn add(&mut self, page: &Arc<Page>, offset: u32, place: Place) {
        let address = address(page);
        let written = self.pages.entry(address).or_insert_with(|| {
            self.order.push_back(address);
            self.bytes += page.bytes();
            Written {
                page: Arc::clone(page),
                places: Vec::new(),
            }
        });
        match written
            .places
            .binary_search_by_key(&offset, |(offset, _)| *offset)
        {
            Ok(index) => written
                .places
                .get_mut(index)
                .into_iter()
                .for_each(|known| known.1 = place),
            Err(index) => written.places.insert(index, (offset, place)),
        }
    }

    /// Forgets the oldest pages above the bounds.
    pub(super) fn shrink(&mut self) {
        while self.bytes > MOST_BYTES || self.order.len() > MOST_PAGES {
            let oldest = self
                .order
                .pop_front()
                .and_then(|address| self.pages.remove(&address));
            let Some(written) = oldest else { return };
            self.bytes -= written.page.bytes();
        }
    }
}

fn address(page: &Arc<Page>) -> usize {
    Arc::as_ptr(page) as usize
}
