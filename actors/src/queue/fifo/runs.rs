//! Many entries at once: those that come together, and those that are handed out together.

use super::{CHUNK, Entry, Fifo};

/// Entries that the first chunk is begun for.
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
        let (mut cost, mut rest, mut position) = (0, offsets, position);
        while !rest.is_empty() {
            let chunk = self.last_at(position);
            let (now, later) = rest.split_at(rest.len().min(chunk.room()));
            let entries = chunk.follow(position, now.len());
            reserve(entries, now.len());
            entries.extend(now.iter().map(|&offset| {
                let entry = entry(offset);
                cost += u64::from(entry.cost);
                entry
            }));
            position += now.len() as u64;
            rest = later;
        }
        self.cost += cost;
        self.len += offsets.len();
        cost
    }

    /// The first entries of one page, up to `most`, and the position of the first of them. They stand side by side, and none of
    /// them was handed out before. There may be more of them.
    #[inline]
    pub(in super::super) fn run(&self, most: usize) -> Option<(u64, &[Entry])> {
        let places = self.front.places().get(self.taken..)?;
        let page = places.first()?.page;
        let most = self.front.side_by_side(self.taken, most);
        let alike = |entry: &&Entry| entry.page == page && !entry.redelivered;
        let count = places.iter().take(most).take_while(alike).count();
        Some((self.front.position(self.taken), places.get(..count)?))
    }

    /// Takes the first entries, so many of the [run](Self::run), which cost so much together.
    #[inline]
    pub(in super::super) fn pop_run(&mut self, count: usize, cost: u64) {
        self.pass(count);
        self.len -= count;
        self.cost -= cost;
    }
}

/// Makes room in a chunk for some entries. Only one that may stay small has not had all it may need from the start.
#[inline]
fn reserve(entries: &mut Vec<Entry>, next: usize) {
    if entries.capacity() - entries.len() < next {
        let left = CHUNK - entries.len();
        entries.reserve_exact(next.max(entries.len()).max(FEW).min(left));
    }
}
