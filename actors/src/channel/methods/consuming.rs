//! basic.consume, basic.cancel and basic.qos.

use std::cell::Cell;
use std::rc::Rc;

use actix::prelude::*;
use leveret_protocol::method::basic;
use leveret_protocol::{Exception, ReplyCode};

use super::super::actor::{Channel, Pending};
use super::super::global_prefetch::Budget;
use super::super::subscriptions::Subscriber;
use super::super::unacked::NO_CONSUMER;
use crate::consumer::actor::{Consumer, ConsumerSeed};
use crate::consumer::desk::Desk;
use crate::consumer::hall::Taken;
use crate::consumer::messages::{Cancel, ChannelLimit};
use crate::id::ConsumerId;
use crate::lease::Lease;
use crate::name::Name;
use crate::node::{self, Access, Context, Resource};
use crate::queue::Subscription;
use crate::queue::messages::{Subscribe, Supply};
use crate::queue::options::QueueKind;
use crate::return_address::ReturnAddress;
use crate::vhost::names;

/// With so many consumers of its connection, one that needs no acks is served together with them.
const MANY: usize = 16;

impl Channel {
    pub(super) fn consume(
        &mut self,
        consume: basic::Consume<'_>,
        ctx: &mut Context<Self>,
    ) -> Result<(), Exception> {
        if consume.queue == names::DIRECT_REPLY_TO {
            return self.consume_replies(&consume, ctx);
        }
        let name = self.named_queue(consume.queue)?;
        let handle = self.find_queue(&name)?;
        self.session.check(Access::Read, Resource::Queue(&name))?;
        let asked = Subscription::parse(&consume, (&name, handle.options.kind), &self.session.vhost.name)?;
        let tag = self.new_consumer_tag(consume.consumer_tag)?;
        let asked_for_budget = self.budget.is_some() && !self.session.qos_by_channel;
        if asked_for_budget && handle.options.kind == QueueKind::Quorum {
            let text = format!(
                "{} does not support global qos",
                names::queue(&name, &self.session.vhost.name)
            );
            return Err(Exception::new(ReplyCode::NotImplemented, text));
        }
        if handle.options.auto_delete {
            self.session.will_end_queues();
        }
        let on_offer = self.budget.is_some() && !consume.no_ack;
        handle.dwelling.expect_consumer(self.session.worker);
        let queue = self
            .attachments
            .attach(handle.clone(), || ctx.address().recipient());
        let (id, number) = (ConsumerId::next(), self.subscriptions.next_number());
        let seed = ConsumerSeed {
            id,
            key: number,
            channel: ctx.address().recipient(),
            queue: handle.addr().clone(),
            prefetch: self.prefetch,
            no_ack: consume.no_ack,
            on_offer,
            windows: self.session.windows.clone(),
            lease: Lease::new(ctx.address().recipient(), number),
        };
        let consumer = Consumer::new(seed);
        let desk = Rc::new(Desk {
            unread: Cell::default(),
            frame_max: self.session.frame_max,
            channel: self.number,
            tags: self.tags.clone(),
            unheard: consumer.unheard(),
            consumer_tag: tag,
            output: self.output.clone(),
        });
        let sits = consume.no_ack && self.session.windows.consumers() > MANY;
        let (addr, _) = node::start_near(|near| consumer.at(Rc::clone(&desk), sits, near));
        let addr = Rc::new(addr);
        let (taken, hall) = sits.then(|| self.output.seat(id, &addr, &desk)).unzip();
        let seat = taken.as_ref().map(Taken::seat);
        let supply = ReturnAddress::new((*addr).clone().recipient(), Supply::QueueGone { crashed: true });
        self.attachments.hold(queue);
        let subscriber = Subscriber::new(id, addr, desk, queue, consume.no_ack, consume.nowait);
        self.subscriptions.insert(subscriber.sitting(taken));
        self.pause();
        self.pending = Some(Pending::Subscription(number));
        handle.addr().do_send(Subscribe {
            channel: self.id,
            consumer: id,
            supply,
            subscription: Subscription {
                on_offer,
                seat,
                ..asked
            },
            hall,
        });
        Ok(())
    }

