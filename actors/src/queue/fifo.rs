//! A deque of small records that grows without moving them.

use std::collections::VecDeque;
use std::iter;

/// Entries of a chunk: 4 KiB of them, so that a queue that waits for its first backlog costs little.
const CHUNK: usize = 256;

/// A message a queue knows: a place in a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Slot of its page in the queue's [`Pages`](super::pages::Pages).
    pub(super) page: u32,
    /// Its place in that page.
    pub(super) offset: u32,
    /// What it costs, in bytes.
    pub(super) cost: u32,
    /// It was handed out before, and came back.
    pub(super) redelivered: bool,
    /// The journal has it, and wants to hear when it is gone.
    pub(super) kept: bool,
    /// It is on the scratch log by itself, which wants to hear when it is gone.
    pub(super) scratched: bool,
    /// Its level among the [`Levels`](super::levels::Levels): 0 in a queue without priorities.
    pub(super) level: u8,
}

impl Entry {
    /// The `page` of a message that is not in memory.
    pub(super) const ABSENT: u32 = u32::MAX;

    /// Whether the message is not in memory: one of its journals has it.
    #[inline]
    pub(super) fn is_absent(&self) -> bool {
        self.page == Self::ABSENT
    }
}

/// Entries in order of arrival. Each has a position, counted from the first the queue ever had.
#[derive(Debug, Default)]
pub(super) struct Fifo {
    /// None but the first is partly taken.
    chunks: VecDeque<Vec<Entry>>,
    /// Entries of the first chunk already taken.
    taken: usize,
    len: usize,
    /// What the entries cost together, in bytes.
    cost: u64,
    /// Position of the first entry.
    base: u64,
    /// The position after the last entry.
    end: u64,
    /// Where positions are left out: the first that is, and the next that is not.
    jumps: VecDeque<(u64, u64)>,
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
    #[inline]
    pub(super) fn push(&mut self, position: u64, entry: Entry) {
        if position != self.end {
            self.jump(position);
        }
        self.end = position + 1;
        self.cost += u64::from(entry.cost);
        match self.chunks.back_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(entry),
            last => {
                // Only the very first chunk starts small: a queue with a backlog fills its next one anyway.
                let mut chunk = Vec::with_capacity(if last.is_some() { CHUNK } else { 4 });
                chunk.push(entry);
                self.chunks.push_back(chunk);
            }
        }
        self.len += 1;
    }

    /// The first entry, with its position.
    pub(super) fn first(&self) -> Option<(u64, &Entry)> {
        let entry = self.chunks.front()?.get(self.taken)?;
        Some((self.base, entry))
    }

    /// Takes the first entry, with its position.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<(u64, Entry)> {
        let chunk = self.chunks.front_mut()?;
        let entry = *chunk.get(self.taken)?;
        let position = self.base;
        self.base += 1;
        if let Some(&(left_out, next)) = self.jumps.front()
            && left_out == self.base
        {
            self.base = next;
            self.jumps.pop_front();
        }
        self.len -= 1;
        self.cost -= u64::from(entry.cost);
        self.taken += 1;
        if self.taken == chunk.len() {
            self.taken = 0;
            if self.len == 0 {
                chunk.clear();
            } else {
                self.chunks.pop_front();
            }
        }
        Some((position, entry))
    }

    /// The positions of the entries.
    pub(super) fn positions(&self) -> impl Iterator<Item = u64> {
        let firsts = iter::once(self.base).chain(self.jumps.iter().map(|&(_, next)| next));
        let ends = self.jumps.iter().map(|&(left_out, _)| left_out);
        let spans = firsts.zip(ends.chain(iter::once(self.end)));
        spans.flat_map(|(first, end)| first..end)
    }

    /// After [`recount`](Self::recount), what is changed here counts.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.chunks.iter_mut().flatten().skip(self.taken)
    }

    /// Adds up what the entries cost after that changed.
    pub(super) fn recount(&mut self) {
        let entries = self.chunks.iter().flatten().skip(self.taken);
        self.cost = entries.map(|entry| u64::from(entry.cost)).sum();
    }

    #[cold]
    fn jump(&mut self, position: u64) {
        if self.len == 0 {
            self.base = position;
        } else {
            self.jumps.push_back((self.end, position));
        }
    }
}

#[cfg(test)]
mod tests {
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
    fn an_entry_takes_sixteen_bytes() {
        assert_eq!(size_of::<Entry>(), 16);
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
            assert_eq!(fifo.positions().collect::<Vec<_>>(), positions);
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
}
