//! The queue actor and time: when it looks again at what is about to expire, and when it expires itself.

use std::time::Duration;

use actix::prelude::*;
use tracing::debug;

use super::Pass;
use super::actor::Queue;
use super::messages::QueueNotice;
use crate::clock::{self, millis};
use crate::node::Context;

/// What a queue waits for.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    /// The next look, in milliseconds since the Unix epoch.
    set: Option<(u64, SpawnHandle)>,
    /// When the queue expires, unless it is used before.
    unused_until: Option<u64>,
}

impl Queue {
    /// The queue is used, or just begins: it does not expire before its whole time has passed.
    pub(super) fn used(&mut self) {
        self.alarm.unused_until = None;
    }

    /// Takes note of what was handed out, where that has to be settled in time, and asks for what was not.
    pub(super) fn call_in(&mut self, pass: &Pass) {
        if !self.state.limits_unsettled() {
            return;
        }
        for ((channel, timeout), keys) in self.state.note_pass(pass, clock::now()) {
            if let Some(peer) = self.peers.get(&channel) {
                peer.notice.do_send(QueueNotice::Overdue {
                    queue: self.id,
                    keys,
                    timeout,
                });
            }
        }
    }

    /// Takes note of what came to rest, and wakes what is due.
    pub(super) fn wake(&mut self) {
        if self.state.rests() {
            self.state.wake(clock::now());
        }
    }

    /// Sees to it that the queue looks at its messages, and at itself, when it is time. It may end here.
    pub(super) fn look_ahead(&mut self, ctx: &mut Context<Self>) {
        let end = self.end_of_time();
        if let Some(end) = end
            && end <= clock::now()
        {
            debug!(queue = %self.name, "expires: it was not used for long enough");
            return self.delete(ctx);
        }
        let next = self
            .state
            .next_deadline()
            .into_iter()
            .chain(self.state.next_due())
            .chain(self.state.next_overdue())
            .chain(end)
            .min();
        let Some(next) = next else { return };
        if self.alarm.set.is_some_and(|(set, _)| set <= next) {
            return;
        }
        if let Some((_, later)) = self.alarm.set.take() {
            ctx.cancel_future(later);
        }
        let wait = Duration::from_millis(next.saturating_sub(clock::now()));
        let look = ctx.run_later(wait, |queue, ctx| {
            queue.alarm.set = None;
            if !queue.deleted {
                queue.act(ctx);
            }
        });
        self.alarm.set = Some((next, look));
    }

    /// When the queue expires if nobody uses it: that has consumers now, or time without end, for `None`.
    fn end_of_time(&mut self) -> Option<u64> {
        let lives = self.effective.expires.filter(|_| self.state.consumers() == 0);
        let Some(lives) = lives else {
            self.alarm.unused_until = None;
            return None;
        };
        let end = || clock::end_of(clock::now(), millis(lives));
        Some(*self.alarm.unused_until.get_or_insert_with(end))
    }
}
