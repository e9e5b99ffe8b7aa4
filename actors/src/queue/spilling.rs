//! The queue actor and memory: what leaves it, what is read again.

use actix::prelude::*;

use super::actor::Queue;
use super::backlog::Spill;
use super::messages::Reclaim;
use crate::journal::{Batch, Keeper, Safety};
use crate::node::Context;
use crate::publication::{Room, room_taken};

impl Queue {
    /// Lets what waits leave memory when there is too much of it.
    pub(super) fn make_room(&mut self) {
        let (keep, scratch) = match self.memory.keep(room_taken()) {
            Some(keep) => (keep, self.scratch.keeps()),
            None if self.state.is_journaled() => (self.memory.journaled / 2, false),
            None => return,
        };
        if !self.state.exceeds(keep) {
            return;
        }
        let spills = self.state.evict(keep, scratch);
        if let Some(ticket) = self.write(spills) {
            self.state.await_scratch(ticket);
            self.state.scratched(0);
        }
    }

    /// Reads what is not in memory before those who take messages get there.
    pub(super) fn read_ahead(&mut self, handed_out: bool) {
        let taken = handed_out || !self.gets.is_empty() || self.state.consumers_take_more();
        if !taken && !self.state.needs_reading() {
            return;
        }
        let ahead = self.memory.ahead(room_taken());
        if let Some(load) = self.state.load(ahead) {
            self.reading = Some(Room::take(ahead));
            match load.keeper {
                Keeper::Journal => self.journal.load(load.positions, ahead),
                Keeper::Scratch => self.scratch.load(load.positions, ahead),
            }
        }
    }

    /// Whether publishers have to wait: until what leaves has left, and until what comes can leave.
    fn strained(&self) -> bool {
        self.state.in_review() || (self.state.leaves() && self.memory.strained(room_taken()))
    }

    /// Lets publishers go on, unless they have to wait.
    pub(super) fn give_permits(&mut self) {
        let strained = self.strained();
        let taken = self.taken.drain(..);
        if strained {
            self.permits
                .extend(taken.filter_map(|part| part.permit().cloned()));
        } else {
            drop(taken);
            self.permits.clear();
        }
    }

    /// Unsettled messages leave memory too when they take more than what may stay.
    fn make_room_of_held(&mut self) {
        let Some(keep) = self.memory.keep(room_taken()) else {
            return;
        };
        if self.state.held_bytes() <= keep {
            return;
        }
        let spills = self.state.evict_held(self.scratch.keeps());
        if let Some(ticket) = self.write(spills) {
            self.state.await_held(ticket);
            self.state.scratched(0);
        }
    }

    /// Puts messages on the scratch log. Returns the ticket after which it has them: 0 when it has them now.
    fn write(&mut self, spills: Vec<Spill>) -> Option<u64> {
        if !spills.is_empty() {
            // Some were there before and have been read: what was written of them then is gone, and not what is written now.
            self.tell_settled();
        }
        let mut last = None;
        for Spill { page, messages } in spills {
            let safety = self.scratch.append(Batch {
                page: &page,
                messages,
                deadlines: Vec::new(),
                permit: None,
            });
            last = last.max(Some(match safety {
                Safety::After(ticket) => ticket,
                Safety::Now => 0,
            }));
        }
        last
    }
}

impl Handler<Reclaim> for Queue {
    type Result = ();

    fn handle(&mut self, _: Reclaim, _: &mut Context<Self>) {
        self.make_room();
        self.make_room_of_held();
        self.state.give_up_pages();
        self.tell_settled();
    }
}
