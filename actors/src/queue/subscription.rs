//! How a consumer wants to be served, as basic.consume says it.

use std::time::Duration;

use leveret_protocol::{Exception, method::basic::Consume};

use super::{arguments::Arguments, kind::QueueKind};
use crate::publication::Seat;

/// How a consumer wants to be served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Subscription {
    /// Messages are settled by being handed out.
    pub no_ack: bool,
    /// No other consumer is allowed.
    pub exclusive: bool,
    /// It has no standing credit: it is offered messages, and answers with credit for them.
    pub on_offer: bool,
    /// Consumers of a higher priority are served first while they have credit.
    pub priority: i64,
    /// How long it may keep a message unsettled, whatever the queue says: zero for as long as it likes.
    pub timeout: Option<Duration>,
    /// Where it sits, if it is served with others of its connection.
    pub seat: Option<Seat>,
}

impl Subscription {
    /// What basic.consume asks for at the queue of this name and type.
    ///
    /// # Errors
    ///
    /// 406 when an argument has the wrong type or value, or is for streams. Arguments this broker does not know mean nothing.
    pub fn parse(
        consume: &Consume<'_>,
        (queue, kind): (&str, QueueKind),
        vhost: &str,
    ) -> Result<Self, Exception> {
        let arguments = Arguments {
            table: &consume.arguments,
            queue,
            vhost,
        };
        arguments.check_known(["x-stream-offset"], kind)?;
        // It was for mirrored queues.
        arguments.truth("x-cancel-on-ha-failover")?;
        Ok(Subscription {
            no_ack: consume.no_ack,
            exclusive: consume.exclusive,
            priority: arguments.integer("x-priority")?.unwrap_or_default(),
            on_offer: false,
            timeout: arguments.time("x-consumer-timeout")?,
            seat: None,
        })
    }
}
