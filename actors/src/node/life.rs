//! How an actor of a worker lives: its mail, the futures it spawned, its end.
//!
//! It does what actix does in a context of its own, for two reasons. Of thousands of actors each gets a little now and then, and to
//! fetch what is looked at then costs more than what is done with it, so that is little here, and together in memory. And who
//! lives on the same thread can [tell](super::near::Near::tell) such an actor something without a mail and without waking it.

use std::cell::{Cell, RefCell};
use std::mem;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{self, Poll, Waker};

use actix::dev::channel::AddressReceiver;
use actix::dev::{Envelope, EnvelopeProxy, OneshotSender, ToEnvelope};
use actix::fut::ActorFuture;
use actix::prelude::{Actor, ActorContext, ActorState, Addr, AsyncContext, Handler, Message, SpawnHandle};
use futures_util::Stream;

use super::bell::{self, Flag, Line};
use super::near::{Near, Place};
use super::worker::mailbox;

/// Something that an actor waits for.
type Wait<A> = Pin<Box<dyn ActorFuture<A, Output = ()>>>;

/// What an actor can ask of its thread. There is no `stopping` to be asked: one that is told to stop does.
#[repr(C)]
pub struct Context<A: Actor<Context = Self>> {
    course: Course,
    /// Comes when all mail is read.
    act: Option<fn(&mut A, &mut Self)>,
    /// No mail is read before they are over, the last first.
    waits: Vec<Wait<A>>,
    /// Since the others were polled.
    spawned: Vec<(SpawnHandle, Wait<A>)>,
    cancelled: Vec<SpawnHandle>,
    last_handle: SpawnHandle,
    near: Near<A>,
    /// There is one until the actor is dropped.
    mailbox: Option<AddressReceiver<A>>,
}

/// What becomes of an actor. No other field can have so many values that mean nothing, so the compiler says by this one whether
/// there is an actor at all, and not by one that is far behind it in memory.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
enum Course {
    GoesOn,
    Stops,
}

impl<A: Actor<Context = Self>> Context<A> {
    /// Has the actor do something, once, when it has read all its mail and waits for nothing; instead of what it was to do then.
    pub(crate) fn act_after_mail(&mut self, act: Option<fn(&mut A, &mut Self)>) {
        self.act = act;
    }

    /// The way to the actor for those of its thread.
    pub(crate) fn near(&self) -> Near<A> {
        self.near.clone()
    }

    fn stops(&self) -> bool {
        self.course == Course::Stops
    }

    /// Whether it was asked for something since that was seen to.
    fn is_asked(&self) -> bool {
        let asks_nothing = self.waits.is_empty() && self.spawned.is_empty() && self.cancelled.is_empty();
        self.stops() || self.act.is_some() || !asks_nothing
    }
}

impl<A: Actor<Context = Self>> ActorContext for Context<A> {
    fn stop(&mut self) {
        self.course = Course::Stops;
    }

    fn terminate(&mut self) {
        self.stop();
    }

    fn state(&self) -> ActorState {
        match self.course {
            Course::Stops => ActorState::Stopping,
            Course::GoesOn => ActorState::Running,
        }
    }
}

impl<A: Actor<Context = Self>> AsyncContext<A> for Context<A> {
    #[expect(
        clippy::expect_used,
        reason = "an actor that is dropped has no context to ask"
    )]
    fn address(&self) -> Addr<A> {
        Addr::new(self.mailbox.as_ref().expect("it lives").sender())
    }

    fn spawn<F: ActorFuture<A, Output = ()> + 'static>(&mut self, future: F) -> SpawnHandle {
        self.last_handle = self.last_handle.next();
        self.spawned.push((self.last_handle, Box::pin(future)));
        self.last_handle
    }

    fn wait<F: ActorFuture<A, Output = ()> + 'static>(&mut self, future: F) {
        self.waits.push(Box::pin(future));
    }

    fn waiting(&self) -> bool {
        self.stops() || !self.waits.is_empty()
    }

    fn cancel_future(&mut self, handle: SpawnHandle) -> bool {
        self.cancelled.push(handle);
        true
    }
}

impl<A, M> ToEnvelope<A, M> for Context<A>
where
    A: Actor<Context = Self> + Handler<M>,
    M: Message<Result: Send> + Send + 'static,
{
    fn pack(mail: M, answer: Option<OneshotSender<M::Result>>) -> Envelope<A> {
        Envelope::new(mail, answer)
    }
}

/// Starts an actor on this thread. Other threads wake it by the bell, if this thread has one.
pub(crate) fn start<A: Actor<Context = Context<A>>>(actor: A) -> Addr<A> {
    start_near(|_| actor).0
}

/// The same, for one who has something to tell it.
pub(crate) fn start_near<A: Actor<Context = Context<A>>>(
    make: impl FnOnce(&Near<A>) -> A,
) -> (Addr<A>, Near<A>) {
    let (addr, mailbox) = mailbox();
    (addr, run(make, mailbox))
}

/// Starts an actor on this thread with this mailbox.
pub(crate) fn run<A: Actor<Context = Context<A>>>(
    make: impl FnOnce(&Near<A>) -> A,
    mailbox: AddressReceiver<A>,
) -> Near<A> {
    let life = Rc::new_cyclic(|near| {
        let near = Near(Weak::clone(near));
        let actor = make(&near);
        Place {
            is_sent_mail: Cell::default(),
            life: RefCell::new(Some(Life::new(actor, mailbox, near))),
        }
    });
    let near = Near(Rc::downgrade(&life));
    actix_rt::spawn(Task(life));
    near
}

/// The task of an actor. Only it keeps the actor alive.
struct Task<A: Actor<Context = Context<A>>>(Rc<Place<A>>);

