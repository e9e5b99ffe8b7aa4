//! How a queue ends: deleted by a client or by itself, with its broker, or in a crash.

use actix::prelude::*;
use tracing::debug;

use super::actor::{Queue, QueueEnded};
use super::messages::*;
use super::{QueueSettings, QueueState};

impl Queue {
    pub(super) fn check_abandoned(&mut self) {
        if !self.deleted && self.state.abandoned() {
            debug!(queue = %self.name, "auto-delete: the last consumer left");
            self.delete();
        }
    }

    /// Drops everything and tells everyone. The actor stays for as long as someone holds its
    /// address, and answers [`Deleted`].
    pub(super) fn delete(&mut self) {
        self.deleted = true;
        self.taken.clear();
        self.permits.clear();
        self.journal.deleted();
        self.scratch.deleted();
        self.refuse_gets();
        self.farewell(false);
        self.ended.do_send(QueueEnded { queue: self.id });
        self.state = QueueState::new(QueueSettings::default());
    }

    fn farewell(&mut self, crashed: bool) {
        for supply in self.supplies.drain().map(|(_, supply)| supply) {
            supply.do_send(Supply::QueueGone { crashed });
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
        self.delete();
        Ok(ready)
    }
}
