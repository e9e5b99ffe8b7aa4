//! What a channel knows of its connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix::prelude::*;
use leveret_protocol::Exception;
use leveret_protocol::reply_code::ReplyCode;

use super::mailbag::Mailbag;
use super::messages::Raise;
use super::unfinished::Unfinished;
use crate::consumer::windows::Windows;
use crate::id::ConnectionId;
use crate::name::Name;
use crate::node::{Access, Node, Resource, WorkerId};
use crate::vhost::VhostHandle;
use crate::vhost::messages::ReleaseExclusive;
use crate::writer::backlog::Backlog;
use crate::writer::outbox::Outbox;

/// What a connection and its channels share. When the last of them is gone, however they went, so are the exclusive
/// queues of the connection: until then a channel may still declare one.
pub(crate) struct Session {
    pub(crate) connection: ConnectionId,
    pub(crate) user: Name,
    pub(crate) vhost: Arc<VhostHandle>,
    pub(crate) node: Arc<Node>,
    pub(crate) worker: WorkerId,
    pub(crate) outbox: Outbox,
    pub(crate) mailbag: Mailbag,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) unfinished: Arc<Unfinished>,
    pub(crate) windows: Windows,
    pub(crate) raise: Recipient<Raise>,
    pub(crate) frame_max: u32,
    /// The client understands basic.cancel from the broker.
    pub(crate) cancel_notify: bool,
    /// The client means the channel as a whole, and consumers that it has, by a basic.qos that is not global.
    pub(crate) qos_by_channel: bool,
    /// Queues may end with this connection: see [`ends_queues`](Self::ends_queues).
    pub(crate) ending: AtomicBool,
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.ends_queues() {
            self.vhost.addr.do_send(ReleaseExclusive {
                connection: self.connection,
            });
        }
    }
}

impl Session {
    /// Notes, before it does so, that a channel declares an exclusive queue or consumes from one that may be deleted with
    /// its last consumer.
    pub(crate) fn will_end_queues(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// Whether the virtual host has to hear of the end of this connection, and be waited for.
    pub(crate) fn ends_queues(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// Refuses what the user may not do with a resource.
    pub(crate) fn check(&self, access: Access, resource: Resource<'_>) -> Result<(), Exception> {
        let named = match resource {
            Resource::Exchange("") => Resource::Exchange("amq.default"),
            other => other,
        };
        let authority = &self.node.settings.authority;
        if authority.permits(&self.user, &self.vhost.name, access, named) {
            return Ok(());
        }
        let (kind, name) = match named {
            Resource::Exchange(name) => ("exchange", name),
            Resource::Queue(name) => ("queue", name),
        };
        let text = format!(
            "{} access to {kind} '{name}' in vhost '{}' refused for user '{}'",
            access.name(),
            self.vhost.name,
            self.user
        );
        Err(Exception::new(ReplyCode::AccessRefused, text))
    }

    /// Refuses a routing key the user may not use with a topic exchange.
    pub(crate) fn check_topic(&self, access: Access, exchange: &str, key: &str) -> Result<(), Exception> {
        let authority = &self.node.settings.authority;
        if authority.permits_topic(&self.user, &self.vhost.name, access, exchange, key) {
            return Ok(());
        }
        let text = format!(
            "{} access to topic '{key}' in exchange '{exchange}' in vhost '{}' refused for user '{}'",
            access.name(),
            self.vhost.name,
            self.user
        );
        Err(Exception::new(ReplyCode::AccessRefused, text))
    }
}
