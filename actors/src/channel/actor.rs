//! The channel actor: its life, and the mail that reaches it.
//!
//! A channel executes its client's commands in their order. One that needs an answer from elsewhere pauses the
//! commands behind it, not the mailbox: deliveries and confirms go on.

use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::*;
use leveret_protocol::method::channel;
use leveret_protocol::{Assembler, Exception, ReplyCode, Scope};
use tracing::{debug, info};

use super::attachments::Attachments;
use super::confirms::{Confirms, Verdict};
use super::global_prefetch::Budget;
use super::inbox::Inbox;
use super::labour::Labour;
use super::messages::{ChannelEnded, Close, Commands, End, Raise};
use super::reply_to::ReplyTo;
use super::routes::RouteMemo;
use super::session::Session;
use super::subscriptions::Subscriptions;
use super::transaction::Transaction;
use super::unacked::{Outstanding, Unacked};
use super::unfinished::Share;
use crate::consumer::desk::Tags;
use crate::consumer::messages::FromConsumer;
use crate::id::ChannelId;
use crate::lease::{Gone, Lease};
use crate::name::Name;
use crate::node::Context;
use crate::printable::Printable;
use crate::queue::messages::{DirectReply, QueueNotice};
use crate::turn::{Acts, Turn};
use crate::writer::outbox::Outbox;

/// How far a channel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Commands are executed.
    Open,
    /// A command waits for an answer; those behind it wait too.
    Waiting,
    /// Over.
    Closed,
}

/// The consumer whose start or end the commands wait for, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pending {
    Subscription(u32),
    Cancel(u32),
}

/// One channel of one connection.
///
/// A connection may have thousands, each of which gets a little of a read: what a turn touches of one is together in memory.
#[repr(C)]
pub(crate) struct Channel {
    pub(super) phase: Phase,
    /// The connection ends: stop when the inbox is empty.
    pub(super) leaving: bool,
    pub(super) opened: bool,
    /// It is over: stop when all mail is read.
    ended: bool,
    /// For how many acts confirms have waited to be answered together with those before them.
    pub(super) waited: u8,
    pub(super) number: u16,
    /// tx.commit waits for the queues.
    pub(super) committing: bool,
    /// A queue refused part of it.
    pub(super) commit_refused: bool,
    /// Deliveries to consumers that were settled since the budget was told.
    pub(super) settled_deliveries: u32,
    /// For the consumers to come.
    pub(super) prefetch: u16,
    pub(super) session: Rc<Session>,
    turn: Turn,
    pub(super) inbox: Inbox,
    pub(super) assembler: Assembler,
    pub(super) unfinished: Share,
    pub(super) labour: Labour,
    // What most channels do without is outside: ten thousand channels are to fit in little memory.
    pub(super) confirms: Option<Box<Confirms>>,
    pub(super) transaction: Option<Box<Transaction>>,
    pub(super) routes: RouteMemo,
    pub(super) attachments: Attachments,
    pub(crate) subscriptions: Subscriptions,
    pub(super) id: ChannelId,
    pub(super) unacked: Unacked,
    /// Empty room for what is taken off that ledger.
    pub(super) taken: Vec<Outstanding>,
    pub(super) tags: Tags,
    pub(super) pending: Option<Pending>,
    pub(super) budget: Option<Box<Budget>>,
    pub(super) reply_to: Option<ReplyTo>,
    /// What an empty queue name means.
    pub(super) last_queue: Name,
    pub(super) output: Outbox,
    connection: Recipient<ChannelEnded>,
    _lease: Lease<ChannelId>,
}

impl Channel {
    /// A channel whose first command is channel.open.
    pub(crate) fn new(
        id: ChannelId,
        number: u16,
        session: Rc<Session>,
        connection: Recipient<ChannelEnded>,
        lease: Lease<ChannelId>,
    ) -> Self {
        let max_message_size = session.node.settings.max_message_size;
        Channel {
            id,
            number,
            phase: Phase::Open,
            leaving: false,
            opened: false,
            ended: false,
            inbox: Inbox::default(),
            assembler: Assembler::new(max_message_size),
            unfinished: Share::new(Arc::clone(&session.unfinished)),
            labour: Labour::default(),
            attachments: Attachments::new(id, session.mailbag.clone()),
            routes: RouteMemo::default(),
            confirms: None,
            waited: 0,
            transaction: None,
            unacked: Unacked::default(),
            taken: Vec::new(),
            tags: Tags::default(),
            settled_deliveries: 0,
            committing: false,
            commit_refused: false,
            subscriptions: Subscriptions::default(),
            pending: None,
            prefetch: session.node.settings.default_prefetch,
            budget: None,
            reply_to: None,
            last_queue: Name::from(""),
            output: session.outbox.clone(),
            turn: Turn::default(),
            connection,
            _lease: lease,
            session,
        }
    }

    /// Something was absorbed: post what came of it at the end of the turn, if there can be anything.
    pub(super) fn absorbed(&mut self, weight: usize, ctx: &mut Context<Self>) {
        let owes =
            self.confirms.is_some() || self.attachments.has_settlements() || self.settled_deliveries > 0;
        if !owes {
            self.turn.count(weight, ctx);
        } else if self.turn.ask(weight, ctx) {
            self.take_turn(ctx);
        }
    }

    /// Posts settlements and confirms.
    fn act(&mut self, ctx: &mut Context<Self>) {
        self.turn.begin();
        self.post_settlements();
        if self.answer_confirms() {
            self.turn.later(ctx);
        }
    }

