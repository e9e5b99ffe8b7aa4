//! The queue actor and its journal: what is taken back at the start, what is safe, what is gone.

use std::sync::Arc;

use actix::fut;
use actix::prelude::*;

use super::actor::Queue;
use super::messages::Conclude;
use super::stamps::Stamps;
use crate::journal::{Batch, Keeper, Notice, Safety, Told};
use crate::node::Context;
use crate::publication::Page;
use crate::window::Permit;

impl Queue {
    /// Nothing is taken from the mailbox before the messages are back that were kept: what was there first is served first.
    /// The time of what expires begins, though nobody may ever ask for it.
    pub(super) fn take_back(&mut self, ctx: &mut Context<Self>) {
        // The scratch log of a queue begins empty.
        drop(self.scratch.open(ctx.address().recipient()));
        let Some(kept) = self.journal.open(ctx.address().recipient()) else {
            return self.look_ahead(ctx);
        };
        let restored = fut::wrap_future::<_, Self>(kept).map(|kept, queue, ctx| {
            if queue.deleted {
                return queue.go_on_departing(&kept, ctx);
            }
            queue.state.restore(kept);
            queue.read_ahead(false);
            queue.look_ahead(ctx);
        });
        ctx.wait(restored);
    }

    /// Gives the journal what of a batch it is to keep.
    pub(super) fn journal(
        &mut self,
        page: &Arc<Page>,
        offsets: &[u32],
        stamps: &Stamps,
        permit: Option<&Permit>,
    ) -> Safety {
        if !self.journal.keeps() {
            return Safety::Now;
        }
        let first = self.state.next_position();
        let messages: Vec<(u64, u32)> = (first..)
            .zip(offsets.iter().copied())
            .filter(|&(_, offset)| self.state.keeps(page, offset))
            .collect();
        if messages.is_empty() {
            return Safety::Now;
        }
        let places = messages.iter().map(|&(position, _)| (position - first) as usize);
        let deadlines = stamps.of_places(places);
        let safety = self.journal.append(Batch {
            page,
            messages,
            deadlines,
            permit,
        });
        let below = self.state.next_position() + offsets.len() as u64;
        match (safety, self.syncing.back_mut()) {
            (Safety::After(ticket), _) => self.syncing.push_back((ticket, below)),
            (Safety::Now, Some(last)) => last.1 = below,
            (Safety::Now, None) => self.state.synced_below(below),
        }
        safety
    }

    /// Tells the journals what has come back, and what is gone.
    pub(super) fn tell_settled(&mut self) {
        let returned = self.state.take_returned();
        if !returned.is_empty() {
            self.journal.returned(returned);
        }
        let settled = self.state.take_settled(Keeper::Journal);
        if !settled.is_empty() {
            self.journal.settled(settled);
        }
        let settled = self.state.take_settled(Keeper::Scratch);
        if !settled.is_empty() {
            self.scratch.settled(settled);
        }
    }

    /// The journal has synced: what it confirms, and what may leave memory.
    fn synced(&mut self, upto: u64) {
        let mut unsynced = std::mem::take(&mut self.unsynced);
        unsynced.synced(upto, |channel, number| self.stored(channel, number));
        self.unsynced = unsynced;
        while let Some(&(ticket, below)) = self.syncing.front()
            && ticket <= upto
        {
            self.state.synced_below(below);
            self.syncing.pop_front();
        }
    }
}

impl Handler<Notice> for Queue {
    type Result = ();

    fn handle(&mut self, Notice { keeper, told }: Notice, ctx: &mut Context<Self>) {
        match (keeper, told) {
            (Keeper::Journal, Told::Synced { upto }) => self.synced(upto),
            (Keeper::Scratch, Told::Synced { upto }) => self.state.scratched(upto),
            (keeper, Told::Loaded { messages, upto }) => {
                self.reading = None;
                self.state.loaded(keeper, messages, upto);
            }
        }
        self.absorbed(1, ctx);
    }
}

impl Handler<Conclude> for Queue {
    type Result = ();

    fn handle(&mut self, _: Conclude, _: &mut Context<Self>) {
        self.wake();
        let handed_out = self.state.conclude();
        self.tell_settled();
        if let Some(upto) = handed_out {
            self.journal.handed_out(upto);
        }
    }
}
