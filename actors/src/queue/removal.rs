//! Taking messages out of what waits, at any level: from the middle, and those that have to make room. Pure.

use std::ops::RangeInclusive;

use super::fifo::Entry;
use super::levels::Levels;
use super::ready::TakenOut;
use super::settlements::Settlements;

impl Levels {
    /// Takes out those of these messages of a level that still wait, in order, `most` in memory at most. Returns the first
    /// position that is left for the next time.
    pub(super) fn take_out(
        &mut self,
        level: u8,
        range: &RangeInclusive<u64>,
        most: usize,
        taken: &mut TakenOut,
    ) -> Option<u64> {
        match self.arrived_mut() {
            // What has just come stands behind all that is known of.
            Some(arrived) if arrived.overlaps(range) => {
                let before = taken.entries.len();
                arrived.take_out(range.clone(), most, |position, entry| {
                    taken.entries.push((position, entry));
                });
                let last = taken.entries.last().map(|&(position, _)| position);
                last.filter(|last| taken.entries.len() - before == most && last < range.end())
                    .map(|last| last + 1)
            }
            _ => self.level_mut(level).take_out(range, most, taken),
        }
    }

    /// Whether some of these messages of a level may still wait.
    pub(super) fn overlaps(&mut self, level: u8, range: &RangeInclusive<u64>) -> bool {
        let arrived = self.arrived_mut();
        arrived.is_some_and(|arrived| arrived.overlaps(range)) || self.level_mut(level).overlaps(range)
    }

    /// The first message of the lowest level that has any, with its position, if it is in memory.
    pub(super) fn pop_lowest(&mut self, settlements: &mut Settlements) -> Option<(u64, Entry)> {
        let level = self.lowest()?;
        self.level_mut(level).pop(settlements)
    }

    /// The lowest level that has messages.
    pub(super) fn lowest(&self) -> Option<u8> {
        self.highest_first().last().map(|(level, _)| level)
    }
}
