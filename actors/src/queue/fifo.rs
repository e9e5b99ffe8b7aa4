//! A deque of small records that grows without moving them, and gives up what is in its middle.

mod runs;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::iter;
use std::ops::RangeInclusive;

pub(super) use super::entry::Entry;
use super::pages::Compacted;

/// Entries of a chunk: 4 KiB of them, so that a queue that waits for its first backlog costs little.
const CHUNK: usize = 256;
/// Entries that are gone and keep their room, beyond as many as are left.
const GONE: usize = 1_024;

/// Entries in order of arrival. Each has a position, counted from the first the queue ever had.
///
/// One that is taken out of the middle leaves a gap, which is passed over once it comes to the front: the first entry
/// is never a gap.
#[derive(Debug, Default)]
pub(super) struct Fifo {
    /// None but the first is partly taken.
    chunks: VecDeque<Vec<Entry>>,
    /// Entries of the first chunk already taken.
    taken: usize,
    /// Entries, without the gaps.
    len: usize,
    /// Gaps.
    gone: usize,
    /// What the entries cost together, in bytes.
    cost: u64,
    /// Position of the first entry.
    base: u64,
    /// The position after the last entry.
    end: u64,
    /// Where positions are left out.
    jumps: VecDeque<Jump>,
    /// Positions left out before the first entry.
    skipped: u64,
}

/// Some positions are left out here.
#[derive(Clone, Copy, Debug)]
struct Jump {
    /// The next position that is not.
    to: u64,
    /// How many were left out up to there.
    skipped: u64,
}

impl Fifo {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// What the entries cost together, in bytes.
    pub(super) fn cost(&self) -> u64 {
        self.cost
    }