    /// A tag that is not taken; made by the broker when the client gives none.
    pub(in crate::channel) fn new_consumer_tag(&self, wanted: &str) -> Result<Name, Exception> {
        let most = self.session.node.settings.max_consumers_per_channel;
        if self.subscriptions.len() >= most as usize {
            let text = format!("reached maximum ({most}) of consumers per channel");
            return Err(Exception::new(ReplyCode::NotAllowed, text));
        }
        if wanted.is_empty() {
            return Ok(names::generated_consumer_tag());
        }
        let replies = self
            .reply_to
            .as_ref()
            .is_some_and(|reply_to| &*reply_to.tag == wanted);
        if replies || self.subscriptions.number_of(wanted).is_some() {
            let text = format!("attempt to reuse consumer tag '{wanted}'");
            return Err(Exception::new(ReplyCode::NotAllowed, text));
        }
        Ok(Name::from(wanted))
    }

    /// Ends a consumer after what is on its way has been delivered. What it has not settled stays outstanding.
    pub(super) fn cancel(&mut self, cancel: &basic::Cancel<'_>) -> Result<(), Exception> {
        let tag = cancel.consumer_tag;
        let Some(number) = self.subscriptions.number_of(tag) else {
            if self
                .reply_to
                .as_ref()
                .is_some_and(|reply_to| &*reply_to.tag == tag)
            {
                self.reply_to = None;
            }
            if !cancel.nowait {
                self.output
                    .method(self.number, &basic::CancelOk { consumer_tag: tag });
            }
            return Ok(());
        };
        self.pause();
        self.pending = Some(Pending::Cancel(number));
        if let Some(subscriber) = self.subscriptions.get_mut(number) {
            subscriber.nowait = cancel.nowait;
            subscriber.addr.do_send(Cancel);
        }
        Ok(())
    }

    /// For the consumers to come, or for the channel as a whole; both may hold at once.
    ///
    /// RabbitMQ takes what is not global for the consumers to come, the specification for the channel. kombu means what
    /// the specification says unless the server calls itself RabbitMQ 3: it raises the limit of consumers it has with
    /// each of Celery's tasks for later, and would otherwise wait forever for one more message.
    pub(super) fn qos(&mut self, qos: &basic::Qos, _: &mut Context<Self>) -> Result<(), Exception> {
        if qos.prefetch_size != 0 {
            let text = format!("prefetch_size!=0 ({})", qos.prefetch_size);
            return Err(Exception::new(ReplyCode::NotImplemented, text));
        }
        if qos.global || self.session.qos_by_channel {
            self.limit_channel(qos.prefetch_count.into());
        } else {
            self.prefetch = qos.prefetch_count;
        }
        self.output.method(self.number, &basic::QosOk {});
        Ok(())
    }

    /// Sets, changes or (with 0) lifts the limit of the channel as a whole.
    fn limit_channel(&mut self, limit: u32) {
        let grants = match (&mut self.budget, limit) {
            (None, 0) => return,
            (Some(_), 0) => {
                self.budget = None;
                return self.tell_limit(false);
            }
            (Some(budget), _) => budget.set_limit(limit),
            (None, _) => {
                // What was settled before is not adopted, and must not be given back.
                self.post_settlements();
                let mut budget = Budget::new(limit);
                let unsettled = self
                    .unacked
                    .iter()
                    .filter(|delivery| delivery.consumer != NO_CONSUMER);
                budget.adopt(u32::try_from(unsettled.count()).unwrap_or(u32::MAX));
                self.budget = Some(Box::new(budget));
                return self.tell_limit(true);
            }
        };
        self.lend(grants);
    }

    fn tell_limit(&self, on: bool) {
        for subscriber in self.subscriptions.iter().filter(|subscriber| !subscriber.no_ack) {
            subscriber.addr.do_send(ChannelLimit { on });
        }
    }
}
