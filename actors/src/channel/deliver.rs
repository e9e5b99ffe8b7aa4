//! What consumers report: deliveries become tags and frames, the rest answers to the client.

use super::actor::{Channel, Pending};
use super::methods::lost;
use super::subscriptions::Subscriber;
use super::unacked::Outstanding;
use crate::consumer::messages::{Lend, Report};
use crate::id::ConsumerId;
use crate::name::Name;
use crate::node::Context;
use crate::publication::Handout;
use crate::queue::InExclusiveUse;
use crate::vhost::names;
use leveret_protocol::method::basic;
use leveret_protocol::{Exception, ReplyCode};

impl Channel {
    /// Handles what a consumer has to say; one that is off the books is not listened to.
    pub(super) fn consumer_reports(&mut self, number: u32, report: Report, ctx: &mut Context<Self>) {
        if let Some(subscriber) = self.subscriptions.get(number) {
            subscriber.desk.read();
        }
        match report {
            Report::Deliveries(handout) => self.deliver(number, &handout),
            Report::Subscribed(outcome) => self.resume(ctx, |channel| channel.subscribed(number, outcome)),
            Report::Cancelled => self.cancelled(number, ctx),
            Report::QueueGone { crashed } => self.consumer_queue_gone(number, crashed, ctx),
            Report::Offer => {
                if let (Some(subscriber), Some(budget)) = (self.subscriptions.get(number), &mut self.budget)
                    && let Some(messages) = budget.offer(subscriber.id)
                {
                    subscriber.addr.do_send(Lend { messages });
                }
            }
            Report::Unused(messages) => {
                if let (Some(subscriber), Some(budget)) = (self.subscriptions.get(number), &mut self.budget) {
                    let grants = budget.unused(subscriber.id, messages);
                    self.lend(grants);
                }
            }
        }
    }

    /// Lends freed budget to the consumers that waited for it.
    pub(super) fn lend(&self, grants: Vec<(ConsumerId, u32)>) {
        for (consumer, messages) in grants {
            if let Some(subscriber) = self.subscriptions.by_id(consumer) {
                subscriber.addr.do_send(Lend { messages });
            }
        }
    }

    /// Numbers and encodes deliveries. Those of a channel that is closing go back with everything else.
    fn deliver(&mut self, number: u32, handout: &Handout) {
        let Some(subscriber) = self.subscriptions.get(number) else {
            return;
        };
        let unacked = &mut self.unacked;
        subscriber.desk.write(handout, |delivery, tag| {
            if !subscriber.no_ack {
                unacked.push(Outstanding {
                    tag,
                    queue: subscriber.queue,
                    key: delivery.key,
                    consumer: number,
                });
            }
        });
        if !subscriber.no_ack {
            let messages = u32::try_from(handout.len()).unwrap_or(u32::MAX);
            self.attachments.delivered(subscriber.queue, messages);
            if let Some(budget) = &mut self.budget {
                budget.delivered(subscriber.id, messages);
            }
        }
    }

    /// The answer to a subscription or a cancel that waits.
    fn subscribed(&mut self, number: u32, outcome: Result<(), InExclusiveUse>) -> Result<(), Exception> {
        self.pending = None;
        if outcome.is_err() {
            let queue = self.queue_of(number);
            self.remove_consumer(number);
            let text = format!(
                "{} in exclusive use",
                names::queue(&queue, &self.session.vhost.name)
            );
            return Err(Exception::new(ReplyCode::AccessRefused, text).on(basic::Consume::IDS));
        }
        if let Some(subscriber) = self.subscriptions.get(number) {
            if !subscriber.nowait {
                let consumer_tag = subscriber.tag();
                self.output
                    .method(self.number, &basic::ConsumeOk { consumer_tag });
            }
            subscriber.desk.open(&subscriber.addr);
        }
        Ok(())
    }

    fn cancelled(&mut self, number: u32, ctx: &mut Context<Self>) {
        if !matches!(self.pending, Some(Pending::Cancel(pending)) if pending == number) {
            return self.cancelled_by_broker(number);
        }
        self.pending = None;
        if let Some(subscriber) = self.remove_consumer(number)
            && !subscriber.nowait
        {
            self.output.method(
                self.number,
                &basic::CancelOk {
                    consumer_tag: subscriber.tag(),
                },
            );
        }
        self.resume(ctx, |_| Ok(()));
    }

    /// The queue went away under a consumer: before it was registered, while it was being cancelled, or in between.
    fn consumer_queue_gone(&mut self, number: u32, crashed: bool, ctx: &mut Context<Self>) {
        match self.pending {
            Some(Pending::Subscription(pending)) if pending == number => {
                self.pending = None;
                let refused = if crashed {
                    lost("queue")
                } else {
                    names::no_queue(&self.queue_of(number), &self.session.vhost.name)
                };
                self.remove_consumer(number);
                self.resume(ctx, |_| Err(refused.on(basic::Consume::IDS)));
            }
            Some(Pending::Cancel(pending)) if pending == number => self.cancelled(number, ctx),
            _ => self.cancelled_by_broker(number),
        }
    }

    /// A consumer ends that the client has not cancelled.
    fn cancelled_by_broker(&mut self, number: u32) {
        if let Some(subscriber) = self.remove_consumer(number)
            && self.session.cancel_notify
        {
            let cancel = basic::Cancel {
                consumer_tag: subscriber.tag(),
                nowait: true,
            };
            self.output.method(self.number, &cancel);
        }
    }

    fn queue_of(&self, number: u32) -> Name {
        let attached = self
            .subscriptions
            .get(number)
            .and_then(|found| self.attachments.get(found.queue));
        attached
            .map(|attachment| attachment.queue.name.clone())
            .unwrap_or_default()
    }

    /// Takes a consumer off the books, with the budget it was lent.
    pub(super) fn remove_consumer(&mut self, number: u32) -> Option<Subscriber> {
        let subscriber = self.subscriptions.remove(number)?;
        self.attachments.release(subscriber.queue);
        if let Some(budget) = &mut self.budget {
            let grants = budget.remove(subscriber.id);
            self.lend(grants);
        }
        Some(subscriber)
    }
}
