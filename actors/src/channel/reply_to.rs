//! Direct reply-to: replies that go from channel to channel, without a queue.
//!
//! A requester that consumes `amq.rabbitmq.reply-to` gets an address of its own. Its requests carry
//! that address; what is published to the default exchange with it as the key is delivered to the channel if it is
//! still there, and is dropped otherwise. Replies are delivered at most once.

use std::sync::Arc;

use actix::prelude::*;
use leveret_protocol::method::basic;
use leveret_protocol::{Body, BodyRef, Exception, ReplyCode};
use tracing::debug;

use super::actor::Channel;
use super::publish::Checked;
use crate::name::Name;
use crate::node::Context;
use crate::publication::{Page, PageBuilder};
use crate::queue::messages::DirectReply;
use crate::vhost::directory::Directory;
use crate::vhost::names;

/// Bytes of unread answers at which a requester that does not read loses replies.
const MOST_UNREAD: usize = 16 * 1024 * 1024;

/// A requester's subscription to its replies.
pub(super) struct ReplyTo {
    /// The consumer tag replies are delivered with.
    pub(super) tag: Name,
    /// The address requests carry.
    pub(super) address: Name,
    directory: Arc<Directory>,
}

impl Drop for ReplyTo {
    /// Requests that are out can't be answered any more.
    fn drop(&mut self) {
        self.directory.remove_reply_address(&self.address);
    }
}

impl Channel {
    /// Starts to take replies.
    pub(super) fn consume_replies(
        &mut self,
        consume: &basic::Consume<'_>,
        ctx: &mut Context<Self>,
    ) -> Result<(), Exception> {
        let refused = |text: &str| Err(Exception::new(ReplyCode::PreconditionFailed, text));
        if self.reply_to.is_some() {
            return refused("reply consumer already set");
        }
        if !consume.no_ack {
            return refused("reply consumer cannot acknowledge");
        }
        let tag = self.new_consumer_tag(consume.consumer_tag)?;
        let address = names::generated_reply_address();
        let directory = Arc::clone(&self.session.vhost.directory);
        directory.put_reply_address(address.clone(), ctx.address().recipient());
        if !consume.nowait {
            self.output
                .method(self.number, &basic::ConsumeOk { consumer_tag: &tag });
        }
        self.reply_to = Some(ReplyTo {
            tag,
            address,
            directory,
        });
        Ok(())
    }

    /// The address for a request that asks for direct replies.
    pub(super) fn reply_address(&self) -> Result<Name, Exception> {
        self.reply_to
            .as_ref()
            .map(|reply_to| reply_to.address.clone())
            .ok_or_else(|| {
                Exception::new(
                    ReplyCode::PreconditionFailed,
                    "fast reply consumer does not exist",
                )
            })
    }

    /// Sends a reply to the channel that waits for it.
    pub(super) fn reply(&mut self, checked: &Checked<'_>, body: Body<'_>) {
        let Some(requester) = self.session.vhost.directory.reply_address(checked.key) else {
            return self.unroutable(checked, &body);
        };
        let mut page = PageBuilder::new();
        let offset = page.copy(checked.publication(body));
        requester.do_send(DirectReply {
            page: page.finish(),
            offset,
            permit: self.inbox.permit().cloned(),
        });
        if let Some(confirms) = &mut self.confirms {
            confirms.publish();
        }
    }

    /// Delivers a reply to the client.
    pub(super) fn deliver_reply(&mut self, page: &Page, offset: u32) {
        let Some(reply_to) = &self.reply_to else { return };
        if self.session.backlog.unread() > MOST_UNREAD {
            debug!(
                channel = self.number,
                "a direct reply is dropped: the requester does not read"
            );
            return;
        }
        let publication = page.get(offset);
        let tag = self.tags.next();
        let (number, frame_max) = (self.number, self.session.frame_max);
        self.output.answer(|chunk| {
            chunk.deliver(
                number,
                &reply_to.tag,
                tag,
                false,
                publication.exchange,
                publication.routing_key,
                &publication.shown_properties(),
                BodyRef::from(&publication.body),
                frame_max,
            );
        });
    }
}
