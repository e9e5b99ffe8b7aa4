//! Commands that have arrived and are not executed yet, and the loop that executes them.

use std::collections::VecDeque;
use std::sync::Arc;

use actix::prelude::*;
use leveret_protocol::method::{Method, channel};
use leveret_protocol::{Assembler, Command, Exception, FrameBatch, FrameKind, ReplyCode};

use super::actor::{Channel, Phase};
use super::messages::Commands;
use super::transaction::Transaction;
use crate::node::Context;
use crate::window::Permit;

/// Frames that are not executed yet, each batch with the permit that covers it.
#[derive(Default)]
pub(super) struct Inbox {
    waiting: VecDeque<Work>,
    /// Covers what is being executed.
    permit: Option<Permit>,
}

struct Work {
    batch: FrameBatch,
    /// Frames up to here are done.
    at: usize,
    /// Covers them, unless they are being executed.
    permit: Option<Permit>,
    /// Nothing of the same read was for another channel.
    alone: bool,
}

impl Work {
    fn new(Commands { batch, permit, alone }: Commands) -> Self {
        Work {
            batch,
            at: 0,
            permit: Some(permit),
            alone,
        }
    }
}

impl Inbox {
    /// The permit of the commands being executed: what is made of them shares it.
    pub(super) fn permit(&self) -> Option<&Permit> {
        self.permit.as_ref()
    }
}

impl Channel {
    /// Takes commands, which are executed at once if none waits.
    pub(super) fn receive(&mut self, commands: Commands, ctx: &mut Context<Self>) {
        let work = Work::new(commands);
        if self.phase == Phase::Waiting || !self.inbox.waiting.is_empty() {
            self.inbox.waiting.push_back(work);
        } else {
            self.work_off(work, ctx);
        }
        self.run(ctx);
    }

    /// Executes commands until none is left or one has to wait for an answer.
    pub(super) fn run(&mut self, ctx: &mut Context<Self>) {
        while self.phase != Phase::Waiting
            && let Some(work) = self.inbox.waiting.pop_front()
        {
            self.work_off(work, ctx);
        }
        if self.leaving && self.phase == Phase::Open {
            self.leave(false, ctx);
        }
    }

    /// Executes a batch, or its rest, as far as that can be done now. What is left is the next to be executed.
    fn work_off(&mut self, mut work: Work, ctx: &mut Context<Self>) {
        self.inbox.permit = work.permit.take();
        match self.phase {
            Phase::Open => self.execute_batch(&mut work, ctx),
            Phase::Waiting | Phase::Closed => self.skip(&mut work),
        }
        self.call_or_post(work.alone);
        self.post_settlements();
        work.permit = self.inbox.permit.take();
        if work.at < work.batch.frames.len() {
            self.inbox.waiting.push_front(work);
        }
    }

    /// Drops what came for a channel that the broker closed; a close that crossed the broker's is answered.
    fn skip(&mut self, work: &mut Work) {
        for frame in work.batch.frames.iter().skip(work.at) {
            if frame.kind == FrameKind::Method
                && let Ok(Method::Channel(channel::Method::Close(_))) =
                    Method::decode(work.batch.payload(frame))
            {
                self.output.method(self.number, &channel::CloseOk {});
            }
        }
        work.at = work.batch.frames.len();
    }

    fn execute_batch(&mut self, work: &mut Work, ctx: &mut Context<Self>) {
        // The commands borrow from the assembler, so it can't stay where they are executed.
        let idle = Assembler::new(self.session.node.settings.max_message_size);
        let mut assembler = std::mem::replace(&mut self.assembler, idle);
        while self.phase == Phase::Open {
            if self.session.backlog.is_over() {
                self.await_reader(ctx);
                break;
            }
            if self.labour.is_over() {
                self.ask(|_| tokio::task::yield_now(), ctx, |_, (), _| Ok(()));
                break;
            }
            let Some(next) = assembler.next(&work.batch, &mut work.at) else {
                break;
            };
            if let Err(exception) = next.and_then(|command| self.execute(command, ctx)) {
                self.fail(exception, ctx);
            }
        }
        self.assembler = assembler;
        let staged = self.transaction.as_deref().map_or(0, Transaction::bytes);
        let unfinished = self.unfinished.set(self.assembler.held() as u64 + staged);
        if self.phase != Phase::Closed
            && let Err(exception) = unfinished
        {
            self.fail(exception, ctx);
        }
    }

    #[inline]
    fn execute(&mut self, command: Command<'_>, ctx: &mut Context<Self>) -> Result<(), Exception> {
        let ids = command.method.ids();
        let executed = match (command.method, command.content) {
            (Method::Basic(method), content) => self.basic(method, content, ctx),
            (Method::Channel(method), _) => self.channel(method, ctx),
            _ if !self.opened => Err(Exception::new(ReplyCode::ChannelError, "expected 'channel.open'")),
            (Method::Queue(method), _) => self.queue(method, ctx),
            (Method::Exchange(method), _) => self.exchange(method, ctx),
            (Method::Confirm(method), _) => self.confirm(method, ctx),
            (Method::Tx(method), _) => self.tx(method, ctx),
            (Method::Access(method), _) => self.access(method),
            (Method::Connection(_), _) => {
                let text = "methods of class connection belong on channel 0";
                Err(Exception::new(ReplyCode::CommandInvalid, text))
            }
        };
        executed.map_err(|exception| exception.on(ids))
    }

    /// Pauses the commands until the client has read what it was answered.
    fn await_reader(&mut self, ctx: &mut Context<Self>) {
        let room = |channel: &Self| Arc::clone(&channel.session.backlog).room();
        self.ask(room, ctx, |_, (), _| Ok(()));
    }

    /// Pauses the commands until `question` is answered, then goes on with `then`. What was gathered is posted
    /// before the question is asked, so that it is ahead of it on its road.
    pub(super) fn ask<T: 'static, A: Future<Output = T> + 'static>(
        &mut self,
        question: impl FnOnce(&Self) -> A,
        ctx: &mut Context<Self>,
        then: impl FnOnce(&mut Self, T, &mut Context<Self>) -> Result<(), Exception> + 'static,
    ) {
        self.pause();
        let answer = question(self);
        let answered = actix::fut::wrap_future::<_, Self>(answer).map(move |answer, channel, ctx| {
            if channel.phase == Phase::Waiting {
                channel.phase = Phase::Open;
                if let Err(exception) = then(channel, answer, ctx) {
                    channel.fail(exception, ctx);
                }
                channel.go_on(ctx);
            }
        });
        ctx.spawn(answered);
    }

    /// Pauses the commands until [`resume`](Self::resume).
    pub(super) fn pause(&mut self) {
        self.post_publications();
        self.post_settlements();
        self.phase = Phase::Waiting;
    }

    /// The answer is there: goes on with the command that waited, then with those behind it.
    pub(super) fn resume(
        &mut self,
        ctx: &mut Context<Self>,
        then: impl FnOnce(&mut Self) -> Result<(), Exception>,
    ) {
        if self.phase == Phase::Waiting {
            self.phase = Phase::Open;
            if let Err(exception) = then(self) {
                self.fail(exception, ctx);
            }
            self.go_on(ctx);
        }
    }

    fn go_on(&mut self, ctx: &mut Context<Self>) {
        self.run(ctx);
        self.absorbed(1, ctx);
    }
}