    /// Appends an entry at a position above all that are here.
    #[inline(always)]
    pub(super) fn push(&mut self, position: u64, entry: Entry) {
        if position != self.end {
            self.jump(position);
        }
        self.end = position + 1;
        self.cost += u64::from(entry.cost);
        match self.chunks.back_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(entry),
            _ => self.begin_chunk(entry),
        }
        self.len += 1;
    }

    /// The first entry, with its position.
    pub(super) fn first(&self) -> Option<(u64, &Entry)> {
        let entry = self.chunks.front()?.get(self.taken)?;
        Some((self.base, entry))
    }

    /// Takes the first entry, with its position.
    #[inline(always)]
    pub(super) fn pop(&mut self) -> Option<(u64, Entry)> {
        let (position, entry) = self.advance()?;
        self.len -= 1;
        self.cost -= u64::from(entry.cost);
        if self.gone > 0 {
            self.pass_gaps();
        }
        Some((position, entry))
    }

    /// Takes out the entries at these positions, in order, but `most` of them at most.
    pub(super) fn take_out(
        &mut self,
        range: RangeInclusive<u64>,
        most: usize,
        mut taken: impl FnMut(u64, Entry),
    ) {
        let mut left = most;
        while let count @ 1.. = self.take_run_out(&range, left, &mut taken) {
            left -= count;
        }
        let mut next = self.at_or_after(*range.start());
        while let Some((index, position)) = next
            && position <= *range.end()
            && left > 0
        {
            if let Some(entry) = self.take_one_out(index) {
                taken(position, entry);
                left -= 1;
            }
            next = match position < *range.end() {
                true => self.at_or_after(position + 1),
                false => None,
            };
        }
        if self.gone > self.len + GONE {
            self.close_gaps();
        }
    }

    /// Whether some of these positions are among those of the entries and gaps.
    pub(super) fn overlaps(&self, range: &RangeInclusive<u64>) -> bool {
        let next = self.at_or_after(*range.start());
        next.is_some_and(|(_, position)| position <= *range.end())
    }

    /// The entries, with their positions.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Entry)> {
        let mut skipped = self.skipped;
        let left_out = self.jumps.iter().map(move |jump| {
            let left_out = jump.to - (jump.skipped - skipped);
            skipped = jump.skipped;
            left_out
        });
        let firsts = iter::once(self.base).chain(self.jumps.iter().map(|jump| jump.to));
        let runs = firsts.zip(left_out.chain(iter::once(self.end)));
        let places = self.chunks.iter().flatten().skip(self.taken);
        let places = runs.flat_map(|(first, end)| first..end).zip(places);
        places.filter(|(_, entry)| !entry.is_gap())
    }

    /// Lets some entries from a position on be moved to other pages. Returns the position from which on the next follow, unless
    /// these were all. Gaps are among them.
    pub(super) fn change_from(
        &mut self,
        position: u64,
        change: impl FnOnce(&mut dyn Iterator<Item = &mut Entry>) -> Compacted,
    ) -> Option<u64> {
        let (index, _) = self.at_or_after(position)?;
        let first = self.taken + index;
        let chunks = self.chunks.range_mut(first / CHUNK..);
        let done = change(&mut chunks.flatten().skip(first % CHUNK));
        self.cost = self.cost + done.cost_after - done.cost_before;
        (!done.whole).then(|| self.position_of(index + done.looked))
    }

    /// The entries; see [`change_from`](Self::change_from) for changes of what they cost.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        let places = self.chunks.iter_mut().flatten().skip(self.taken);
        places.filter(|entry| !entry.is_gap())
    }

    #[cold]
    fn begin_chunk(&mut self, entry: Entry) {
        self.last_with_room(1).push(entry);
    }

    /// Takes the first place, with its position.
    #[inline(always)]
    fn advance(&mut self) -> Option<(u64, Entry)> {
        let entry = *self.chunks.front()?.get(self.taken)?;
        let position = self.base;
        self.pass(1);
        Some((position, entry))
    }

    /// Passes the first places, which are in the first chunk and before the first jump.
    #[inline(always)]
    fn pass(&mut self, places: usize) {
        let one_chunk = self.chunks.len() == 1;
        self.base += places as u64;
        if let Some(&Jump { to, skipped }) = self.jumps.front()
            && self.base + (skipped - self.skipped) == to
        {
            self.base = to;
            self.skipped = skipped;
            self.jumps.pop_front();
        }
        self.taken += places;
        if let Some(chunk) = self.chunks.front_mut()
            && self.taken == chunk.len()
        {
            self.taken = 0;
            if one_chunk {
                chunk.clear();
            } else {
                self.chunks.pop_front();
            }
        }
    }

    #[cold]
    fn pass_gaps(&mut self) {
        while self.first().is_some_and(|(_, entry)| entry.is_gap()) {
            self.advance();
            self.gone -= 1;
        }
    }

    /// The first place at a position or after it, counted from the first entry, with its own position.
    fn at_or_after(&self, position: u64) -> Option<(usize, u64)> {
        let position = position.max(self.base);
        let behind = self.jumps.partition_point(|jump| jump.to <= position);
        let last = behind.checked_sub(1).and_then(|last| self.jumps.get(last));
        let skipped = last.map_or(self.skipped, |jump| jump.skipped);
        // It may be one of those that are left out by the next jump.
        let (position, skipped) = match self.jumps.get(behind) {
            Some(jump) if position + (jump.skipped - skipped) >= jump.to => (jump.to, jump.skipped),
            _ => (position, skipped),
        };
        let index = position - self.base - (skipped - self.skipped);
        (self.len > 0 && position < self.end).then_some((index as usize, position))
    }

    /// Takes out the first [run](Self::run) as far as it is at these positions, and returns how many entries that are.
    fn take_run_out(
        &mut self,
        range: &RangeInclusive<u64>,
        most: usize,
        taken: &mut impl FnMut(u64, Entry),
    ) -> usize {
        let run = self.run(most).filter(|(first, _)| range.contains(first));
        let Some((first, run)) = run else { return 0 };
        let within = (range.end() - first).saturating_add(1).min(run.len() as u64);
        let run = run.get(..within as usize).unwrap_or_default();
        let (count, mut cost) = (run.len(), 0);
        for (position, entry) in (first..).zip(run) {
            cost += u64::from(entry.cost);
            taken(position, *entry);
        }
        if count > 0 {
            self.pop_run(count, cost);
        }
        count
    }

    /// The position of a place, counted from the first entry.
    fn position_of(&self, index: usize) -> u64 {
        let index = index as u64;
        let left_out = |jump: &Jump| jump.skipped - self.skipped;
        let before = self
            .jumps
            .partition_point(|jump| jump.to - self.base - left_out(jump) <= index);
        let last = before.checked_sub(1).and_then(|last| self.jumps.get(last));
        self.base + index + last.map_or(0, left_out)
    }

    fn take_one_out(&mut self, index: usize) -> Option<Entry> {
        if index == 0 {
            return self.pop().map(|(_, entry)| entry);
        }
        let place = self.taken + index;
        let entry = self.chunks.get_mut(place / CHUNK)?.get_mut(place % CHUNK)?;
        if entry.is_gap() {
            return None;
        }
        let taken = *entry;
        *entry = Entry::GAP;
        self.len -= 1;
        self.gone += 1;
        self.cost -= u64::from(taken.cost);
        Some(taken)
    }

    #[cold]
    fn close_gaps(&mut self) {
        let old = std::mem::take(self);
        let mut jumps = old.jumps.into_iter().peekable();
        let (mut position, mut skipped) = (old.base, old.skipped);
        let mut before = old.taken;
        for chunk in old.chunks {
            for &entry in chunk.get(before..).unwrap_or_default() {
                if let Some(jump) = jumps.next_if(|jump| position + (jump.skipped - skipped) == jump.to) {
                    (position, skipped) = (jump.to, jump.skipped);
                }
                if !entry.is_gap() {
                    self.push(position, entry);
                }
                position += 1;
            }
            before = 0;
        }
    }

    #[cold]
    fn jump(&mut self, position: u64) {
        if self.len == 0 {
            self.base = position;
        } else {
            let before = self.jumps.back().map_or(self.skipped, |jump| jump.skipped);
            self.jumps.push_back(Jump {
                to: position,
                skipped: before + (position - self.end),
            });
        }
    }
}