impl<A: Actor<Context = Context<A>>> Future for Task<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        self.0.is_sent_mail.set(false);
        match self.0.life.borrow_mut().as_mut() {
            Some(life) => life.poll(cx),
            None => Poll::Ready(()),
        }
    }
}

/// An actor and what belongs to it. What is looked at whenever it is told something comes first.
#[repr(C)]
pub(super) struct Life<A: Actor<Context = Context<A>>> {
    /// Whether it was woken, once it has been polled.
    rang: Option<Flag>,
    stage: Stage<A>,
    /// How it is woken, once it has been polled.
    line: Option<Arc<Line>>,
}

impl<A: Actor<Context = Context<A>>> Life<A> {
    fn new(actor: A, mailbox: AddressReceiver<A>, near: Near<A>) -> Self {
        let context = Context {
            course: Course::GoesOn,
            act: None,
            waits: Vec::new(),
            spawned: Vec::new(),
            cancelled: Vec::new(),
            last_handle: SpawnHandle::default(),
            near,
            mailbox: Some(mailbox),
        };
        let stage = Stage {
            context,
            actor,
            items: Vec::new(),
            unread: None,
        };
        Life {
            rang: None,
            stage,
            line: None,
        }
    }

    /// Whether it has been started, has no mail and waits for nothing. Mail that is there has rung.
    pub(super) fn is_free(&self) -> bool {
        let is_quiet = self.rang.as_ref().is_some_and(|rang| !rang.is_raised());
        is_quiet && !self.stage.context.waiting()
    }

    /// Has it polled.
    pub(super) fn wake(&self) {
        if let Some(line) = &self.line {
            line.wake_here();
        }
    }

    /// Handles something that is no mail.
    pub(super) fn handle<M: Message<Result = ()>>(&mut self, mail: M)
    where
        A: Handler<M, Result = ()>,
    {
        bell::count();
        let Stage { context, actor, .. } = &mut self.stage;
        let was_asked = context.is_asked();
        actor.handle(mail, context);
        if context.is_asked() && !was_asked {
            self.wake();
        }
    }

    fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        let Life { rang, stage, line } = self;
        let starts = line.is_none();
        let line = line.get_or_insert_with(|| Line::to(cx.waker()));
        rang.get_or_insert_with(|| line.flag());
        line.answered();
        let waker = Waker::from(Arc::clone(line));
        if starts {
            stage.actor.started(&mut stage.context);
        }
        stage.poll(&mut task::Context::from_waker(&waker))
    }
}

/// What an actor works with while it is polled.
#[repr(C)]
struct Stage<A: Actor<Context = Context<A>>> {
    context: Context<A>,
    actor: A,
    items: Vec<(SpawnHandle, Wait<A>)>,
    /// Who waits for an answer that does not come hears of that after the parent of the actor has heard of its end.
    unread: Option<AddressReceiver<A>>,
}

impl<A: Actor<Context = Context<A>>> Drop for Stage<A> {
    fn drop(&mut self) {
        self.unread = self.context.mailbox.take();
    }
}

impl<A: Actor<Context = Context<A>>> Stage<A> {
    fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        loop {
            if self.poll_waits(cx).is_pending() {
                return Poll::Pending;
            }
            self.read_mail(cx);
            self.act();
            self.poll_items(cx);
            if self.context.stops() {
                return Poll::Ready(());
            }
            if !self.context.is_asked() {
                break;
            }
        }
        let mailbox = self.context.mailbox.as_ref();
        match mailbox.is_some_and(AddressReceiver::connected) || !self.items.is_empty() {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }

    /// Pending while there is something that no mail is read before.
    fn poll_waits(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        while !self.context.stops()
            && let Some(mut wait) = self.context.waits.pop()
        {
            let place = self.context.waits.len();
            let polled = wait.as_mut().poll(&mut self.actor, &mut self.context, cx);
            if polled.is_pending() && !self.context.stops() {
                self.context.waits.insert(place, wait);
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }

    fn read_mail(&mut self, cx: &mut task::Context<'_>) {
        while !self.context.waiting()
            && let Some(mailbox) = &mut self.context.mailbox
            && let Poll::Ready(Some(mut mail)) = Pin::new(mailbox).poll_next(cx)
        {
            mail.handle(&mut self.actor, &mut self.context);
        }
    }

    fn act(&mut self) {
        if !self.context.waiting()
            && let Some(act) = self.context.act.take()
        {
            act(&mut self.actor, &mut self.context);
        }
    }

    /// Polls what was spawned, until that asks for something that comes first. It is the last to be polled then.
    fn poll_items(&mut self, cx: &mut task::Context<'_>) {
        // Lists are kept only while there is something in them: of thousands of actors most are at rest.
        if !self.context.spawned.is_empty() {
            self.items.extend(mem::take(&mut self.context.spawned));
        }
        self.drop_cancelled();
        let mut at = 0;
        while !self.context.stops()
            && let Some((_, item)) = self.items.get_mut(at)
        {
            let polled = item.as_mut().poll(&mut self.actor, &mut self.context, cx);
            let goes_first = !(self.context.waits.is_empty() && self.context.cancelled.is_empty());
            if polled.is_ready() {
                drop(self.items.swap_remove(at));
                if self.items.is_empty() {
                    self.items = Vec::new();
                }
            } else if goes_first {
                self.items.rotate_left(at + 1);
            } else {
                at += 1;
            }
            if goes_first {
                return;
            }
        }
    }

    fn drop_cancelled(&mut self) {
        for cancelled in mem::take(&mut self.context.cancelled) {
            self.items.retain(|(handle, _)| *handle != cancelled);
        }
    }
}
