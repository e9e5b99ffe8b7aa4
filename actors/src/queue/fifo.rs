//! A deque of small records that grows without moving them, and gives up what is in its middle.

use std::collections::VecDeque;
use std::iter;
use std::ops::RangeInclusive;

pub(super) use super::entry::Entry;

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
        let mut next = self.at_or_after(*range.start());
        while let Some((index, position)) = next
            && position <= *range.end()
            && left > 0
        {
            if let Some(entry) = self.take_one_out(index) {
                taken(position, entry);
                left -= 1;
            }
            next = self.at_or_after(position + 1);
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

    /// After [`recount`](Self::recount), what is changed here counts.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        let places = self.chunks.iter_mut().flatten().skip(self.taken);
        places.filter(|entry| !entry.is_gap())
    }

    /// Adds up what the entries cost after that changed.
    pub(super) fn recount(&mut self) {
        self.cost = self.iter_mut().map(|entry| u64::from(entry.cost)).sum();
    }

    #[cold]
    fn begin_chunk(&mut self, entry: Entry) {
        // Only the very first chunk starts small: a queue with a backlog fills its next one anyway.
        let room = if self.chunks.is_empty() { 4 } else { CHUNK };
        let mut chunk = Vec::with_capacity(room);
        chunk.push(entry);
        self.chunks.push_back(chunk);
    }

    /// Takes the first place, with its position.
    #[inline(always)]
    fn advance(&mut self) -> Option<(u64, Entry)> {
        let one_chunk = self.chunks.len() == 1;
        let chunk = self.chunks.front_mut()?;
        let entry = *chunk.get(self.taken)?;
        let position = self.base;
        self.base += 1;
        if let Some(&Jump { to, skipped }) = self.jumps.front()
            && self.base + (skipped - self.skipped) == to
        {
            self.base = to;
            self.skipped = skipped;
            self.jumps.pop_front();
        }
        self.taken += 1;
        if self.taken == chunk.len() {
            self.taken = 0;
            if one_chunk {
                chunk.clear();
            } else {
                self.chunks.pop_front();
            }
        }
        Some((position, entry))
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

    fn close_gaps(&mut self) {
        let mut closed = Fifo::default();
        while let Some((position, entry)) = self.pop() {
            closed.push(position, entry);
        }
        *self = closed;
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn entry(n: u32) -> Entry {
        Entry {
            page: 0,
            offset: n,
            cost: 1,
            redelivered: false,
            kept: false,
            scratched: false,
            level: 0,
        }
    }

    #[test]
    fn entries_leave_in_order_with_their_positions_across_chunks() {
        let mut fifo = Fifo::default();
        let (mut pushed, mut popped) = (0, 0);
        for round in 0..100 {
            for _ in 0..round {
                fifo.push(pushed.into(), entry(pushed));
                pushed += 1;
            }
            for _ in 0..round / 2 {
                assert_eq!(fifo.pop(), Some((u64::from(popped), entry(popped))));
                popped += 1;
            }
            assert_eq!(fifo.len() as u32, pushed - popped);
            assert_eq!(
                fifo.iter_mut().map(|entry| entry.offset).collect::<Vec<_>>(),
                Vec::from_iter(popped..pushed)
            );
        }
        while let Some((_, next)) = fifo.pop() {
            assert_eq!(next, entry(popped));
            popped += 1;
        }
        assert_eq!(popped, pushed);
    }

    #[test]
    fn positions_may_be_left_out() {
        let positions = [3, 4, 5, 9, 10, 1_000, 1_002, 1_003];
        let mut fifo = Fifo::default();
        for _ in 0..2 {
            for (n, position) in positions.into_iter().enumerate() {
                fifo.push(position, entry(n as u32));
            }
            assert_eq!((fifo.len(), fifo.cost()), (8, 8));
            assert_eq!(
                fifo.iter().map(|(position, _)| position).collect::<Vec<_>>(),
                positions
            );
            for (n, position) in positions.into_iter().enumerate() {
                assert_eq!(fifo.first(), Some((position, &entry(n as u32))));
                assert_eq!(fifo.pop(), Some((position, entry(n as u32))));
            }
            assert_eq!((fifo.pop(), fifo.cost()), (None, 0));
        }
    }

    #[test]
    fn an_empty_fifo_keeps_one_chunk_at_most() {
        let mut fifo = Fifo::default();
        for n in 0..10_000 {
            fifo.push(n.into(), entry(n));
        }
        while fifo.pop().is_some() {}
        assert!(fifo.chunks.len() <= 1);
        for n in 0..10_000 {
            fifo.push(n.into(), entry(n));
            fifo.pop();
        }
        assert!(fifo.chunks.len() <= 1);
    }

    #[test]
    fn gaps_are_passed_over_and_closed_when_they_are_many() {
        let mut fifo = Fifo::default();
        for n in 0..10_000 {
            fifo.push(n.into(), entry(n));
        }
        let mut taken = Vec::new();
        fifo.take_out(100..=9_899, 5_000, |position, _| taken.push(position));
        assert_eq!(taken, Vec::from_iter(100..5_100));
        assert_eq!((fifo.len(), fifo.chunks.len()), (5_000, 40));
        fifo.take_out(1..=9_899, usize::MAX, |_, _| {});
        assert_eq!((fifo.len(), fifo.cost(), fifo.chunks.len()), (101, 101, 1));
        assert_eq!(fifo.pop(), Some((0, entry(0))));
        assert_eq!(fifo.pop(), Some((9_900, entry(9_900))));
    }

    #[derive(Clone, Debug)]
    enum Step {
        /// So many entries, after so many positions that are left out.
        Push(u64, u64),
        Pop(usize),
        /// From a part of the way between first and last, so many positions, of which so many entries at most.
        TakeOut(f64, u64, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (prop_oneof![Just(0), 0..5_u64], 1..400_u64).prop_map(|(gap, n)| Step::Push(gap, n)),
            (1..300_usize).prop_map(Step::Pop),
            (0.0..1.0, 1..2_000_u64, 1..2_000_usize).prop_map(|(at, n, most)| Step::TakeOut(at, n, most)),
            (0.0..1.0, 1..5_u64, 1..5_usize).prop_map(|(at, n, most)| Step::TakeOut(at, n, most)),
        ]
    }

    proptest! {
        #[test]
        fn what_is_taken_out_is_not_popped(steps in vec(step(), 1..60)) {
            let (mut fifo, mut model, mut end) = (Fifo::default(), BTreeMap::new(), 0);
            for step in steps {
                match step {
                    Step::Push(gap, n) => {
                        for position in end + gap..end + gap + n {
                            fifo.push(position, entry(position as u32));
                            model.insert(position, entry(position as u32));
                        }
                        end += gap + n;
                    }
                    Step::Pop(n) => {
                        for _ in 0..n {
                            prop_assert_eq!(fifo.pop(), model.pop_first());
                        }
                    }
                    Step::TakeOut(at, n, most) => {
                        let first = model.first_key_value().map_or(end, |(&first, _)| first);
                        let from = first + ((end - first) as f64 * at) as u64;
                        let range = from..=from + n;
                        let expected: Vec<u64> = model.range(range.clone()).map(|(&at, _)| at).take(most).collect();
                        let mut taken = Vec::new();
                        fifo.take_out(range, most, |position, entry| taken.push((position, entry)));
                        for (position, entry) in &taken {
                            prop_assert_eq!(model.remove(position), Some(*entry));
                        }
                        prop_assert_eq!(taken.iter().map(|(at, _)| *at).collect::<Vec<_>>(), expected);
                    }
                }
                prop_assert_eq!((fifo.len(), fifo.cost()), (model.len(), model.len() as u64));
                prop_assert_eq!(fifo.first().map(|(at, _)| at), model.first_key_value().map(|(&at, _)| at));
                prop_assert!(fifo.iter_mut().map(|entry| entry.offset as u64).eq(model.keys().copied()));
                prop_assert!(fifo.iter().map(|(position, _)| position).eq(model.keys().copied()));
            }
        }
    }
}
