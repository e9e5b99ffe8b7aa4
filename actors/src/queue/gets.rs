//! basic.get at a queue actor. It waits while the first message is being read; consumers are served after it.

use std::cell::Cell;
use std::rc::Rc;

use actix::dev::{MessageResponse, OneshotSender};
use actix::prelude::*;

use super::actor::Queue;
use super::messages::{Deleted, Get, Got};
use crate::id::ChannelId;
use crate::node::Context;

type Answer = Result<Option<Got>, Deleted>;
type Place = Rc<Cell<Option<OneshotSender<Answer>>>>;

/// A basic.get that is not answered yet.
pub(super) struct WaitingGet {
    pub(super) channel: ChannelId,
    no_ack: bool,
    reply: Place,
}

/// What becomes of a basic.get.
pub enum GetAnswer {
    /// It is answered.
    Now(Result<Option<Got>, Deleted>),
    /// It waits; who asked is put there.
    Later(Later),
}

/// Where the one who waits for an answer is put.
pub struct Later(Place);

impl MessageResponse<Queue, Get> for GetAnswer {
    fn handle(self, _: &mut Context<Queue>, reply: Option<OneshotSender<Answer>>) {
        match self {
            GetAnswer::Now(answer) => {
                if let Some(reply) = reply {
                    let _ = reply.send(answer);
                }
            }
            GetAnswer::Later(Later(place)) => place.set(reply),
        }
    }
}

impl Handler<Get> for Queue {
    type Result = GetAnswer;

    fn handle(&mut self, Get { channel, no_ack }: Get, ctx: &mut Context<Self>) -> GetAnswer {
        if self.deleted {
            return GetAnswer::Now(Err(Deleted));
        }
        self.used();
        self.act(ctx);
        if self.gets.is_empty() && self.can_answer() {
            let got = self.take_one(channel, no_ack);
            self.absorbed(1, ctx);
            return GetAnswer::Now(Ok(got));
        }
        let reply = Place::default();
        self.gets.push_back(WaitingGet {
            channel,
            no_ack,
            reply: Rc::clone(&reply),
        });
        self.read_ahead(false);
        GetAnswer::Later(Later(reply))
    }
}

impl Queue {
    /// Answers those who wait, in order, as far as there is something in memory, or nothing at all.
    pub(super) fn answer_gets(&mut self) {
        while self.can_answer()
            && let Some(get) = self.gets.pop_front()
        {
            // One who has gone meanwhile takes nothing.
            if let Some(reply) = get.reply.take().filter(|reply| !reply.is_closed()) {
                let got = self.take_one(get.channel, get.no_ack);
                let _ = reply.send(Ok(got));
            }
        }
    }

    /// The queue is deleted.
    pub(super) fn refuse_gets(&mut self) {
        for get in self.gets.drain(..) {
            if let Some(reply) = get.reply.take() {
                let _ = reply.send(Err(Deleted));
            }
        }
    }

    fn can_answer(&self) -> bool {
        self.state.has_first() || self.state.ready() == 0
    }

    fn take_one(&mut self, channel: ChannelId, no_ack: bool) -> Option<Got> {
        let (handout, ready_left) = self.state.get(channel, no_ack)?;
        Some(Got { handout, ready_left })
    }
}
