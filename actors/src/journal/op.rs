//! What a log is asked to write.

use std::sync::Arc;

use super::Return;
use super::index::{Location, MessageId};
use super::record::Positions;
use crate::id::StoreId;
use crate::publication::Page;

/// What a log is asked to write.
#[derive(Debug)]
pub enum Op {
    /// New messages of a queue.
    Append {
        /// The queue.
        store: StoreId,
        /// Where the publications are.
        page: Arc<Page>,
        /// The messages' positions, and the places of their publications in the page.
        messages: Vec<(u64, u32)>,
        /// As [`Batch::deadlines`](super::Batch::deadlines).
        deadlines: Vec<u64>,
        /// Answered when the messages are safe.
        ticket: u64,
    },
    /// Messages copied from an old segment.
    Moved {
        /// Where the publications are.
        page: Arc<Page>,
        /// The messages.
        messages: Vec<Copied>,
        /// The bodies that go without their publications.
        bodies: Vec<CopiedBody>,
    },
    /// Messages are gone.
    Settled {
        /// The queue.
        store: StoreId,
        /// Which.
        positions: Vec<Positions>,
    },
    /// Messages have come back.
    Returned {
        /// The queue.
        store: StoreId,
        /// Which.
        returns: Vec<Return>,
    },
    /// Messages up to a position may have been delivered.
    HandedOut {
        /// The queue.
        store: StoreId,
        /// The highest.
        upto: u64,
    },
    /// A queue is gone.
    QueueDeleted {
        /// The queue.
        store: StoreId,
    },
    /// The broker stops in order.
    Stopped,
}

/// A message that was copied from an old segment.
#[derive(Debug, Clone, Copy)]
pub struct Copied {
    /// Which.
    pub message: MessageId,
    /// The place of its publication in the page of the copies.
    pub offset: u32,
    /// When it expires, in milliseconds since the Unix epoch; 0 when it does not.
    pub deadline: u64,
    /// Where it was copied from.
    pub from: Location,
    /// The body, if that is elsewhere, and not in the page.
    pub body: Option<Lender>,
}

/// A body that was copied from an old segment for publications that have none.
#[derive(Debug, Clone, Copy)]
pub struct CopiedBody {
    /// Its name.
    pub name: Location,
    /// The place of a publication with this body in the page of the copies.
    pub offset: u32,
    /// Where it was copied from.
    pub from: Location,
}

/// A body that is elsewhere.
#[derive(Debug, Clone, Copy)]
pub struct Lender {
    /// Its name: where the record began that had it first.
    pub name: Location,
    /// Its length in bytes.
    pub len: u32,
}

impl Op {
    /// The queue that it concerns, if it is one.
    pub(super) fn store(&self) -> Option<StoreId> {
        match self {
            Op::Append { store, .. }
            | Op::Settled { store, .. }
            | Op::Returned { store, .. }
            | Op::HandedOut { store, .. }
            | Op::QueueDeleted { store } => Some(*store),
            Op::Moved { .. } | Op::Stopped => None,
        }
    }

    /// Whether it must soon be durable. Losing the others costs a redelivery, a count that is too low, or nothing: which
    /// queues there are, the definitions say.
    pub(super) fn is_urgent(&self) -> bool {
        !matches!(
            self,
            Op::Settled { .. } | Op::Returned { .. } | Op::HandedOut { .. } | Op::QueueDeleted { .. }
        )
    }
}
