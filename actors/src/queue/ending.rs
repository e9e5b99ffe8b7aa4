//! How a queue ends: deleted by a client or by itself, with its broker, or in a crash.
//!
//! One that is deleted stays for as long as it takes to carry away what has died in it before, and nobody sees it.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tracing::{debug, warn};

use super::actor::{Queue, QueueEnded};
use super::messages::*;
use super::{Departing, QueueSettings, QueueState};
use crate::journal::Kept;
use crate::node::Context;

/// How long a deleted queue stays for what is dead in it.
const LONGEST_DEPARTURE: Duration = Duration::from_secs(600);

impl Queue {
    pub(super) fn check_abandoned(&mut self, ctx: &mut Context<Self>) {
        if !self.deleted && self.state.abandoned() {
            debug!(queue = %self.name, "auto-delete: the last consumer left");
            self.delete(ctx);
        }
    }

    /// Drops everything but the dead, and tells everyone. The actor stays for as long as someone holds its address, and answers
    /// [`Deleted`].
    pub(super) fn delete(&mut self, ctx: &mut Context<Self>) {
        self.deleted = true;
        self.taken.clear();
        self.permits.clear();
        self.refuse_gets();
        let forwarder = self.forwarder.as_ref();
        let forwarder = forwarder.and_then(|(holder, _)| self.peers.remove_entry(holder));
        self.farewell(false);
        self.peers.extend(forwarder);
        let (queue, departing) = (self.id, self.to_depart());
        self.departs = departing.is_some();
        self.ended.do_send(QueueEnded::Deleted { queue, departing });
        self.state.leave_dead();
        if self.state.dead() > 0 {
            debug!(queue = %self.name, dead = self.state.dead(), "deleted; what is dead in it is carried away");
            ctx.run_later(LONGEST_DEPARTURE, |queue, _| queue.end());
        }
        self.depart();
        self.absorbed(1, ctx);
    }

    /// What another start of the broker has to know of what is dead in it.
    fn to_depart(&self) -> Option<Arc<Departing>> {
        // What has waited for an exchange goes with that.
        if !self.state.is_journaled() || self.effective.delays {
            return None;
        }
        let dead = self.state.deceased();
        let effective = &self.effective;
        (!dead.is_empty()).then(|| {
            Arc::new(Departing {
                name: self.name.clone(),
                dead_letter_exchange: effective.dead_letter_exchange.clone(),
                dead_letter_routing_key: effective.dead_letter_routing_key.clone(),
                dead,
            })
        })
    }

    /// A queue that was deleted in an earlier life goes on with what died in that.
    pub(super) fn go_on_departing(&mut self, kept: &Kept, ctx: &mut Context<Self>) {
        self.state.restore_dead(kept);
        ctx.run_later(LONGEST_DEPARTURE, |queue, _| queue.end());
        self.act(ctx);
    }

    /// Ends once all that was dead is away.
    pub(super) fn depart(&mut self) {
        if self.state.dead() == 0 {
            self.end();
        }
    }

    fn end(&mut self) {
        if std::mem::replace(&mut self.gone, true) {
            return;
        }
        let left = self.state.dead() + self.state.aside();
        if left > 0 {
            warn!(queue = %self.name, left, "deleted, and with it dead messages that could not be carried away");
        }
        self.journal.deleted();
        self.scratch.deleted();
        self.farewell(false);
        self.forwarder = None;
        if self.departs {
            self.ended.do_send(QueueEnded::Departed { queue: self.id });
        }
        self.state = QueueState::new(QueueSettings::default());
    }

    fn farewell(&mut self, crashed: bool) {
        for (consumer, road) in self.supplies.drain() {
            road.bring(consumer, Supply::QueueGone { crashed });
        }
        for peer in self.peers.drain().map(|(_, peer)| peer) {
            peer.notice.do_send(QueueNotice::Gone {
                queue: self.id,
                crashed,
            });
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.farewell(std::thread::panicking());
    }
}

impl Handler<Delete> for Queue {
    type Result = Result<u32, Refusal>;

    fn handle(&mut self, Delete { if_unused, if_empty }: Delete, ctx: &mut Context<Self>) -> Self::Result {
        if self.deleted {
            return Ok(0);
        }
        self.act(ctx);
        if if_unused && self.state.consumers() > 0 {
            return Err(Refusal::InUse);
        }
        let ready = self.state.ready();
        if if_empty && ready > 0 {
            return Err(Refusal::NotEmpty);
        }
        self.delete(ctx);
        Ok(ready)
    }
}
