//! The consumer actor: one subscription, which turns prefetch, acknowledgements and what the socket
//! has taken into credit at the queue.

use std::rc::Rc;

use actix::prelude::*;

use super::credit::Credit;
use super::desk::Desk;
use super::messages::*;
use super::unheard::Unheard;
use super::windows::Windows;
use crate::id::ConsumerId;
use crate::lease::Lease;
use crate::node::{Context, Entered, Listener, Near};
use crate::queue::Grant;
use crate::queue::actor::Queue;
use crate::queue::messages::{self as queue, Supply};
use crate::queue::roads;
use crate::turn::{Acts, Turn};

/// What a consumer is started with.
pub struct ConsumerSeed {
    /// Its id at the queue.
    pub id: ConsumerId,
    /// Its key at the channel.
    pub key: u32,
    /// Its channel.
    pub channel: Recipient<FromConsumer>,
    /// Its queue.
    pub queue: Addr<Queue>,
    /// Prefetch (0: none).
    pub prefetch: u16,
    /// Deliveries need no acknowledgement.
    pub no_ack: bool,
    /// The channel has a limit of its own, so credit is lent against offers.
    pub on_offer: bool,
    /// The windows of its connection's consumers.
    pub windows: Windows,
    /// Tells the channel when the consumer is gone.
    pub lease: Lease<u32>,
}

/// One subscription.
pub struct Consumer {
    id: ConsumerId,
    key: u32,
    channel: Recipient<FromConsumer>,
    queue: Addr<Queue>,
    credit: Credit,
    unheard: Rc<Unheard>,
    /// Where it delivers what needs no ack, past its channel.
    desk: Option<Rc<Desk>>,
    /// It is served in the hall of its connection.
    sits: bool,
    on_offer: bool,
    /// Messages wait at the queue for lent credit, and the channel has not heard of it.
    offered: bool,
    turn: Turn,
    _here: Option<Entered<ConsumerId, Listener<Supply>>>,
    _windows: Windows,
    _lease: Lease<u32>,
}

impl Consumer {
    /// A consumer that has no credit at its queue yet.
    pub fn new(seed: ConsumerSeed) -> Self {
        Consumer {
            id: seed.id,
            key: seed.key,
            channel: seed.channel,
            queue: seed.queue,
            credit: Credit::new(seed.prefetch, seed.no_ack).within(seed.windows.widest()),
            unheard: Rc::default(),
            desk: None,
            sits: false,
            on_offer: seed.on_offer,
            offered: false,
            turn: Turn::default(),
            _here: None,
            _windows: seed.windows,
            _lease: seed.lease,
        }
    }

    /// Where it is counted what was written of its deliveries.
    pub fn unheard(&self) -> Rc<Unheard> {
        Rc::clone(&self.unheard)
    }

    /// One that delivers at a desk if no acks are needed, in the hall of its connection or by itself.
    pub(crate) fn at(self, desk: Rc<Desk>, sits: bool, near: &Near<Self>) -> Self {
        let _here = Some(roads::enter(self.id, near.listener()));
        let desk = self.credit.needs_no_ack().then_some(desk);
        Consumer {
            desk,
            sits,
            _here,
            ..self
        }
    }

    fn report(&self, report: Report) {
        self.desk.iter().for_each(|desk| desk.told());
        self.channel.do_send(FromConsumer {
            consumer: self.key,
            report,
        });
    }

    fn delivered(&mut self, ctx: &mut Context<Self>) {
        self.say_what_is_worth();
        if self.unheard.is_worth() {
            self.absorbed(ctx);
        }
    }

    fn absorbed(&mut self, ctx: &mut Context<Self>) {
        if self.turn.ask(1, ctx) {
            self.act();
        }
    }

    /// Returns credit to the queue. With a channel-wide limit, credit goes out against offers only, and an offer is passed on
    /// when this consumer has room of its own.
    fn act(&mut self) {
        self.turn.begin();
        self.hear_of_deliveries();
        let Written { messages, bytes } = self.unheard.take();
        self.credit.written(messages, bytes);
        if self.on_offer {
            if self.offered && self.credit.room() > 0 {
                self.offered = false;
                self.report(Report::Offer);
            }
        } else if let Some(grant) = self.credit.top_up() {
            self.grant(grant);
        }
        self.say_what_is_worth();
    }

