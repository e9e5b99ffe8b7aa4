//! The mailbox of a queue, and what a queue says to others.
//!
//! Everything a channel does to a queue comes on one road, channel → queue, so that its effects are
//! seen in the order of its commands. Credit alone comes from the consumers.

use std::sync::Arc;

use actix::prelude::*;
use smallvec::SmallVec;

use crate::id::{ChannelId, ConsumerId, QueueId};
use crate::publication::{Handout, Page, Part, Tray};
use crate::queue::effective::Effective;
pub use crate::queue::subscribers::InExclusiveUse;
use crate::queue::{Browsed, Fate, Grant, Outcome, Subscription};
use crate::return_address::ReturnAddress;
use crate::window::Permit;

/// The queue is deleted: it takes no more requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deleted;

/// The first mail of a channel to a queue.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Attach {
    /// Who attaches.
    pub channel: ChannelId,
    /// Where the queue's notices go; unread, the channel hears that the queue has crashed.
    pub peer: ReturnAddress<QueueNotice>,
}

/// The last mail of a channel: what it has not settled goes back, its consumers go.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Detach {
    /// Who leaves.
    pub channel: ChannelId,
}

/// Publications for this queue, in order.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Enqueue {
    /// The publications, and what covers their bytes until they are taken.
    pub part: Part,
    /// Those that channels want to hear of, in order.
    pub runs: Runs,
}

impl Enqueue {
    /// Those of one channel, which wants to hear of them with this number.
    pub fn of(channel: ChannelId, part: Part, confirm: Option<u64>) -> Self {
        let to = part.offsets().len() as u32;
        let run = |upto| Run {
            channel,
            upto,
            from: 0,
            to,
        };
        Enqueue {
            part,
            runs: confirm.map(run).into_iter().collect(),
        }
    }
}

/// Publications of one channel, side by side in a mail.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Which channel.
    pub channel: ChannelId,
    /// The number of the last one, for [`QueueNotice::Stored`].
    pub upto: u64,
    /// The place of the first one among the mail's.
    pub from: u32,
    /// The place behind the last one.
    pub to: u32,
}

/// The runs of a mail, most often one.
pub type Runs = SmallVec<[Run; 1]>;

/// Acknowledgements and rejections in their order.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Settle {
    /// From which channel.
    pub channel: ChannelId,
    /// Runs of equal outcome; the keys are those of the deliveries.
    pub runs: Vec<(Outcome, Vec<u32>)>,
}

/// A new consumer. Answered on the consumer's road with [`Supply::Subscribed`].
#[derive(Message)]
#[rtype(result = "()")]
pub struct Subscribe {
    /// The channel it belongs to; attached before.
    pub channel: ChannelId,
    /// The consumer's id.
    pub consumer: ConsumerId,
    /// The consumer's mailbox; unread, the consumer hears that the queue has crashed.
    pub supply: ReturnAddress<Supply>,
    /// What it asked for.
    pub subscription: Subscription,
    /// The hall that its [seat](Subscription::seat) is in: mail for it goes there.
    pub hall: Option<Recipient<ToHall>>,
}

/// The end of a consumer. Answered with [`Supply::Unsubscribed`] after the last delivery.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Unsubscribe {
    /// Which one.
    pub consumer: ConsumerId,
}

/// A consumer can take more.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Credit {
    /// Which one.
    pub consumer: ConsumerId,
    /// How much more.
    pub grant: Grant,
}

/// A channel-wide prefetch limit came or went: with one, credit is lent against an offer.
#[derive(Message)]
#[rtype(result = "()")]
pub struct LendOnOffer {
    /// Which consumer.
    pub consumer: ConsumerId,
    /// Whether there is a limit now.
    pub on: bool,
}

/// What basic.get takes.
#[derive(Debug)]
pub struct Got {
    /// One delivery.
    pub handout: Handout,
    /// Messages that are ready after it.
    pub ready_left: u32,
}

/// basic.get.
#[derive(Message)]
#[rtype(result = "Result<Option<Got>, Deleted>")]
pub struct Get {
    /// For which channel; attached before.
    pub channel: ChannelId,
    /// Whether it is settled by being delivered.
    pub no_ack: bool,
}

/// queue.purge: answers how many ready messages were dropped.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<u32, Deleted>")]
pub struct Purge;

/// Policies have changed: this holds for the queue from now on. Messages that are in it keep the deadlines they got.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Amend(pub Arc<Effective>);

