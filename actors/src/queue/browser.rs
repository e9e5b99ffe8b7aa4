//! The queue actor and who looks at its messages from outside.

use std::time::Duration;

use actix::fut;
use actix::prelude::*;
use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::actor::Queue;
use super::browsing::Browsed;
use super::messages::{Browse, Deleted, TakeAway};
use super::reading::Load;
use crate::journal::{Keeper, Notice, Told};
use crate::node::{self, Context};

/// How long a queue that does not know yet what it has lets those wait who want to see it, before it looks again whether it does.
const AGAIN: Duration = Duration::from_millis(10);

/// Hears what a journal answers to one question.
struct Ear(Option<oneshot::Sender<Told>>);

impl Actor for Ear {
    type Context = Context<Self>;
}

impl Handler<Notice> for Ear {
    type Result = ();

    fn handle(&mut self, notice: Notice, ctx: &mut Context<Self>) {
        if let Some(reply) = self.0.take() {
            let _ = reply.send(notice.told);
        }
        ctx.stop();
    }
}

impl Handler<Browse> for Queue {
    type Result = ResponseActFuture<Self, Result<Browsed, Deleted>>;

    fn handle(&mut self, mail: Browse, ctx: &mut Context<Self>) -> Self::Result {
        if self.deleted {
            return Box::pin(fut::err(Deleted));
        }
        if self.state.in_review() {
            return later(mail);
        }
        self.act(ctx);
        let bounds = (mail.most.max(1), mail.most_bytes);
        let glance = self.state.glance(mail.from, bounds.0);
        let asked: Vec<_> = glance
            .loads
            .iter()
            .map(|load| self.look(load, mail.most_bytes))
            .collect();
        if asked.is_empty() {
            return Box::pin(fut::ok(self.state.browsed(glance, Vec::new(), bounds)));
        }
        let answers = fut::wrap_future::<_, Self>(join_all(asked));
        Box::pin(answers.map(move |told, queue, _| {
            let read = told.into_iter().map(|told| match told {
                Ok(Told::Loaded { messages, upto }) => Some((messages, upto)),
                _ => None,
            });
            match read.collect() {
                Some(read) if !queue.deleted => Ok(queue.state.browsed(glance, read, bounds)),
                _ => Err(Deleted),
            }
        }))
    }
}

impl Queue {
    /// Asks a journal.
    fn look(&mut self, load: &Load, most_bytes: u64) -> oneshot::Receiver<Told> {
        let (reply, answer) = oneshot::channel();
        let (ear, positions) = (node::start(Ear(Some(reply))).recipient(), load.positions.clone());
        match load.keeper {
            Keeper::Journal => self.journal.look(positions, most_bytes, ear),
            Keeper::Scratch => self.scratch.look(positions, most_bytes, ear),
        }
        answer
    }
}

impl Handler<TakeAway> for Queue {
    type Result = ResponseActFuture<Self, Result<usize, Deleted>>;

    fn handle(&mut self, mail: TakeAway, ctx: &mut Context<Self>) -> Self::Result {
        if self.deleted {
            return Box::pin(fut::err(Deleted));
        }
        if self.state.in_review() {
            return later(mail);
        }
        let taken = self.state.take_away(&mail.places, mail.fate);
        self.absorbed(taken, ctx);
        Box::pin(fut::ok(taken))
    }
}

/// The queue answers when it may know what an earlier life has left.
fn later<M, R>(mail: M) -> ResponseActFuture<Queue, R>
where
    M: Message<Result = R> + 'static,
    R: 'static,
    Queue: Handler<M, Result = ResponseActFuture<Queue, R>>,
{
    let again = fut::wrap_future::<_, Queue>(actix::clock::sleep(AGAIN));
    Box::pin(again.then(|(), queue: &mut Queue, ctx| queue.handle(mail, ctx)))
}
