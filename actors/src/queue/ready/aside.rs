//! What is set aside of those that wait, and leaves memory once a journal has it.

use super::Ready;
use crate::journal::Keeper;
use crate::queue::absent::positions;
use crate::queue::fifo::{Entry, Fifo};

/// Messages that leave together, at most. Those of a group have one keeper, so that what is absent is few stretches.
const GROUP: usize = 256;

impl Ready {
    /// Whether more than about `keep` bytes wait in memory, so that [`set_aside`](Self::set_aside) has something to do.
    pub(in super::super) fn exceeds(&self, keep: u64) -> bool {
        if self.behind {
            self.back.cost() > keep
        } else {
            self.front.cost() > keep.saturating_mul(2)
        }
    }

    /// Whether some messages leave as soon as the scratch log has them.
    pub(in super::super) fn leaves(&self) -> bool {
        self.leaving.waits()
    }

    /// Bytes that wait for the scratch log.
    pub(in super::super) fn under_way(&self) -> u64 {
        self.leaving.unwritten()
    }

    /// Chooses messages to leave memory, up to the first that no journal has or can take, and adds those to `to_write` that are
    /// to be put on the scratch log first, as long as less than `room` bytes wait for it. When all are in memory, the first ones
    /// stay, about `keep` bytes of them.
    pub(in super::super) fn set_aside(
        &mut self,
        keep: u64,
        synced_below: u64,
        scratch: bool,
        room: u64,
        to_write: &mut Vec<(u64, Entry)>,
    ) {
        if !self.behind {
            self.part_front(keep);
        }
        let may_leave = |position: u64, entry: &Entry| {
            if entry.kept {
                position < synced_below
            } else {
                scratch
            }
        };
        let mut group = Vec::with_capacity(GROUP);
        let mut under_way = self.under_way();
        let mut last = self.leaving.last().or_else(|| self.absent.last());
        while under_way < room {
            while group.len() < GROUP
                && let Some((position, entry)) = self.back.first()
                && may_leave(position, entry)
            {
                if let Some(last) = last.replace(position)
                    && last + 1 < position
                {
                    self.gone.add(positions(last + 1, position - 1));
                }
                group.extend(self.back.pop());
            }
            let keeper = if group.iter().all(|(_, entry)| entry.kept) {
                Keeper::Journal
            } else {
                under_way += group.iter().map(|(_, entry)| u64::from(entry.cost)).sum::<u64>();
                to_write.extend_from_slice(&group);
                Keeper::Scratch
            };
            self.leaving.push(keeper, &group);
            if group.len() < GROUP {
                break;
            }
            group.clear();
        }
        self.look_behind();
    }

    /// What was set aside last and waits for the scratch log may leave after this ticket.
    pub(in super::super) fn await_ticket(&mut self, ticket: u64) {
        self.leaving.await_ticket(ticket);
    }

    /// Lets go what may leave: the scratch log has all up to the ticket `synced`. `gone` hears of each message, and returns the
    /// length of its body.
    pub(in super::super) fn leave(&mut self, synced: u64, mut gone: impl FnMut(&Entry) -> u32) {
        while let Some(stretch) = self.leaving.leave(synced, &mut gone) {
            self.absent.push(stretch);
        }
        self.look_behind();
    }

    /// Leaves about `keep` bytes in the front; the others become the back.
    fn part_front(&mut self, keep: u64) {
        let mut first = Fifo::default();
        while first.cost() < keep
            && let Some((position, entry)) = self.front.pop()
        {
            first.push(position, entry);
        }
        self.back = std::mem::replace(&mut self.front, first);
    }
}
