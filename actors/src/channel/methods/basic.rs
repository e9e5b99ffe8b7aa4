//! Class basic.

use actix::prelude::*;
use leveret_protocol::method::basic::{self, Method};
use leveret_protocol::{BodyRef, Content, Exception, ReplyCode};

use super::super::actor::Channel;
use super::super::unacked::{NO_CONSUMER, Outstanding};
use super::lost;
use crate::node::{Access, Context, Resource};
use crate::publication::Counted;
use crate::queue::Outcome;
use crate::queue::messages::{Deleted, Get, Got};
use crate::queue::options::QueueKind;
use crate::vhost::names;

impl Channel {
    pub(in crate::channel) fn basic(
        &mut self,
        method: Method<'_>,
        content: Option<Content<'_>>,
        ctx: &mut Context<Self>,
    ) -> Result<(), Exception> {
        if !self.opened {
            return Err(Exception::new(ReplyCode::ChannelError, "expected 'channel.open'"));
        }
        match method {
            Method::Publish(publish) => match content {
                Some(content) => self.publish(&publish, content, ctx),
                None => Err(Exception::new(
                    ReplyCode::UnexpectedFrame,
                    "basic.publish without content",
                )),
            },
            Method::Ack(ack) => self.settle(Outcome::Ack, ack.delivery_tag, ack.multiple),
            Method::Nack(nack) => self.settle(
                back(nack.requeue, Outcome::Requeue),
                nack.delivery_tag,
                nack.multiple,
            ),
            Method::Reject(reject) => {
                self.settle(back(reject.requeue, Outcome::Fail), reject.delivery_tag, false)
            }
            Method::Get(get) => self.get(&get, ctx),
            Method::Consume(consume) => self.consume(consume, ctx),
            Method::Cancel(cancel) => self.cancel(&cancel),
            Method::Qos(qos) => self.qos(&qos, ctx),
            Method::Recover(recover) => {
                self.recover_requeue(recover.requeue)?;
                self.output.method(self.number, &basic::RecoverOk {});
                Ok(())
            }
            Method::RecoverAsync(recover) => self.recover_requeue(recover.requeue),
            // The client's answer to a cancel of ours.
            Method::CancelOk(_) => Ok(()),
            _ => Err(super::misplaced("a method of class basic that servers send")),
        }
    }

    fn recover_requeue(&mut self, requeue: bool) -> Result<(), Exception> {
        if !requeue {
            return Err(Exception::new(ReplyCode::NotImplemented, "requeue=false"));
        }
        self.recover();
        Ok(())
    }

    fn get(&mut self, get: &basic::Get<'_>, ctx: &mut Context<Self>) -> Result<(), Exception> {
        let name = self.named_queue(get.queue)?;
        let handle = self.find_queue(&name)?;
        self.session.check(Access::Read, Resource::Queue(&name))?;
        if handle.options.kind == QueueKind::Quorum && handle.options.single_active_consumer {
            let text = format!(
                "cannot obtain access to locked {}. basic.get operations are not supported by quorum queues with single \
                 active consumer",
                names::queue(&name, &self.session.vhost.name)
            );
            return Err(Exception::new(ReplyCode::ResourceLocked, text));
        }
        handle.dwelling.expect_use(self.session.worker);
        let queue = self
            .attachments
            .attach(handle.clone(), || ctx.address().recipient());
        self.attachments.hold(queue);
        let (channel, no_ack) = (self.id, get.no_ack);
        self.ask(
            |_| async move { handle.addr().send(Get { channel, no_ack }).await },
            ctx,
            move |channel, answer, _| {
                let got = match answer {
                    Ok(Ok(got)) => got,
                    Ok(Err(Deleted)) => {
                        return Err(names::no_queue(&name, &channel.session.vhost.name).on(basic::Get::IDS));
                    }
                    Err(_) => return Err(lost("queue").on(basic::Get::IDS)),
                };
                match got {
                    Some(got) => channel.got(queue, no_ack, &got),
                    None => channel.output.method(channel.number, &basic::GetEmpty {}),
                }
                channel.attachments.release(queue);
                Ok(())
            },
        );
        Ok(())
    }

    fn got(&mut self, queue: u32, no_ack: bool, got: &Got) {
        let (number, frame_max) = (self.number, self.session.frame_max);
        let mut counted = Counted::new(&got.handout.counts);
        for (delivery, publication) in got.handout.publications() {
            let tag = self.tags.next();
            let get_ok = basic::GetOk {
                delivery_tag: tag,
                redelivered: delivery.redelivered,
                exchange: str::from_utf8(publication.exchange).unwrap_or_default(),
                routing_key: str::from_utf8(publication.routing_key).unwrap_or_default(),
                message_count: got.ready_left,
            };
            self.output.answer(|chunk| {
                chunk.method(number, &get_ok);
                chunk.content(
                    number,
                    &counted.next(publication.shown_properties()),
                    BodyRef::from(&publication.body),
                    frame_max,
                );
            });
            if !no_ack {
                self.unacked.push(Outstanding {
                    tag,
                    queue,
                    key: delivery.key,
                    consumer: NO_CONSUMER,
                });
                self.attachments.delivered(queue, 1);
            }
        }
    }
}

/// Whether a delivery goes back, and how.
fn back(requeue: bool, how: Outcome) -> Outcome {
    if requeue { how } else { Outcome::Reject }
}