/// The counts of queue.declare-ok.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Inspection {
    /// Ready messages.
    pub ready: u32,
    /// Consumers.
    pub consumers: u32,
    /// Messages delivered and not settled.
    pub unacked: u32,
    /// Bytes of memory the waiting and unsettled messages hold.
    pub bytes: u64,
    /// Ready messages that are not in memory.
    pub absent: u64,
    /// Messages that came back and are not ready before they are due.
    pub resting: usize,
}

/// Asks for the counts.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Inspection, Deleted>")]
pub struct Inspect;

/// The messages of the process take too much memory: what need not be in it leaves it.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Reclaim;

/// The broker stops in order: no more mail follows. The journal is told all it has to know.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Conclude;

/// Why queue.delete was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// `if-unused`, and it has consumers.
    InUse,
    /// `if-empty`, and it has ready messages.
    NotEmpty,
}

/// queue.delete: answers how many ready messages went with it. A queue that is deleted already answers 0.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<u32, Refusal>")]
pub struct Delete {
    /// Refuse while there are consumers.
    pub if_unused: bool,
    /// Refuse while there are ready messages.
    pub if_empty: bool,
}

/// Asks for waiting messages from a position on, for someone who only looks.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Browsed, Deleted>")]
pub struct Browse {
    /// The first position.
    pub from: u64,
    /// So many messages at most.
    pub most: usize,
    /// About so many bytes at most, but one message at least.
    pub most_bytes: u64,
}

/// Takes waiting messages away; answers how many of them still waited.
#[derive(Debug, Message)]
#[rtype(result = "Result<usize, Deleted>")]
pub struct TakeAway {
    /// Their positions and levels.
    pub places: Vec<(u64, u8)>,
    /// What becomes of them.
    pub fate: Fate,
}

/// What a queue tells the channels attached to it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub enum QueueNotice {
    /// Everything this channel sent with a `confirm` number up to `upto` is safe.
    Stored {
        /// The queue.
        queue: QueueId,
        /// The highest number that is covered.
        upto: u64,
    },
    /// The same of several queues, each with its number.
    StoredBy(Vec<(QueueId, u64)>),
    /// Some of a batch that this channel sent are refused, since the queue is full. Comes before what covers the others.
    Refused {
        /// The queue.
        queue: QueueId,
        /// The batch's `confirm` number.
        upto: u64,
        /// How many publications the batch had.
        of: u32,
        /// The refused ones, by their places in the batch.
        refused: Vec<u32>,
    },
    /// Deliveries to this channel are unsettled for longer than the queue allows: it wants them back.
    Overdue {
        /// The queue.
        queue: QueueId,
        /// Their keys.
        keys: Vec<u32>,
        /// How long they may be unsettled, in milliseconds.
        timeout: u64,
    },
    /// The queue is no more.
    Gone {
        /// The queue.
        queue: QueueId,
        /// It crashed: what it had not stored is not safe.
        crashed: bool,
    },
}

/// What a queue sends a consumer, all on one road.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub enum Supply {
    /// The consumer is registered, or was refused because of an exclusive one.
    Subscribed(Result<(), InExclusiveUse>),
    /// Messages.
    Deliver(Handout),
    /// Messages that only passed the queue. They need no settlement.
    PassOn(Part),
    /// Messages wait for lent credit.
    Offer,
    /// Lent credit for that many messages found nothing to deliver.
    Unused(u32),
    /// The consumer is unregistered: nothing follows.
    Unsubscribed,
    /// The queue is no more: nothing follows.
    QueueGone {
        /// It was not deleted, but crashed.
        crashed: bool,
    },
}

/// What a queue sends consumers that sit in a hall, all on one road.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub enum ToHall {
    /// Messages for some of them.
    Tray(Tray),
    /// Messages that only passed the queue, for one of them. They need no settlement.
    PassOn {
        /// Which one.
        consumer: ConsumerId,
        /// Where it sits.
        seat: u32,
        /// The messages.
        part: Part,
    },
    /// Anything else for one of them. It goes there from this address, which nobody reads, when it is its turn, or when the
    /// connection has no hall any more.
    For(ReturnAddress<Supply>),
}

/// A reply on its way to the channel that consumes `amq.rabbitmq.reply-to`.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct DirectReply {
    /// Where the reply is.
    pub page: Arc<Page>,
    /// Which of the page's publications it is.
    pub offset: u32,
    /// Covers its bytes on their way to the requester.
    pub permit: Option<Permit>,
}
