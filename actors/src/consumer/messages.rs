//! The mailbox of a consumer, and what a consumer tells its channel.
//!
//! What a queue sends it is [`Supply`](crate::queue::messages::Supply).

use std::rc::Rc;

use actix::prelude::*;

use super::unheard::Unheard;
use crate::publication::Handout;
use crate::queue::messages::InExclusiveUse;

/// The channel settled that many of this consumer's deliveries.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Settled {
    /// How many.
    pub messages: u32,
}

/// The channel lends part of its channel-wide budget, in answer to an offer.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Lend {
    /// How many messages.
    pub messages: u32,
}

/// The channel-wide limit came (true) or went.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct ChannelLimit {
    /// Whether there is one now.
    pub on: bool,
}

/// The client cancels. Answered with [`Report::Cancelled`] after the last delivery.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Cancel;

/// That much of what the consumer delivered has been written to the socket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct Written {
    /// Messages.
    pub messages: u32,
    /// Bytes, as the handouts counted them.
    pub bytes: u64,
}

/// Travels with encoded deliveries to the writer and tells the consumer when they have left, or
/// when nobody will ever write them.
#[derive(Debug)]
pub struct Receipt {
    /// Where it is counted until that is worth a mail to the consumer.
    pub unheard: Rc<Unheard>,
    /// Messages covered.
    pub messages: u32,
    /// Bytes covered.
    pub bytes: u64,
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some(written) = self.unheard.add(self.messages, self.bytes) {
            self.unheard.say(written);
        }
    }
}

/// What a consumer tells its channel, all on one road.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct FromConsumer {
    /// The channel's key of the consumer.
    pub consumer: u32,
    /// What happened.
    pub report: Report,
}

/// What happened to a consumer.
#[derive(Debug)]
pub enum Report {
    /// The queue accepted or refused it.
    Subscribed(Result<(), InExclusiveUse>),
    /// Messages for the client.
    Deliveries(Handout),
    /// Messages wait for lent budget.
    Offer,
    /// That much lent budget was not needed.
    Unused(u32),
    /// The cancel is done; no deliveries follow.
    Cancelled,
    /// The queue is gone; no deliveries follow.
    QueueGone {
        /// It was not deleted, but crashed.
        crashed: bool,
    },
}
