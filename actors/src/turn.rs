//! Absorb, then act: one act for all the mail of a wake-up.
//!
//! A handler changes plain state and asks for a turn. It [comes](Context::act_after_mail)
//! after the mailbox has been drained, in the same wake-up, so a lone message waits for nothing, and the more mail there is, the
//! more one act covers. So it is with what an actor is told past its mailbox: the act comes when it is woken.
//!
//! The drain itself has no budget: an actor that is fed as fast as it empties its mailbox would
//! never let another actor of its thread run. [`Turn::ask`] therefore tells the caller to act at once when much
//! was absorbed, and pauses the mailbox until every other task of the thread had its turn.

use actix::prelude::*;

use crate::node::Context;

/// How much may be absorbed (in messages, roughly) before an actor acts and yields.
const MOST_ABSORBED: usize = 4096;

/// An actor that acts once for all that it has absorbed.
pub(crate) trait Acts: Actor<Context = Context<Self>> {
    /// All mail is read.
    fn take_turn(&mut self, ctx: &mut Context<Self>);
}

/// Whether an act was asked for, and how much was absorbed since the last one.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    asked: bool,
    absorbed: usize,
}

impl Turn {
    /// Notes that something of `weight` was absorbed. True when the caller must act now.
    #[must_use]
    pub(crate) fn ask<A>(&mut self, weight: usize, ctx: &mut Context<A>) -> bool
    where
        A: Acts,
    {
        self.absorbed += weight.max(1);
        if self.absorbed >= MOST_ABSORBED {
            ctx.wait(actix::fut::wrap_future(tokio::task::yield_now()));
            ctx.act_after_mail(None);
            return true;
        }
        if !self.asked {
            self.asked = true;
            ctx.act_after_mail(Some(A::take_turn));
        }
        false
    }

    /// Notes that something of `weight` was absorbed of which nothing is left to do.
    pub(crate) fn count<A>(&mut self, weight: usize, ctx: &mut Context<A>)
    where
        A: Actor<Context = Context<A>>,
    {
        self.absorbed += weight.max(1);
        if self.absorbed >= MOST_ABSORBED {
            self.absorbed = 0;
            ctx.wait(actix::fut::wrap_future(tokio::task::yield_now()));
        }
    }

    /// Asks for another act after every other task of the thread had its turn.
    pub(crate) fn again<A>(&mut self, ctx: &mut Context<A>)
    where
        A: Acts,
    {
        ctx.wait(actix::fut::wrap_future(tokio::task::yield_now()));
        if !self.asked {
            self.asked = true;
            ctx.act_after_mail(Some(A::take_turn));
        }
    }

    /// Asks for another act after every other task of the thread had its turn; the mail that comes until then is part of it.
    pub(crate) fn later<A>(&mut self, ctx: &mut Context<A>)
    where
        A: Acts,
    {
        if !self.asked {
            self.asked = true;
            let others = actix::fut::wrap_future::<_, A>(tokio::task::yield_now());
            ctx.spawn(others.map(|(), _, ctx: &mut Context<A>| ctx.act_after_mail(Some(A::take_turn))));
        }
    }

    /// Begins an act: what comes from here on belongs to the next turn.
    pub(crate) fn begin(&mut self) {
        self.asked = false;
        self.absorbed = 0;
    }
}
