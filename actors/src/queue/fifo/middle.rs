//! Chunks between the first and the last, of which any may go.

use std::collections::VecDeque;
use std::iter;

use super::CHUNK;
use super::chunk::Chunk;

/// Chunks of a shelf, at most.
const SHELF: usize = 64;

/// Chunks in order of their positions, on shelves: where one goes only its shelf closes ranks.
#[derive(Debug, Default)]
pub(super) struct Middle {
    /// None is empty.
    shelves: VecDeque<Shelf>,
}

#[derive(Debug)]
struct Shelf {
    /// None of its chunks begins before this position.
    first: u64,
    chunks: VecDeque<Chunk>,
}

/// Where a chunk is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    shelf: usize,
    chunk: usize,
}

impl Middle {
    pub(super) fn is_empty(&self) -> bool {
        self.shelves.is_empty()
    }

    /// How many chunks.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shelves.iter().map(|shelf| shelf.chunks.len()).sum()
    }

    /// A chunk behind all others.
    pub(super) fn push(&mut self, chunk: Chunk) {
        match self.shelves.back_mut() {
            Some(last) if last.chunks.len() < SHELF => last.chunks.push_back(chunk),
            _ => self.shelves.push_back(Shelf {
                first: chunk.first(),
                chunks: VecDeque::from([chunk]),
            }),
        }
    }

    /// Takes the first chunk.
    pub(super) fn pop(&mut self) -> Option<Chunk> {
        let shelf = self.shelves.front_mut()?;
        let first = shelf.chunks.pop_front();
        if shelf.chunks.is_empty() {
            self.shelves.pop_front();
        }
        first
    }

    /// Where those begin that may have entries at a position or after it.
    pub(super) fn find(&self, position: u64) -> Place {
        let behind = self.shelves.partition_point(|shelf| shelf.first <= position);
        let shelf = behind.saturating_sub(1);
        let chunk = self.shelves.get(shelf).map_or(0, |shelf| shelf.find(position));
        Place { shelf, chunk }
    }

    /// The chunk at a place, if there is one.
    pub(super) fn get_mut(&mut self, place: Place) -> Option<&mut Chunk> {
        self.shelves.get_mut(place.shelf)?.chunks.get_mut(place.chunk)
    }

    /// The place after another one, where a chunk is.
    pub(super) fn after(&self, Place { shelf, chunk }: Place) -> Place {
        let here = self.shelves.get(shelf).map_or(0, |shelf| shelf.chunks.len());
        match chunk + 1 < here {
            true => Place {
                shelf,
                chunk: chunk + 1,
            },
            false => Place {
                shelf: shelf + 1,
                chunk: 0,
            },
        }
    }

    /// The chunks from a place on.
    pub(super) fn chunks_from(&self, place: Place) -> impl Iterator<Item = &Chunk> {
        let firsts = iter::once(place.chunk).chain(iter::repeat(0));
        let shelves = self.shelves.iter().skip(place.shelf).zip(firsts);
        shelves.flat_map(|(shelf, first)| shelf.chunks.iter().skip(first))
    }

    /// The same, to be changed.
    pub(super) fn chunks_from_mut(&mut self, place: Place) -> impl Iterator<Item = &mut Chunk> {
        let firsts = iter::once(place.chunk).chain(iter::repeat(0));
        let shelves = self.shelves.iter_mut().skip(place.shelf).zip(firsts);
        shelves.flat_map(|(shelf, first)| shelf.chunks.iter_mut().skip(first))
    }

    /// Gives up the gaps of the chunk at a place, if it is mostly gaps. Returns how many entries were moved for that.
    pub(super) fn tidy(&mut self, Place { shelf, chunk }: Place) -> usize {
        let Some(on) = self.shelves.get_mut(shelf) else {
            return 0;
        };
        let moved = on.tidy(chunk);
        if on.chunks.is_empty() {
            self.shelves.remove(shelf);
        }
        moved
    }
}

impl Shelf {
    /// The last chunk that begins at a position or before it, or the first.
    fn find(&self, position: u64) -> usize {
        // As long as no position was left out and no chunk is gone, it is here.
        let guess = position.saturating_sub(self.first) / CHUNK as u64;
        let guess = guess.min(self.chunks.len() as u64 - 1) as usize;
        let begins = |chunk: usize| {
            self.chunks
                .get(chunk)
                .is_some_and(|chunk| chunk.first() <= position)
        };
        if begins(guess) && !begins(guess + 1) {
            return guess;
        }
        let behind = self.chunks.partition_point(|chunk| chunk.first() <= position);
        behind.saturating_sub(1)
    }

    fn tidy(&mut self, at: usize) -> usize {
        let Some(chunk) = self.chunks.get_mut(at).filter(|chunk| chunk.is_wasteful()) else {
            return 0;
        };
        if chunk.live() == 0 {
            self.remove(at);
            return 0;
        }
        let moved = chunk.close_gaps() + self.join_next(at);
        moved + at.checked_sub(1).map_or(0, |before| self.join_next(before))
    }

    /// Joins a chunk with the next, if they are small. Returns how many entries were moved for that.
    fn join_next(&mut self, at: usize) -> usize {
        let mut both = self.chunks.iter_mut().skip(at);
        let (Some(chunk), Some(next)) = (both.next(), both.next()) else {
            return 0;
        };
        let Some(moved) = chunk.join(next) else { return 0 };
        self.remove(at + 1);
        moved
    }

    fn remove(&mut self, at: usize) {
        self.chunks.remove(at);
        if self.chunks.len() * 4 < self.chunks.capacity() {
            self.chunks.shrink_to(self.chunks.len() * 2);
        }
    }
}
