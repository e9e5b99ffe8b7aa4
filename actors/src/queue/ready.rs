//! Messages that wait, in order, wherever they are.
//!
//! ```text
//! returned → front → absent → leaving → back
//! ```
//!
//! Those that came back have the earliest positions. In a queue that was always small, the rest is the front. Of a backlog
//! the middle is not in memory: new messages join the back, go through `leaving` when room is needed, are `absent` while a
//! journal alone has them, and join the front when they are read again.

mod aside;
mod taking;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::absent::{Absent, Stretch};
use super::fifo::{Entry, Fifo};
use super::leaving::Leaving;
use super::places::Places;
use super::settlements::Settlements;
use crate::journal::Keeper;

/// The order of what waits. A returned message has an earlier position than any that was never handed out, but for those that
/// have rested through a restart. What is asked for each batch comes last.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Ready {
    pub(super) absent: Absent,
    leaving: Leaving,
    back: Fifo,
    /// Where none waits among those that are absent or leaving.
    gone: Places,
    front: Fifo,
    returned: BTreeMap<u64, Entry>,
    /// Whether there is anything behind the front.
    behind: bool,
}

/// Messages that were taken out of the middle.
#[derive(Debug, Default)]
pub(super) struct TakenOut {
    /// Those that were in memory, or whose entries were.
    pub(super) entries: Vec<(u64, Entry)>,
    /// The others.
    pub(super) absent: Vec<Stretch>,
}

impl Ready {
    pub(super) fn len(&self) -> usize {
        let behind = if self.behind {
            self.absent.messages() as usize + self.leaving.fifo.len() + self.back.len()
        } else {
            0
        };
        self.returned.len() + self.front.len() + behind
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.front.len() == 0 && self.returned.is_empty() && !self.behind
    }

    /// How many of them are not in memory.
    pub(super) fn absent(&self) -> u64 {
        let returned = self.returned.values().filter(|entry| entry.is_absent());
        self.absent.messages() + returned.count() as u64
    }

    /// Whether the first message can be taken.
    #[inline]
    pub(super) fn has_first(&self) -> bool {
        match self.next_returned() {
            Some((_, entry)) => !entry.is_absent(),
            None => self.front.len() > 0 || (self.behind && self.absent.is_empty()),
        }
    }

    /// How many can be taken one after the other, at least.
    #[inline]
    pub(super) fn at_hand(&self) -> usize {
        match self.returned.is_empty() {
            true => self.front.len(),
            false => 0,
        }
    }

    /// The last position of a message that was handed out and came back.
    pub(super) fn last_redelivered(&self) -> Option<u64> {
        let mut latest_first = self.returned.iter().rev();
        latest_first.find_map(|(&position, entry)| entry.redelivered.then_some(position))
    }

    /// The first position, or one before it, of those that did not come back.
    pub(super) fn first_unreturned(&self) -> Option<u64> {
        let first = self.front.first().map(|(first, _)| first);
        first.or_else(|| {
            let absent = self.absent.first().map(|stretch| stretch.run.positions.first);
            let behind = [self.leaving.fifo.first(), self.back.first()];
            absent.or_else(|| behind.into_iter().flatten().map(|(first, _)| first).next())
        })
    }

    /// A new message, at a position above all that are here.
    pub(super) fn push(&mut self, position: u64, entry: Entry) {
        self.last_mut().push(position, entry);
    }

    /// New messages, as [`Fifo::push_all`] takes them.
    #[inline]
    pub(super) fn push_all(
        &mut self,
        position: u64,
        offsets: &[u32],
        entry: impl FnMut(u32) -> Entry,
    ) -> u64 {
        self.last_mut().push_all(position, offsets, entry)
    }

    /// The first messages of one page, as [`Fifo::run`] has them. None while some that came back may come first.
    #[inline]
    pub(super) fn run(&self, most: usize) -> Option<(u64, &[Entry])> {
        match self.returned.is_empty() {
            true => self.front.run(most),
            false => None,
        }
    }

    /// Takes so many of the [run](Self::run), which cost so much together.
    #[inline]
    pub(super) fn pop_run(&mut self, count: usize, cost: u64) {
        self.front.pop_run(count, cost);
    }

    /// The first message, with its position, if it is in memory.
    #[inline(always)]
    pub(super) fn pop(&mut self, settlements: &mut Settlements) -> Option<(u64, Entry)> {
        if self.returned.is_empty() {
            self.front.pop().or_else(|| self.pop_behind(settlements))
        } else {
            self.pop_returned(settlements)
        }
    }

    /// Puts a popped message back to its place.
    pub(super) fn put_back(&mut self, position: u64, entry: Entry) {
        self.returned.insert(position, entry);
    }

    /// Adds a message that was read to the end of the front. Those behind it are not in memory.
    pub(super) fn push_read(&mut self, position: u64, entry: Entry) {
        self.front.push(position, entry);
    }

    /// Messages behind all others, whose journal has them.
    pub(super) fn push_absent(&mut self, stretch: Stretch) {
        self.absent.push(stretch);
        self.look_behind();
    }

    /// Bytes of the front.
    pub(super) fn front_cost(&self) -> u64 {
        self.front.cost()
    }

