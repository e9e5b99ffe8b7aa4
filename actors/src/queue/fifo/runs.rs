//! Many entries at once: those that come together, and those that are handed out together.

use super::{CHUNK, Entry, Fifo};

/// Entries that a chunk is begun for, if it is the first.
const FEW: usize = 4;

impl Fifo {
    /// Appends what `entry` makes of each of these offsets, from a position on that is above all that are here, and returns what
    /// they cost together.
    #[inline]
    pub(in super::super) fn push_all(
        &mut self,
        position: u64,
        offsets: &[u32],
        mut entry: impl FnMut(u32) -> Entry,
    ) -> u64 {
        if position != self.end && !offsets.is_empty() {
            self.jump(position);
        }
        let (mut cost, mut rest) = (0, offsets);
        while !rest.is_empty() {
            let chunk = self.last_with_room(rest.len());
            let (now, later) = rest.split_at(rest.len().min(CHUNK - chunk.len()));
            chunk.extend(now.iter().map(|&offset| {
                let entry = entry(offset);
                cost += u64::from(entry.cost);
                entry
            }));
            rest = later;
        }
        self.end = position + offsets.len() as u64;
        self.cost += cost;
        self.len += offsets.len();
        cost
    }

    /// The first entries of one page, up to `most`, and the position of the first of them. They stand side by side, and none of
    /// them was handed out before. There may be more of them.
    #[inline]
    pub(in super::super) fn run(&self, most: usize) -> Option<(u64, &[Entry])> {
        let places = self.chunks.front()?.get(self.taken..)?;
        let page = places.first()?.page;
        let before_jump = match self.jumps.front() {
            Some(jump) => jump.to - (jump.skipped - self.skipped) - self.base,
            None => u64::MAX,
        };
        let most = (most as u64).min(before_jump) as usize;
        let alike = |entry: &&Entry| entry.page == page && !entry.redelivered;
        let count = places.iter().take(most).take_while(alike).count();
        Some((self.base, places.get(..count)?))
    }

    /// Takes the first entries, so many of the [run](Self::run), which cost so much together.
    #[inline]
    pub(in super::super) fn pop_run(&mut self, count: usize, cost: u64) {
        self.pass(count);
        self.len -= count;
        self.cost -= cost;
        if self.gone > 0 {
            self.pass_gaps();
        }
    }

    /// The last chunk, which has room for at least one of the next entries, and for all of them if they are few.
    pub(super) fn last_with_room(&mut self, next: usize) -> &mut Vec<Entry> {
        if self.chunks.back().is_none_or(|chunk| chunk.len() >= CHUNK) {
            // Only the very first chunk starts small: a queue with a backlog fills its next one anyway.
            let room = if self.chunks.is_empty() { FEW } else { CHUNK };
            self.chunks.push_back(Vec::with_capacity(room));
        }
        let last = self.chunks.len() - 1;
        #[expect(clippy::indexing_slicing, reason = "there is one, or it was just pushed")]
        let chunk = &mut self.chunks[last];
        let left = CHUNK - chunk.len();
        if chunk.capacity() - chunk.len() < next.min(left) {
            chunk.reserve_exact(next.max(chunk.len()).min(left));
        }
        chunk
    }
}
