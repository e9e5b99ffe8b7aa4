//! The queue actor and what comes: what is taken, with which deadline, and what a full queue refuses.

use std::sync::Arc;

use actix::prelude::*;
use tracing::trace;

use super::actor::Queue;
use super::messages::{Enqueue, QueueNotice};
use super::stamps::Stamps;
use crate::clock;
use crate::journal::Safety;
use crate::publication::Page;
use crate::window::Permit;

impl Queue {
    /// Takes messages in.
    pub(super) fn take(&mut self, page: Arc<Page>, offsets: &[u32], permit: Option<&Permit>) -> Safety {
        let stamps = match self.effective.delays {
            false => Stamps::of(self.effective.message_ttl, &page, offsets, clock::now),
            true => Stamps::of_delays(&page, offsets, clock::now()),
        };
        let safety = self.journal(&page, offsets, &stamps, permit);
        if stamps == Stamps::Never {
            self.state.enqueue(page, offsets);
        } else {
            let first = self.state.next_position();
            self.state.enqueue(Arc::clone(&page), offsets);
            self.state.stamp(first, &page, offsets, &stamps, clock::now());
        }
        safety
    }

    /// Takes what there is room for, and refuses the rest. When there is none, consumers get what is there first.
    /// What is refused was not here: it may come again.
    fn take_what_fits(&mut self, mail: &Enqueue, ctx: &mut Context<Self>) -> Safety {
        let mut safety = Safety::Now;
        let (mut taken, mut refused) = (Vec::new(), Vec::new());
        let mut free = self.state.free();
        let mut is_full = false;
        for &offset in &mail.offsets {
            if self.was_here(&mail.page, offset) {
                continue;
            }
            if !is_full && !free.take(&mail.page, offset) {
                safety = later(safety, self.take_all(mail, &mut taken));
                self.act(ctx);
                free = self.state.free();
                is_full = free.is_used_up();
                if is_full || !free.take(&mail.page, offset) {
                    refused.push(offset);
                    continue;
                }
            } else if is_full {
                refused.push(offset);
                continue;
            }
            taken.push(offset);
            if let Some(seen) = &mut self.seen {
                seen.note(&mail.page, offset, clock::now());
            }
        }
        safety = later(safety, self.take_all(mail, &mut taken));
        if !refused.is_empty() {
            self.refuse(mail, &refused);
        }
        safety
    }

    fn take_all(&mut self, mail: &Enqueue, offsets: &mut Vec<u32>) -> Safety {
        if offsets.is_empty() || self.deleted {
            return Safety::Now;
        }
        let offsets = std::mem::take(offsets);
        self.take(Arc::clone(&mail.page), &offsets, mail.permit.as_ref())
    }

    fn refuse(&mut self, mail: &Enqueue, offsets: &[u32]) {
        if self.state.dead_letters_refused() {
            self.state.enqueue_dead(Arc::clone(&mail.page), offsets);
        }
        if let Some(upto) = mail.confirm
            && let Some(peer) = self.peers.get(&mail.channel)
        {
            // Offsets rise within a batch.
            let place = |offset| mail.offsets.binary_search(offset).ok();
            peer.notice.do_send(QueueNotice::Refused {
                queue: self.id,
                upto,
                of: mail.offsets.len() as u32,
                refused: offsets.iter().filter_map(place).map(|at| at as u32).collect(),
            });
        }
    }

    /// Whether a message is to be dropped because it was here before.
    fn was_here(&self, page: &Page, offset: u32) -> bool {
        let seen = self.seen.as_ref();
        seen.is_some_and(|seen| seen.knows(page, offset, clock::now()))
    }

    /// Takes all but what was here before, where that counts.
    fn take_new(&mut self, mail: &mut Enqueue) -> Safety {
        if let Some(seen) = &mut self.seen {
            seen.keep_new(&mail.page, &mut mail.offsets, clock::now());
        }
        self.take(Arc::clone(&mail.page), &mail.offsets, mail.permit.as_ref())
    }
}

impl Handler<Enqueue> for Queue {
    type Result = ();

    fn handle(&mut self, mut mail: Enqueue, ctx: &mut Context<Self>) {
        if self.deleted {
            return;
        }
        trace!(queue = %self.name, count = mail.offsets.len(), "enqueue");
        let weight = mail.offsets.len();
        let safety = if self.state.refuses() {
            self.take_what_fits(&mail, ctx)
        } else {
            self.take_new(&mut mail)
        };
        if let Some(upto) = mail.confirm
            && self.unsynced.appended(mail.channel, upto, safety)
        {
            self.stored(mail.channel, upto);
        }
        self.permits.extend(mail.permit);
        self.absorbed(weight, ctx);
    }
}

/// When both are safe. Tickets rise, so it is the later one that counts.
fn later(one: Safety, other: Safety) -> Safety {
    match (one, other) {
        (earlier, Safety::Now) => earlier,
        (_, after) => after,
    }
}
