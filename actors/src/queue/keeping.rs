//! The queue actor and its journal: what is taken back at the start, what is safe, what is gone.

use std::sync::Arc;

use actix::fut;
use actix::prelude::*;

use super::actor::Queue;
use super::messages::Conclude;
use crate::journal::{Batch, Keeper, Notice, Safety, Told};
use crate::publication::Page;
use crate::window::Permit;

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

    /// Gives the journal what of a batch it is to keep.
    pub(super) fn journal(&mut self, page: &Arc<Page>, offsets: &[u32], permit: Option<&Permit>) -> Safety {
        if !self.journal.keeps() {
            return Safety::Now;
        }
        let messages: Vec<(u64, u32)> = (self.state.next_position()..)
            .zip(offsets.iter().copied())
            .filter(|&(_, offset)| page.is_persistent(offset))
            .collect();
        if messages.is_empty() {
            return Safety::Now;
        }
        self.journal.append(Batch {
            page,
            messages,
            permit,
        })
    }

    /// Tells the journal what is gone.
    pub(super) fn tell_settled(&mut self) {
        let settled = self.state.take_settled();
        if !settled.is_empty() {
            self.journal.settled(settled);
        }
    }
}

impl Handler<Notice> for Queue {
    type Result = ();

    fn handle(&mut self, Notice { keeper, told }: Notice, ctx: &mut Context<Self>) {
        match (keeper, told) {
            (Keeper::Journal, Told::Synced { upto }) => {
                let mut unsynced = std::mem::take(&mut self.unsynced);
                unsynced.synced(upto, |channel, number| self.stored(channel, number));
                self.unsynced = unsynced;
                self.absorbed(1, ctx);
            }
            // Nothing is put on the scratch log, and nothing is loaded.
            (Keeper::Scratch, _) | (_, Told::Loaded { .. }) => {}
        }
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
