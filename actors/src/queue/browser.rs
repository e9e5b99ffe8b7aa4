//! The queue actor and who looks at its messages from outside.

use actix::fut;
use actix::prelude::*;
use tokio::sync::oneshot;

use super::actor::Queue;
use super::browsing::Browsed;
use super::messages::{Browse, Deleted, TakeAway};
use crate::journal::{Keeper, Notice, Told};

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
        self.act(ctx);
        let bounds = (mail.most, mail.most_bytes);
        let glance = self.state.glance(mail.from, mail.most);
        let Some(load) = &glance.load else {
            return Box::pin(fut::ok(self.state.browsed(glance, (Vec::new(), 0), bounds)));
        };
        let (reply, answer) = oneshot::channel();
        let (ear, positions) = (Ear(Some(reply)).start().recipient(), load.positions.clone());
        match load.keeper {
            Keeper::Journal => self.journal.look(positions, mail.most_bytes, ear),
            Keeper::Scratch => self.scratch.look(positions, mail.most_bytes, ear),
        }
        Box::pin(
            fut::wrap_future::<_, Self>(answer).map(move |told, queue, _| match told {
                Ok(Told::Loaded { messages, upto }) if !queue.deleted => {
                    Ok(queue.state.browsed(glance, (messages, upto), bounds))
                }
                _ => Err(Deleted),
            }),
        )
    }
}

impl Handler<TakeAway> for Queue {
    type Result = Result<usize, Deleted>;

    fn handle(&mut self, TakeAway { places, fate }: TakeAway, ctx: &mut Context<Self>) -> Self::Result {
        if self.deleted {
            return Err(Deleted);
        }
        let taken = self.state.take_away(&places, fate);
        self.absorbed(taken, ctx);
        Ok(taken)
    }
}
