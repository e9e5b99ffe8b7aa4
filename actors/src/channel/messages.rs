//! The mailbox of a channel, besides what queues ([`QueueNotice`](crate::queue::messages::QueueNotice)) and
//! consumers ([`FromConsumer`](crate::consumer::messages::FromConsumer)) tell it.

use actix::prelude::*;
use leveret_protocol::Exception;
use leveret_protocol::frame::FrameBatch;

use crate::id::ChannelId;
use crate::window::Permit;

/// Frames of this channel, in order.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Commands {
    pub(crate) batch: FrameBatch,
    /// Covers their bytes.
    pub(crate) permit: Permit,
    /// What was read with them was for this channel too.
    pub(crate) alone: bool,
}

/// The mailbag is to be posted.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Collect;

/// The connection ends: finish what came before, give everything back, stop.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Close;

/// How a channel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The client closed it, or the whole connection ends: its number is free.
    ByClient,
    /// The broker closes it: its number is free when the client has answered.
    ByBroker,
}

/// Tells the connection that a channel has ended, before the client can know.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct ChannelEnded {
    pub(crate) id: ChannelId,
    pub(crate) end: End,
}

/// An exception that ends the connection.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Raise {
    pub(crate) exception: Exception,
}
