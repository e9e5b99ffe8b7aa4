//! Where neighbouring messages of a queue are. Pure.

use std::ops::RangeInclusive;

use super::index::Location;

/// Positions that share a block, which fills an allocation of 512 bytes.
pub(super) const BLOCK: u64 = 63;

/// Places of messages that are neighbours in their queue.
#[derive(Debug)]
pub(super) struct Block {
    /// A bit for each position that is unsettled.
    pub(super) live: u64,
    places: [Location; BLOCK as usize],
}

impl Block {
    /// One in which all are settled.
    pub(super) fn empty() -> Box<Self> {
        Box::new(Block {
            live: 0,
            places: [Location::default(); BLOCK as usize],
        })
    }

    /// Where the message at a slot is, if it is unsettled.
    pub(super) fn get(&self, slot: u64) -> Option<Location> {
        let live = self.live >> slot & 1 == 1;
        self.places.get(slot as usize).copied().filter(|_| live)
    }

    /// Those of the unsettled ones, in order.
    pub(super) fn locations(&self) -> impl Iterator<Item = Location> {
        (0..BLOCK).filter_map(|slot| self.get(slot))
    }

    /// Returns what was there.
    pub(super) fn put(&mut self, slot: u64, location: Location) -> Option<Location> {
        let old = self.get(slot);
        self.live |= 1 << slot;
        if let Some(place) = self.places.get_mut(slot as usize) {
            *place = location;
        }
        old
    }

    /// Takes those that are among these slots out.
    pub(super) fn take(&mut self, slots: RangeInclusive<u64>, gone: &mut Vec<Location>) {
        for slot in slots {
            gone.extend(self.get(slot));
            self.live &= !(1 << slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_fills_its_allocation() {
        assert_eq!(size_of::<Block>(), 512);
    }
}
