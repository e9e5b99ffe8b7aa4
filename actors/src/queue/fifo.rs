//! A deque of small records that grows without moving them.

use std::collections::VecDeque;

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
}

/// Entries in order of arrival. Each has a position, counted from the first the queue ever had.
#[derive(Debug, Default)]
pub(super) struct Fifo {
    /// All but the last are full, and none but the first is partly taken.
    chunks: VecDeque<Vec<Entry>>,
    /// Entries of the first chunk already taken.
    taken: usize,
    /// Position of the first entry.
    base: u64,
    len: usize,
}

impl Fifo {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The position of the next entry.
    pub(super) fn next_position(&self) -> u64 {
        self.base + self.len as u64
    }

    /// Gives the next entry this position. There must be none yet.
    pub(super) fn start_at(&mut self, position: u64) {
        debug_assert_eq!(self.len, 0);
        self.base = position;
    }

    #[inline]
    pub(super) fn push(&mut self, entry: Entry) {
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
    #[inline]
    pub(super) fn pop(&mut self) -> Option<(u64, Entry)> {
        let chunk = self.chunks.front_mut()?;
        let entry = *chunk.get(self.taken)?;
        let position = self.base;
        self.base += 1;
        self.len -= 1;
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

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.chunks.iter_mut().flatten().skip(self.taken)
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
                fifo.push(entry(pushed));
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
    fn an_empty_fifo_keeps_one_chunk_at_most() {
        let mut fifo = Fifo::default();
        for n in 0..10_000 {
            fifo.push(entry(n));
        }
        while fifo.pop().is_some() {}
        assert!(fifo.chunks.len() <= 1);
        for n in 0..10_000 {
            fifo.push(entry(n));
            fifo.pop();
        }
        assert!(fifo.chunks.len() <= 1);
    }
}