    /// Bytes of all but the returned that are in memory.
    pub(super) fn cost(&self) -> u64 {
        self.front.cost() + self.leaving.fifo.cost() + self.back.cost()
    }

    /// The first messages that are not in memory, behind all that are in the front.
    pub(super) fn first_absent(&self) -> Option<&Stretch> {
        self.absent.first()
    }

    /// The first absent ones were read up to a position; see [`Absent::read`].
    pub(super) fn read(&mut self, upto: u64, messages: u64, bytes: u64) -> u64 {
        let missing = self.absent.read(upto, messages, bytes);
        self.look_behind();
        missing
    }

    /// The first returned message, unless others stand before it.
    pub(super) fn next_returned(&self) -> Option<(u64, &Entry)> {
        let (&position, entry) = self.returned.first_key_value()?;
        let first = self.first_unreturned();
        first
            .is_none_or(|first| position < first)
            .then_some((position, entry))
    }

    pub(super) fn returned(&self) -> impl Iterator<Item = (u64, &Entry)> {
        self.returned.iter().map(|(&position, entry)| (position, entry))
    }

    pub(super) fn has_returned(&self, position: u64) -> bool {
        !self.returned.is_empty() && self.returned.contains_key(&position)
    }

    /// Whether some of these messages came back and wait.
    pub(super) fn have_returned(&self, range: &RangeInclusive<u64>) -> bool {
        self.returned.range(range.clone()).next().is_some()
    }

    pub(super) fn returned_mut(&mut self) -> &mut BTreeMap<u64, Entry> {
        &mut self.returned
    }

    /// The first `most` entries of each part from a position on, and the absent ones up to any.
    pub(super) fn glance(&self, from: u64, most: usize, seen: &mut TakenOut) {
        let returned = self.returned.range(from..).take(most);
        seen.entries
            .extend(returned.map(|(&position, &entry)| (position, entry)));
        for fifo in [&self.front, &self.leaving.fifo, &self.back] {
            let later = fifo.iter_from(from).take(most);
            let some = later.map(|(position, entry)| (position, *entry));
            seen.entries.extend(some);
        }
        seen.absent.extend(self.absent.from(from));
    }

    /// Whether this message waits here and is not in memory.
    pub(super) fn is_absent(&self, position: u64) -> bool {
        let returned = self.returned.get(&position);
        let may_be = self.absent.overlaps(&(position..=position)) && !self.gone.contains(position);
        returned.map_or(may_be, Entry::is_absent)
    }

    /// Whether some of these messages may wait here.
    pub(super) fn overlaps(&self, range: &RangeInclusive<u64>) -> bool {
        self.have_returned(range)
            || self.front.overlaps(range)
            || self.absent.overlaps(range)
            || self.leaving.fifo.overlaps(range)
            || self.back.overlaps(range)
    }

    /// Drops everything. What the journals have of it is noted, and `gone` hears of each message that was in memory.
    /// Among the absent ones stand the `others`, whose positions rise and which are not dropped.
    pub(super) fn clear(
        &mut self,
        settlements: &mut Settlements,
        others: &[u64],
        mut gone: impl FnMut(&Entry),
    ) {
        let leaving = self.leaving.stay(|position| settlements.note_written(position));
        let fifos = [&mut self.front, &mut { leaving }, &mut self.back];
        let mut gone = |position, entry| {
            settlements.note(position, &entry);
            gone(&entry);
        };
        while let Some((position, entry)) = self.returned.pop_first() {
            gone(position, entry);
        }
        for fifo in fifos {
            while let Some((position, entry)) = fifo.pop() {
                gone(position, entry);
            }
        }
        for Stretch { keeper, run, .. } in self.absent.drain() {
            settlements.note_range_without(Keeper::Journal, run.positions, others);
            if keeper == Keeper::Scratch {
                settlements.note_range_without(keeper, run.positions, others);
            }
        }
        self.gone.clear();
        self.look_behind();
    }

    /// The parts in which those wait that did not come back, as far as they are in memory.
    pub(super) fn parts_mut(&mut self) -> impl Iterator<Item = &mut Fifo> {
        [&mut self.front, &mut self.leaving.fifo, &mut self.back].into_iter()
    }

    #[inline(never)]
    fn pop_returned(&mut self, settlements: &mut Settlements) -> Option<(u64, Entry)> {
        if self.next_returned().is_none() {
            return self.front.pop().or_else(|| self.pop_behind(settlements));
        }
        let first = self.returned.first_entry()?;
        (!first.get().is_absent()).then(|| first.remove_entry())
    }

    /// What was about to leave and is wanted before it has left stays.
    #[cold]
    fn pop_behind(&mut self, settlements: &mut Settlements) -> Option<(u64, Entry)> {
        if !self.behind || !self.absent.is_empty() {
            return None;
        }
        self.front = if self.leaving.is_empty() {
            std::mem::take(&mut self.back)
        } else {
            self.leaving.stay(|position| settlements.note_written(position))
        };
        self.look_behind();
        self.front.pop()
    }

    /// Where new messages go.
    #[inline]
    fn last_mut(&mut self) -> &mut Fifo {
        if self.behind {
            &mut self.back
        } else {
            &mut self.front
        }
    }

    fn look_behind(&mut self) {
        self.behind = !(self.absent.is_empty() && self.leaving.is_empty() && self.back.len() == 0);
    }
}
