//! Entries that stand close together.

use std::mem;
use std::ops::RangeInclusive;

use super::{CHUNK, Entry};

/// Entries in order of their positions.
///
/// As long as no position is left out, that of the first says where all of them are.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// No entry is before this position.
    first: u64,
    entries: Vec<Entry>,
    /// How far each entry is behind `first`. Nothing while each is next to the one before, the first one there.
    offsets: Vec<u32>,
    /// Entries that were taken out, and keep their room.
    gaps: usize,
}

impl Chunk {
    /// An empty one with room for all it may have.
    pub(super) fn spacious() -> Self {
        Chunk {
            entries: Vec::with_capacity(CHUNK),
            ..Self::default()
        }
    }

    /// No entry is before this position.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// All places, gaps among them.
    #[inline(always)]
    pub(super) fn places(&self) -> &[Entry] {
        &self.entries
    }

    /// Gaps that were not [passed](Self::pass_gap).
    #[inline(always)]
    pub(super) fn gaps(&self) -> usize {
        self.gaps
    }

    /// A gap does not count any more: its place is taken.
    pub(super) fn pass_gap(&mut self) {
        self.gaps -= 1;
    }

    /// Entries that are no gaps, if none was taken from the front.
    pub(super) fn live(&self) -> usize {
        self.entries.len() - self.gaps
    }

    /// Whether an entry at this position, behind all others, can be here.
    #[inline(always)]
    pub(super) fn takes(&self, position: u64) -> bool {
        let count = self.entries.len();
        count < CHUNK && (count == 0 || position - self.first <= u64::from(u32::MAX) - CHUNK as u64)
    }

    /// Room that is left.
    #[inline]
    pub(super) fn room(&self) -> usize {
        CHUNK - self.entries.len()
    }

    /// The entries that follow, which it [takes](Self::takes), stand at these positions: so many from this one on.
    #[inline(always)]
    pub(super) fn follow(&mut self, position: u64, count: usize) -> &mut Vec<Entry> {
        if self.entries.is_empty() {
            self.first = position;
        } else if !self.offsets.is_empty() || position != self.first + self.entries.len() as u64 {
            self.leave_out(position, count);
        }
        &mut self.entries
    }

    /// The position of a place.
    #[inline(always)]
    pub(super) fn position(&self, place: usize) -> u64 {
        match self.offsets.get(place) {
            None => self.first + place as u64,
            Some(&offset) => self.first + u64::from(offset),
        }
    }

    /// How many of the places from this one on, up to `most`, are at positions next to each other.
    #[inline]
    pub(super) fn side_by_side(&self, place: usize, most: usize) -> usize {
        match self.offsets.get(place..) {
            None | Some([]) => most,
            Some(offsets) => {
                let mut pairs = offsets.windows(2).take(most);
                let apart = pairs.position(|pair| matches!(pair, [one, next] if one + 1 != *next));
                apart.map_or(most, |before| most.min(before + 1))
            }
        }
    }

    /// The first place at a position or after it. It may be the one after the last.
    pub(super) fn find(&self, position: u64) -> usize {
        let offset = position.saturating_sub(self.first);
        if self.offsets.is_empty() {
            return offset.min(self.entries.len() as u64) as usize;
        }
        self.offsets.partition_point(|&before| u64::from(before) < offset)
    }

    /// The entries from a place on, with their positions.
    pub(super) fn entries_from(&self, place: usize) -> impl Iterator<Item = (u64, &Entry)> {
        let places = self.entries.iter().enumerate().skip(place);
        let entries = places.filter(|(_, entry)| !entry.is_gap());
        entries.map(|(place, entry)| (self.position(place), entry))
    }

    /// The same, to be changed.
    pub(super) fn entries_from_mut(&mut self, place: usize) -> impl Iterator<Item = (u64, &mut Entry)> {
        let Chunk {
            first,
            entries,
            offsets,
            ..
        } = self;
        let places = entries.iter_mut().enumerate().skip(place);
        let entries = places.filter(|(_, entry)| !entry.is_gap());
        entries.map(|(place, entry)| {
            let offset = offsets.get(place).map_or(place as u64, |&offset| offset.into());
            (*first + offset, entry)
        })
    }

    /// Takes out the entries at these positions that are not before a place, in order, but `most` of them at most. Returns how many
    /// they are, and what they cost together.
    pub(super) fn take_out(
        &mut self,
        from: usize,
        range: &RangeInclusive<u64>,
        most: usize,
        taken: &mut impl FnMut(u64, Entry),
    ) -> (usize, u64) {
        let begin = self.find(*range.start()).max(from);
        let (mut count, mut cost) = (0, 0);
        for (position, entry) in self.entries_from_mut(begin).take(most) {
            if position > *range.end() {
                break;
            }
            let entry = mem::replace(entry, Entry::GAP);
            count += 1;
            cost += u64::from(entry.cost);
            taken(position, entry);
        }
        self.gaps += count;
        (count, cost)
    }

    /// Nothing is here any more. The room of the entries stays.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.offsets = Vec::new();
        self.gaps = 0;
    }

    /// Whether most of its room is that of gaps.
    pub(super) fn is_wasteful(&self) -> bool {
        self.gaps * 2 > self.entries.len()
    }

    /// Closes the gaps. Returns how many entries are left, all of which were moved.
    pub(super) fn close_gaps(&mut self) -> usize {
        let mut closed = Chunk {
            first: self.first,
            entries: Vec::with_capacity(self.live()),
            offsets: Vec::with_capacity(self.live()),
            gaps: 0,
        };
        closed.append(self);
        *self = closed;
        self.entries.len()
    }

    /// Takes the entries of another one in, whose positions are behind those here, if these are few together. `None` if not, else how
    /// many were moved.
    pub(super) fn join(&mut self, next: &Chunk) -> Option<usize> {
        let last = next.entries.len().checked_sub(1)?;
        let fits = self.live() + next.live() <= CHUNK / 2 && self.takes(next.position(last));
        if !fits {
            return None;
        }
        self.close_gaps();
        self.append(next);
        Some(self.entries.len())
    }

    fn append(&mut self, next: &Chunk) {
        for (position, entry) in next.entries_from(0) {
            self.entries.push(*entry);
            self.offsets.push((position - self.first) as u32);
        }
    }

    #[cold]
    fn leave_out(&mut self, position: u64, count: usize) {
        if self.offsets.is_empty() {
            self.offsets.extend(0..self.entries.len() as u32);
        }
        let offset = (position - self.first) as u32;
        self.offsets.extend(offset..offset + count as u32);
    }
}
