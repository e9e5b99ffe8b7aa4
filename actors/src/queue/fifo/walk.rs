//! Looking at what stands in a fifo, wherever it does.

use std::cell::Cell;
use std::ops::RangeInclusive;

use super::{Entry, Fifo};
use crate::queue::pages::Compacted;

impl Fifo {
    /// Whether there are entries at some of these positions.
    pub(in super::super) fn overlaps(&self, range: &RangeInclusive<u64>) -> bool {
        let next = self.iter_from(*range.start()).next();
        next.is_some_and(|(position, _)| position <= *range.end())
    }

    /// The entries from a position on, with their positions.
    pub(in super::super) fn iter_from(&self, position: u64) -> impl Iterator<Item = (u64, &Entry)> {
        let front = self.front.entries_from(self.taken.max(self.front.find(position)));
        let rest = self.rest.iter().flat_map(move |rest| {
            let chunks = rest.middle.chunks_from(rest.middle.find(position));
            chunks
                .chain([&rest.back])
                .flat_map(move |chunk| chunk.entries_from(chunk.find(position)))
        });
        front.chain(rest)
    }

    /// The entries, with their positions.
    pub(in super::super) fn iter(&self) -> impl Iterator<Item = (u64, &Entry)> {
        self.iter_from(0)
    }

    /// Lets some entries from a position on be moved to other pages. Returns the position from which on the next follow, unless
    /// these were all.
    pub(in super::super) fn change_from(
        &mut self,
        position: u64,
        change: impl FnOnce(&mut dyn Iterator<Item = &mut Entry>) -> Compacted,
    ) -> Option<u64> {
        let asked = Cell::new(position);
        let entries = self.iter_mut_from(position);
        let done = change(&mut entries.map(|(position, entry)| {
            asked.set(position);
            entry
        }));
        self.cost = self.cost + done.cost_after - done.cost_before;
        // The last it asked for it may not have looked at.
        (!done.whole).then(|| asked.get())
    }

    /// The entries; see [`change_from`](Self::change_from) for changes of what they cost.
    pub(in super::super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.iter_mut_from(0).map(|(_, entry)| entry)
    }

    fn iter_mut_from(&mut self, position: u64) -> impl Iterator<Item = (u64, &mut Entry)> {
        let place = self.taken.max(self.front.find(position));
        let rest = self.rest.iter_mut().flat_map(move |rest| {
            let place = rest.middle.find(position);
            let chunks = rest.middle.chunks_from_mut(place);
            chunks.chain([&mut rest.back]).flat_map(move |chunk| {
                let place = chunk.find(position);
                chunk.entries_from_mut(place)
            })
        });
        self.front.entries_from_mut(place).chain(rest)
    }
}
