//! Taking messages out of what waits, at any level: from the middle, and those that have to make room. Pure.

use std::ops::RangeInclusive;

use super::fifo::Entry;
use super::levels::Levels;
use super::ready::TakenOut;
use super::settlements::Settlements;

impl Levels {
    /// Takes out those of these messages of a level that still wait, in order, until so many of them were in memory: `most`, and
    /// one at least. Returns the position up to which all are taken.
    pub(super) fn take_out(
        &mut self,
        level: u8,
        range: &RangeInclusive<u64>,
        most: usize,
        taken: &mut TakenOut,
    ) -> u64 {
        let limit = taken.entries.len() + most.max(1);
        let upto = self.level_mut(level).take_out(range, most, taken);
        // What has just come stands behind all that is known of.
        let Some(arrived) = self.arrived_mut().filter(|_| upto == *range.end()) else {
            return upto;
        };
        let entries = &mut taken.entries;
        arrived.take_out(range.clone(), limit - entries.len(), |position, entry| {
            entries.push((position, entry));
        });
        match entries.last() {
            Some(&(last, _)) if entries.len() == limit => last,
            _ => upto,
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
