//! The queue actor and its journal: what is taken back at the start, what is safe, what is gone.

use actix::fut;
use actix::prelude::*;

use super::actor::Queue;
use super::messages::Conclude;
use crate::journal::Synced;

impl Queue {
    /// Nothing is taken from the mailbox before the messages are back that were kept: what was there first is served first.
    pub(super) fn take_back(&mut self, ctx: &mut Context<Self>) {
        let Some(kept) = self.journal.open(ctx.address().recipient()) else {
            return;
        };
        let restored = fut::wrap_future::<_, Self>(kept).map(|kept, queue, _| {
            queue
                .state
                .restore(kept.messages, kept.next_position, kept.handed_out_below);
        });
        ctx.wait(restored);
    }

    /// Tells the journal what is gone.
    pub(super) fn tell_settled(&mut self) {
        let settled = self.state.take_settled();
        if !settled.is_empty() {
            self.journal.settled(settled);
        }
    }
}

impl Handler<Synced> for Queue {
    type Result = ();

    fn handle(&mut self, Synced { upto }: Synced, ctx: &mut Context<Self>) {
        let mut unsynced = std::mem::take(&mut self.unsynced);
        unsynced.synced(upto, |channel, number| self.stored(channel, number));
        self.unsynced = unsynced;
        self.absorbed(1, ctx);
    }
}

impl Handler<Conclude> for Queue {
    type Result = ();

    fn handle(&mut self, _: Conclude, _: &mut Context<Self>) {
        if self.deleted {
            return;
        }
        self.tell_settled();
        if let Some(upto) = self.state.last_handed_out() {
            self.journal.handed_out(upto);
        }
    }
}