    /// Ends the channel, or the connection, with an exception.
    pub(super) fn fail(&mut self, exception: Exception, ctx: &mut Context<Self>) {
        match exception.scope {
            Scope::Connection => {
                self.abandon();
                self.session.raise.do_send(Raise { exception });
                self.end(End::ByClient, ctx);
            }
            Scope::Channel => {
                info!(channel = self.number, user = %self.session.user, exception = %Printable(&exception), "channel closed");
                self.abandon();
                // The connection must know before the client does: what follows close-ok is for a new channel.
                self.end(End::ByBroker, ctx);
                let text = exception.reply_text();
                let (class_id, method_id) = exception.method;
                let reply_code = exception.code as u16;
                let close = channel::Close {
                    reply_code,
                    reply_text: &text,
                    class_id,
                    method_id,
                };
                self.output.method(self.number, &close);
                self.act(ctx);
            }
        }
    }

    /// Gives everything back at once: unsettled messages, consumers, routes, what was staged.
    fn abandon(&mut self) {
        self.post_publications();
        self.post_settlements();
        self.attachments = Attachments::new(self.id, self.session.mailbag.clone());
        self.routes = RouteMemo::default();
        self.subscriptions = Subscriptions::default();
        self.unacked = Unacked::default();
        self.confirms = None;
        self.transaction = None;
        self.budget = None;
        self.reply_to = None;
    }

    /// The end that the client asked for: its queues have taken everything back before it is answered.
    pub(super) fn leave(&mut self, answer: bool, ctx: &mut Context<Self>) {
        self.post_publications();
        self.post_settlements();
        self.phase = Phase::Closed;
        self.subscriptions = Subscriptions::default();
        self.reply_to = None;
        let detached = futures_util::future::join_all(self.attachments.detach_all());
        ctx.spawn(
            actix::fut::wrap_future::<_, Self>(detached).map(move |_, channel, ctx| {
                channel.end(End::ByClient, ctx);
                if answer {
                    channel.output.method(channel.number, &channel::CloseOk {});
                }
                channel.act(ctx);
            }),
        );
    }

    fn end(&mut self, end: End, ctx: &mut Context<Self>) {
        self.phase = Phase::Closed;
        self.connection.do_send(ChannelEnded { id: self.id, end });
        // What the connection has handed over before it hears of that is read: a close may be part of it.
        self.ended = true;
        ctx.act_after_mail(Some(Self::take_turn));
    }
}

impl Actor for Channel {
    type Context = Context<Self>;
}

impl Acts for Channel {
    fn take_turn(&mut self, ctx: &mut Context<Self>) {
        self.act(ctx);
        if self.ended {
            ctx.stop();
        }
    }
}

impl Handler<Commands> for Channel {
    type Result = ();

    fn handle(&mut self, commands: Commands, ctx: &mut Context<Self>) {
        let weight = commands.batch.frames.len();
        self.receive(commands, ctx);
        self.absorbed(weight, ctx);
    }
}

impl Handler<Close> for Channel {
    type Result = ();

    fn handle(&mut self, _: Close, ctx: &mut Context<Self>) {
        self.leaving = true;
        self.run(ctx);
    }
}

impl Handler<QueueNotice> for Channel {
    type Result = ();

    fn handle(&mut self, notice: QueueNotice, ctx: &mut Context<Self>) {
        match notice {
            QueueNotice::Stored { queue, upto } => self.stored(&[(queue, upto)], ctx),
            QueueNotice::StoredBy(stored) => self.stored(&stored, ctx),
            QueueNotice::Refused {
                queue,
                upto,
                of,
                refused,
            } => {
                if let Some(key) = self.attachments.key_of(queue) {
                    self.refused(key, upto, of, &refused, ctx);
                }
            }
            QueueNotice::Overdue { queue, keys, timeout } => {
                if let Some(key) = self.attachments.key_of(queue) {
                    self.overdue(key, &keys, timeout, ctx);
                }
            }
            QueueNotice::Gone { queue, crashed } => {
                debug!(channel = self.number, crashed, "a queue is gone");
                if let Some(key) = self.attachments.key_of(queue) {
                    let verdict = if crashed { Verdict::Nack } else { Verdict::Ack };
                    self.queue_gone(key, verdict, ctx);
                    self.attachments.gone(queue);
                    self.routes.clear();
                }
            }
        }
        self.absorbed(1, ctx);
    }
}

impl Handler<FromConsumer> for Channel {
    type Result = ();

    fn handle(&mut self, FromConsumer { consumer, report }: FromConsumer, ctx: &mut Context<Self>) {
        self.consumer_reports(consumer, report, ctx);
        self.absorbed(1, ctx);
    }
}

impl Handler<DirectReply> for Channel {
    type Result = ();

    fn handle(&mut self, reply: DirectReply, ctx: &mut Context<Self>) {
        self.deliver_reply(&reply.page, reply.offset);
        self.absorbed(1, ctx);
    }
}

impl Handler<Gone<u32>> for Channel {
    type Result = ();

    /// A consumer is gone. One that ended was taken off the books before.
    fn handle(&mut self, Gone { id, crashed }: Gone<u32>, ctx: &mut Context<Self>) {
        if crashed && self.subscriptions.get(id).is_some() {
            let text = "a consumer of this channel failed";
            self.fail(
                Exception::new(ReplyCode::InternalError, text).at(Scope::Channel),
                ctx,
            );
        }
    }
}
