//! The queue actor and what comes: what is taken, with which deadline, and what a full queue refuses.

use std::borrow::Cow;
use std::sync::Arc;

use actix::prelude::*;
use tracing::trace;

use super::actor::Queue;
use super::messages::{Enqueue, QueueNotice, Supply};
use super::stamps::Stamps;
use crate::clock;
use crate::journal::Safety;
use crate::node::Context;
use crate::publication::{Page, Part};
use crate::window::Permit;

impl Queue {
    /// Takes messages in.
    pub(super) fn take(&mut self, page: &Arc<Page>, offsets: &[u32], permit: Option<&Permit>) -> Safety {
        let stamps = match self.effective.delays {
            false => Stamps::of(self.effective.message_ttl, page, offsets, clock::now),
            true => Stamps::of_delays(page, offsets, clock::now()),
        };
        let safety = self.journal(page, offsets, &stamps, permit);
        let first = self.state.next_position();
        self.state.enqueue(Arc::clone(page), offsets);
        if stamps != Stamps::Never {
            self.state.stamp(first, page, offsets, &stamps, clock::now());
        }
        safety
    }

    /// Takes what there is room for, and refuses the rest. When there is none, consumers get what is there first, as long as
    /// they take what comes. What is refused was not here: it may come again.
    fn take_what_fits(&mut self, mail: &Enqueue, ctx: &mut Context<Self>) -> Safety {
        let mut safety = Safety::Now;
        let (mut taken, mut refused) = (Vec::new(), Vec::new());
        let mut free = self.state.free();
        // Whether consumers may make room, and whether they will when more comes.
        let (mut may_give, mut will_give) = (true, true);
        let page = mail.part.page();
        for &offset in mail.part.offsets() {
            if self.was_here(page, offset) {
                continue;
            }
            let mut fits = free.take(page, offset);
            if !fits && may_give {
                safety = later(safety, self.take_all(mail, &mut taken));
                self.act(ctx);
                free = self.state.free();
                fits = free.take(page, offset);
                (may_give, will_give) = (false, self.state.consumers_take_more());
            }
            if !fits {
                refused.push(offset);
                continue;
            }
            taken.push(offset);
            may_give |= will_give;
            if let Some(seen) = &mut self.seen {
                seen.note(page, offset, clock::now());
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
        self.take(mail.part.page(), &offsets, mail.part.permit())
    }

    fn refuse(&mut self, mail: &Enqueue, offsets: &[u32]) {
        if self.state.dead_letters_refused() {
            self.state.enqueue_dead(Arc::clone(mail.part.page()), offsets);
        }
        for run in &mail.runs {
            let sent = mail.part.offsets().get(run.from as usize..run.to as usize);
            if let Some(sent) = sent
                && let refused = places(offsets, sent)
                && !refused.is_empty()
                && let Some(peer) = self.peers.get(&run.channel)
            {
                peer.notice.do_send(QueueNotice::Refused {
                    queue: self.id,
                    upto: run.upto,
                    of: sent.len() as u32,
                    refused,
                });
            }
        }
    }

    /// Whether a message is to be dropped because it was here before.
    fn was_here(&self, page: &Page, offset: u32) -> bool {
        let seen = self.seen.as_ref();
        seen.is_some_and(|seen| seen.knows(page, offset, clock::now()))
    }

    /// Takes all but what was here before, where that counts.
    fn take_new(&mut self, part: &Part) -> Safety {
        let mut offsets = Cow::Borrowed(part.offsets());
        if let Some(seen) = &mut self.seen {
            seen.keep_new(part.page(), offsets.to_mut(), clock::now());
        }
        self.take(part.page(), &offsets, part.permit())
    }
}

impl Handler<Enqueue> for Queue {
    type Result = ();

    fn handle(&mut self, mail: Enqueue, ctx: &mut Context<Self>) {
        if self.deleted {
            return;
        }
        trace!(queue = %self.name, count = mail.part.offsets().len(), "enqueue");
        let weight = mail.part.len() as usize;
        let consumer = self
            .state
            .pass_on(mail.part.page(), mail.part.len(), mail.part.bytes());
        let safety = if consumer.is_some() {
            Safety::Now
        } else if self.state.refuses() {
            self.take_what_fits(&mail, ctx)
        } else {
            self.take_new(&mail.part)
        };
        for run in &mail.runs {
            if self.unsynced.appended(run.channel, run.upto, safety) {
                self.stored(run.channel, run.upto);
            }
        }
        match consumer {
            Some(consumer) => {
                self.supply(consumer, Supply::PassOn(mail.part));
                if mail.runs.is_empty() {
                    return self.turn.count(weight, ctx);
                }
            }
            None => self.taken.push(mail.part),
        }
        self.absorbed(weight, ctx);
    }
}

/// The places in `sent` of those `offsets` that are there. Both rise.
fn places(offsets: &[u32], sent: &[u32]) -> Vec<u32> {
    let first = sent.first().copied().unwrap_or(u32::MAX);
    let from = offsets.partition_point(|&offset| offset < first);
    let in_reach = offsets
        .iter()
        .skip(from)
        .take_while(|offset| Some(*offset) <= sent.last());
    let place = |offset| sent.binary_search(offset).ok();
    in_reach.filter_map(place).map(|at| at as u32).collect()
}

/// When both are safe. Tickets rise, so it is the later one that counts.
fn later(one: Safety, other: Safety) -> Safety {
    match (one, other) {
        (earlier, Safety::Now) => earlier,
        (_, after) => after,
    }
}
