//! A deque of small records that grows without moving them, and gives up what is in its middle.

mod chunk;
mod middle;
mod runs;
#[cfg(test)]
mod tests;
mod walk;

use std::ops::RangeInclusive;

use self::chunk::Chunk;
use self::middle::Middle;
pub(super) use super::entry::Entry;

/// Entries of a chunk: 4 KiB of them, so that a queue that waits for its first backlog costs little.
const CHUNK: usize = 256;

/// Entries in order of arrival. Each has a position, which rises.
///
/// One that is taken out of the middle leaves a gap, which is passed over once it comes to the front. A chunk that is mostly gaps
/// closes them, joins its neighbours if it can, and is gone with its last entry: so whatever is done, no more is moved at once
/// than what a few chunks have.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Fifo {
    /// The first entries. The first that is not taken is never a gap.
    front: Chunk,
    /// Entries of the front already taken.
    taken: usize,
    /// All others, as long as there are any.
    rest: Option<Box<Rest>>,
    /// What the entries cost together, in bytes.
    cost: u64,
    /// Entries, without the gaps.
    len: usize,
}

/// What is behind the front.
#[derive(Debug)]
struct Rest {
    /// None is without entries.
    middle: Middle,
    /// The last entries. There may be none.
    back: Chunk,
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
        self.last_at(position).follow(position, 1).push(entry);
        self.len += 1;
        self.cost += u64::from(entry.cost);
    }

    /// The first entry, with its position.
    pub(super) fn first(&self) -> Option<(u64, &Entry)> {
        let entry = self.front.places().get(self.taken)?;
        Some((self.front.position(self.taken), entry))
    }

    /// Takes the first entry, with its position.
    #[inline(always)]
    pub(super) fn pop(&mut self) -> Option<(u64, Entry)> {
        let entry = *self.front.places().get(self.taken)?;
        let position = self.front.position(self.taken);
        self.pass(1);
        self.len -= 1;
        self.cost -= u64::from(entry.cost);
        Some((position, entry))
    }

    /// Takes out the entries at these positions, in order, but `most` of them at most. Returns how many others were moved for it.
    pub(super) fn take_out(
        &mut self,
        range: RangeInclusive<u64>,
        most: usize,
        mut taken: impl FnMut(u64, Entry),
    ) -> usize {
        let (mut left, mut moved) = (most, 0);
        while let count @ 1.. = self.take_run_out(&range, left, &mut taken) {
            left -= count;
        }
        while left > 0 {
            let chunk = self.front.first();
            let done = self.front.take_out(self.taken, &range, left, &mut taken);
            left -= self.count_out(done);
            self.pass(0);
            // Another one has come up if nothing is left of it.
            if self.front.first() == chunk {
                break;
            }
        }
        if left > 0
            && let Some(rest) = &mut self.rest
        {
            let done = rest.take_out(&range, left, &mut taken, &mut moved);
            if rest.is_empty() {
                self.rest = None;
            }
            self.count_out(done);
        }
        moved
    }

    /// The last chunk, where an entry at this position follows.
    #[inline(always)]
    fn last_at(&mut self, position: u64) -> &mut Chunk {
        if !self.last().takes(position) {
            self.begin_chunk();
        }
        self.last()
    }

    #[inline(always)]
    fn last(&mut self) -> &mut Chunk {
        match &mut self.rest {
            None => &mut self.front,
            Some(rest) => &mut rest.back,
        }
    }

    #[cold]
    fn begin_chunk(&mut self) {
        match &mut self.rest {
            Some(rest) => rest.begin_chunk(),
            None => {
                self.rest = Some(Box::new(Rest {
                    middle: Middle::default(),
                    back: Chunk::spacious(),
                }));
            }
        }
    }

    /// Passes the first places, which are in the front, and the gaps behind them.
    #[inline(always)]
    fn pass(&mut self, places: usize) {
        self.advance(places);
        if self.front.gaps() > 0 {
            self.pass_gaps();
        }
    }

    #[inline(always)]
    fn advance(&mut self, places: usize) {
        self.taken += places;
        if self.taken == self.front.places().len() {
            self.taken = 0;
            if self.rest.is_some() {
                self.bring_up_front();
            } else {
                self.front.clear();
            }
        }
    }

    #[cold]
    fn bring_up_front(&mut self) {
        let Some(rest) = &mut self.rest else { return };
        self.front = rest.take_first();
        if rest.is_empty() {
            self.rest = None;
        }
    }

    #[cold]
    fn pass_gaps(&mut self) {
        while self.first().is_some_and(|(_, entry)| entry.is_gap()) {
            self.front.pass_gap();
            self.advance(1);
        }
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

    fn count_out(&mut self, (count, cost): (usize, u64)) -> usize {
        self.len -= count;
        self.cost -= cost;
        count
    }
}

impl Rest {
    fn is_empty(&self) -> bool {
        self.middle.is_empty() && self.back.places().is_empty()
    }

    fn begin_chunk(&mut self) {
        let full = std::mem::replace(&mut self.back, Chunk::spacious());
        let first = full.first();
        let wasteful = full.is_wasteful();
        self.middle.push(full);
        if wasteful {
            self.middle.tidy(self.middle.find(first));
        }
    }

    fn take_first(&mut self) -> Chunk {
        let first = self.middle.pop();
        first.unwrap_or_else(|| std::mem::take(&mut self.back))
    }

    /// Takes out entries as [`Fifo::take_out`] does. Returns how many, and what they cost together.
    fn take_out(
        &mut self,
        range: &RangeInclusive<u64>,
        most: usize,
        taken: &mut impl FnMut(u64, Entry),
        moved: &mut usize,
    ) -> (usize, u64) {
        let (mut count, mut cost) = (0, 0);
        let mut take = |chunk: &mut Chunk| {
            let (more, costs) = chunk.take_out(0, range, most - count, taken);
            (count, cost) = (count + more, cost + costs);
            count < most
        };
        let (mut wasteful, mut more) = (Vec::new(), true);
        let mut place = self.middle.find(*range.start());
        while more
            && let Some(chunk) = self.middle.get_mut(place)
            && chunk.first() <= *range.end()
        {
            more = take(chunk);
            if chunk.is_wasteful() {
                wasteful.push(chunk.first());
            }
            place = self.middle.after(place);
        }
        if more {
            take(&mut self.back);
            if self.back.live() == 0 {
                self.back.clear();
            }
        }
        for first in wasteful {
            *moved += self.middle.tidy(self.middle.find(first));
        }
        (count, cost)
    }
}
