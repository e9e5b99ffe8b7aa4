//! Messages on their way out of memory: each leaves once a journal has it, and in order. Pure.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use super::absent::{Bodies, Stretch, positions};
use super::fifo::{Entry, Fifo};
use crate::journal::{Keeper, Run};

/// What is about to leave.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    pub(super) fifo: Fifo,
    groups: VecDeque<Group>,
}

/// Neighbours that leave together.
#[derive(Debug)]
struct Group {
    stretch: Stretch,
    /// They may leave after this ticket of the scratch log.
    after: u64,
}

/// The ticket of a group whose ticket is not known yet.
const UNKNOWN: u64 = u64::MAX;

impl Leaving {
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The last position of all.
    pub(super) fn last(&self) -> Option<u64> {
        Some(self.groups.back()?.stretch.run.positions.last)
    }

    /// Whether the scratch log has not said yet that it has some of them.
    pub(super) fn waits(&self) -> bool {
        self.groups.iter().any(|group| group.after > 0)
    }

    /// Bytes of all while some wait for the scratch log.
    pub(super) fn unwritten(&self) -> u64 {
        if self.waits() { self.fifo.cost() } else { 0 }
    }

    /// A group that follows those here. That which the journal keeps may leave as soon as it is the first.
    pub(super) fn push(&mut self, keeper: Keeper, group: &[(u64, Entry)]) {
        let (Some(&(first, _)), Some(&(last, _))) = (group.first(), group.last()) else {
            return;
        };
        for &(position, entry) in group {
            self.fifo.push(position, entry);
        }
        let run = Run {
            positions: positions(first, last),
            messages: group.len() as u64,
        };
        self.groups.push_back(Group {
            stretch: Stretch {
                keeper,
                run,
                bodies: Bodies::Bytes(0),
            },
            after: match keeper {
                Keeper::Journal => 0,
                Keeper::Scratch => UNKNOWN,
            },
        });
    }

    /// Those that have no ticket yet may leave after this one.
    pub(super) fn await_ticket(&mut self, ticket: u64) {
        let untold = self.groups.iter_mut().rev();
        for group in untold.take_while(|group| group.after == UNKNOWN || group.after == 0) {
            if group.after == UNKNOWN {
                group.after = ticket;
            }
        }
    }

    /// Lets the first group go, if it may after `synced`: `gone` hears of each of its messages, and returns the length of its
    /// body.
    pub(super) fn leave(&mut self, synced: u64, mut gone: impl FnMut(&Entry) -> u32) -> Option<Stretch> {
        self.groups.front().filter(|group| group.after <= synced)?;
        let mut stretch = self.groups.pop_front()?.stretch;
        // The first ones of the group may have been taken out.
        let first = self.fifo.first().map(|(first, _)| first);
        stretch.run.positions.first = first.unwrap_or(stretch.run.positions.first);
        let mut bytes = 0;
        for _ in 0..stretch.run.messages {
            if let Some((_, entry)) = self.fifo.pop() {
                bytes += u64::from(gone(&entry));
            }
        }
        stretch.bodies = Bodies::Bytes(bytes);
        Some(stretch)
    }

    /// Takes out those at these positions, `most` at most. What the scratch log has of them, or will have, is to hear that
    /// they are gone.
    pub(super) fn take_out(
        &mut self,
        range: RangeInclusive<u64>,
        most: usize,
        mut taken: impl FnMut(u64, Entry),
    ) {
        let groups = &mut self.groups;
        let mut used_up = false;
        self.fifo.take_out(range, most, |position, mut entry| {
            let at = groups.partition_point(|group| group.stretch.run.positions.last < position);
            if let Some(Group { stretch, .. }) = groups.get_mut(at) {
                stretch.run.messages -= 1;
                entry.scratched |= stretch.keeper == Keeper::Scratch;
                used_up |= stretch.run.messages == 0;
            }
            taken(position, entry);
        });
        if used_up {
            self.groups.retain(|group| group.stretch.run.messages > 0);
        }
    }

    /// None of them leaves. `written` hears the positions of those that were put on the scratch log for nothing.
    pub(super) fn stay(&mut self, mut written: impl FnMut(u64)) -> Fifo {
        let fifo = std::mem::take(&mut self.fifo);
        let mut positions = fifo.iter().map(|(position, _)| position);
        for Group { stretch, .. } in self.groups.drain(..) {
            let group = positions.by_ref().take(stretch.run.messages as usize);
            match stretch.keeper {
                Keeper::Scratch => group.for_each(&mut written),
                Keeper::Journal => group.for_each(drop),
            }
        }
        drop(positions);
        fifo
    }
}