    /// Counts what it is to deliver. What comes from the hall counts as told to the channel until it is here.
    fn came(&mut self, messages: u32, bytes: u64) {
        self.hear_of_deliveries();
        self.credit.delivered(messages, bytes);
        if let Some(desk) = self.desk.as_ref().filter(|_| self.sits) {
            desk.read();
        }
    }

    /// Counts what was delivered past it.
    fn hear_of_deliveries(&mut self) {
        let Written { messages, bytes } = self.unheard.take_delivered();
        self.credit.delivered(messages, bytes);
    }

    /// With a channel-wide limit every byte is, since an offer may wait for it.
    fn say_what_is_worth(&self) {
        let worth = match self.on_offer {
            true => Written {
                messages: 1,
                bytes: 1,
            },
            false => self.credit.awaited(),
        };
        self.unheard.set_worth(worth);
        self.unheard.set_granted(self.credit.granted());
    }

    fn grant(&self, grant: Grant) {
        self.queue.do_send(queue::Credit {
            consumer: self.id,
            grant,
        });
    }

    /// Passes on as much of the channel's budget as this consumer's own limits allow.
    fn lend(&mut self, messages: u32) {
        let used = match self.credit.lend(messages) {
            Some(grant) => {
                let messages = grant.messages;
                self.grant(grant);
                messages
            }
            None => {
                self.offered = true;
                0
            }
        };
        if used < messages {
            self.report(Report::Unused(messages - used));
        }
    }
}

impl Actor for Consumer {
    type Context = Context<Self>;
}

impl Acts for Consumer {
    fn take_turn(&mut self, _: &mut Context<Self>) {
        self.act();
    }
}

impl Handler<Supply> for Consumer {
    type Result = ();

    fn handle(&mut self, supply: Supply, ctx: &mut Context<Self>) {
        match supply {
            Supply::Deliver(handout) => {
                let messages = u32::try_from(handout.deliveries.len()).unwrap_or(u32::MAX);
                self.came(messages, handout.bytes);
                let delivered = self.desk.as_ref().is_some_and(|desk| desk.deliver(&handout));
                if !delivered {
                    self.report(Report::Deliveries(handout));
                }
                self.delivered(ctx);
            }
            Supply::PassOn(part) => {
                self.came(part.len(), part.bytes());
                let delivered = self.desk.as_ref().is_some_and(|desk| desk.pass_on(&part));
                if !delivered {
                    self.report(Report::Deliveries(part.handout()));
                }
                self.delivered(ctx);
            }
            Supply::Offer => {
                self.offered = true;
                self.act();
            }
            Supply::Unused(messages) => {
                self.credit.unused(messages);
                self.report(Report::Unused(messages));
                self.absorbed(ctx);
            }
            Supply::Subscribed(outcome) => {
                self.report(Report::Subscribed(outcome));
                self.absorbed(ctx);
            }
            Supply::Unsubscribed => {
                self.report(Report::Cancelled);
                ctx.stop();
            }
            Supply::QueueGone { crashed } => {
                self.report(Report::QueueGone { crashed });
                ctx.stop();
            }
        }
    }
}

impl Handler<Settled> for Consumer {
    type Result = ();

    fn handle(&mut self, Settled { messages }: Settled, ctx: &mut Context<Self>) {
        self.credit.settled(messages);
        self.absorbed(ctx);
    }
}

impl Handler<Written> for Consumer {
    type Result = ();

    fn handle(&mut self, Written { messages, bytes }: Written, ctx: &mut Context<Self>) {
        self.credit.written(messages, bytes);
        self.absorbed(ctx);
    }
}

impl Handler<Lend> for Consumer {
    type Result = ();

    fn handle(&mut self, Lend { messages }: Lend, _: &mut Context<Self>) {
        self.lend(messages);
    }
}

impl Handler<ChannelLimit> for Consumer {
    type Result = ();

    fn handle(&mut self, ChannelLimit { on }: ChannelLimit, ctx: &mut Context<Self>) {
        self.on_offer = on;
        // An offer from before belongs to a limit that is gone; the queue makes a new one.
        self.offered = false;
        self.queue.do_send(queue::LendOnOffer {
            consumer: self.id,
            on,
        });
        self.absorbed(ctx);
    }
}

impl Handler<Cancel> for Consumer {
    type Result = ();

    fn handle(&mut self, _: Cancel, _: &mut Context<Self>) {
        self.queue.do_send(queue::Unsubscribe { consumer: self.id });
    }
}
