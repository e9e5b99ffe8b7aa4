//! The records of a segment, byte by byte; see `docs/storage.md`. Pure.
//!
//! A record's checks are salted with a random number of its segment and with its place in it. What a client
//! publishes can therefore never be taken for a record, not even while looking for the next good one after
//! damage.

use leveret_protocol::Body;

use super::Return;
use super::checks::{is_whole, len_at};
use super::fields::Fields;
use super::flags;
use super::index::{Location, MessageId};
use crate::id::StoreId;
use crate::publication::Publication;

/// Bytes of a record before its payload.
pub(super) const RECORD_HEADER: usize = 16;
/// Bytes of a publication's payload before its exchange.
pub(super) const PUBLICATION_FIXED: usize = 24;
/// Bytes that tell where a body is, and how long.
pub(super) const ELSEWHERE: usize = 12;
/// Bytes of one message in the record of those that came back.
const RETURN: usize = 20;

pub(super) const PUBLICATION: u8 = 1;
pub(super) const REFERENCE: u8 = 2;
pub(super) const SETTLED: u8 = 3;
pub(super) const HANDED_OUT: u8 = 4;
pub(super) const QUEUE_DELETED: u8 = 5;
pub(super) const STOPPED: u8 = 6;
pub(super) const RETURNED: u8 = 7;
pub(super) const BORROWER: u8 = 8;
pub(super) const BODY: u8 = 9;

/// Positions of a queue, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Positions {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

impl Positions {
    /// A single one.
    pub(crate) fn one(position: u64) -> Self {
        Positions {
            first: position,
            last: position,
        }
    }

    /// All there can be.
    pub const ALL: Positions = Positions {
        first: 0,
        last: u64::MAX,
    };
}

/// A record as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record<'a> {
    /// A publication and the first queue that has it.
    Publication {
        /// The queue.
        store: StoreId,
        /// Its place in the queue.
        position: u64,
        /// When it expires there, in milliseconds since the Unix epoch; 0 when it does not.
        deadline: u64,
        /// The message.
        publication: Publication<'a>,
    },
    /// A publication whose body is elsewhere, and the first queue that has it.
    Borrower {
        /// The queue.
        store: StoreId,
        /// Its place in the queue.
        position: u64,
        /// When it expires there, in milliseconds since the Unix epoch; 0 when it does not.
        deadline: u64,
        /// The message. Its body is empty, and `body_len` tells how long it really is.
        publication: Publication<'a>,
        /// The name of the body.
        body: Location,
    },
    /// A body that has moved.
    Body {
        /// Its name: where the record began that had it first.
        name: Location,
        /// What it is.
        body: &'a [u8],
    },
    /// A further queue that has a publication of the same segment.
    Reference {
        /// The queue.
        store: StoreId,
        /// Its place in the queue.
        position: u64,
        /// Where in the segment the publication's record begins.
        offset: u32,
        /// When it expires there, in milliseconds since the Unix epoch; 0 when it does not.
        deadline: u64,
    },
    /// Messages of a queue are gone.
    Settled {
        /// The queue.
        store: StoreId,
        /// Which messages.
        positions: Vec<Positions>,
    },
    /// Messages of a queue up to a position may have been delivered.
    HandedOut {
        /// The queue.
        store: StoreId,
        /// The highest position.
        upto: u64,
    },
    /// A queue is gone with all its messages.
    QueueDeleted {
        /// The queue.
        store: StoreId,
    },
    /// Messages of a queue have come back.
    Returned {
        /// The queue.
        store: StoreId,
        /// Which messages.
        returns: Vec<Return>,
    },
    /// The broker stopped in order: nothing is missing.
    Stopped,
}

impl<'a> Record<'a> {
    /// The record at `at` of a segment and the place of the next one. `None` when there is no good one.
    pub fn read(segment: &'a [u8], salt: u64, at: usize) -> Option<(Record<'a>, usize)> {
        Self::read_from(segment, 0, salt, at)
    }

    /// As [`read`](Self::read), of a part of a segment that begins at `from`.
    pub fn read_from(part: &'a [u8], from: usize, salt: u64, at: usize) -> Option<(Record<'a>, usize)> {
        let rest = part.get(at.checked_sub(from)?..)?;
        let record = rest.get(..len_at(rest, salt, at)?)?;
        if !is_whole(record) {
            return None;
        }
        Some((Self::decode(record)?, at + record.len()))
    }

    /// The message it tells of, where its publication's record begins, and its deadline; `at` is where this one does.
    pub(super) fn message(&self, at: u32) -> Option<(MessageId, u32, u64)> {
        let (store, position, offset, deadline) = match *self {
            Record::Publication {
                store,
                position,
                deadline,
                ..
            }
            | Record::Borrower {
                store,
                position,
                deadline,
                ..
            } => (store, position, at, deadline),
            Record::Reference {
                store,
                position,
                offset,
                deadline,
            } => (store, position, offset, deadline),
            _ => return None,
        };
        Some((MessageId { store, position }, offset, deadline))
    }

    /// What the bytes of a record say, whose checks are good.
    pub(super) fn decode(record: &'a [u8]) -> Option<Self> {
        let (head, payload) = record.split_at_checked(RECORD_HEADER)?;
        let mut fields = Fields(payload);
        Some(match *head.get(4)? {
            PUBLICATION => {
                let (store, position, deadline, publication) = publication(&mut fields)?;
                let publication = Publication {
                    body: Body::Slice(fields.0),
                    body_len: u32::try_from(fields.0.len()).ok()?,
                    ..publication
                };
                Record::Publication {
                    store,
                    position,
                    deadline,
                    publication,
                }
            }
            BORROWER => {
                let (store, position, deadline, publication) = publication(&mut fields)?;
                let body = location(&mut fields)?;
                let body_len = fields.u32()?;
                Record::Borrower {
                    store,
                    position,
                    deadline,
                    publication: Publication {
                        body_len,
                        ..publication
                    },
                    body,
                }
            }
            BODY => Record::Body {
                name: location(&mut fields)?,
                body: fields.0,
            },
            REFERENCE => Record::Reference {
                store: StoreId(fields.u64()?),
                position: fields.u64()?,
                offset: fields.u32()?,
                deadline: fields.u64().unwrap_or_default(),
            },
            SETTLED => {
                let store = StoreId(fields.u64()?);
                let mut positions = Vec::with_capacity(fields.0.len() / 16);
                while let (Some(first), Some(last)) = (fields.u64(), fields.u64()) {
                    positions.push(Positions { first, last });
                }
                Record::Settled { store, positions }
            }
            HANDED_OUT => Record::HandedOut {
                store: StoreId(fields.u64()?),
                upto: fields.u64()?,
            },
            QUEUE_DELETED => Record::QueueDeleted {
                store: StoreId(fields.u64()?),
            },
            RETURNED => {
                let store = StoreId(fields.u64()?);
                let mut returns = Vec::with_capacity(fields.0.len() / RETURN);
                while let (Some(position), Some(attempts), Some(due)) =
                    (fields.u64(), fields.u32(), fields.u64())
                {
                    returns.push(Return {
                        position,
                        attempts,
                        due,
                    });
                }
                Record::Returned { store, returns }
            }
            STOPPED => Record::Stopped,
            _ => return None,
        })
    }
}

/// The length of the record of a publication whose body is elsewhere.
pub(super) fn borrower_len(publication: &Publication<'_>, deadline: u64) -> usize {
    let names = publication.exchange.len() + publication.routing_key.len();
    let deadline = if deadline == 0 { 0 } else { 8 };
    RECORD_HEADER + PUBLICATION_FIXED + deadline + names + publication.properties.len() + ELSEWHERE
}

/// A publication without its body, the queue that had it first, its place there and its deadline.
fn publication<'a>(fields: &mut Fields<'a>) -> Option<(StoreId, u64, u64, Publication<'a>)> {
    let (store, position) = (StoreId(fields.u64()?), fields.u64()?);
    let lengths = fields.take(4)?;
    let properties = fields.u32()? as usize;
    let (exchange, key, said) = (*lengths.first()?, *lengths.get(1)?, *lengths.get(2)?);
    let is = |flag| said & flag != 0;
    let deadline = if is(flags::DEADLINE) { fields.u64()? } else { 0 };
    let publication = Publication {
        exchange: fields.take(exchange.into())?,
        routing_key: fields.take(key.into())?,
        properties: fields.take(properties)?,
        body: Body::Slice(&[]),
        persistent: !is(flags::TRANSIENT),
        dead_lettered: is(flags::DEAD_LETTERED),
        blind: is(flags::BLIND),
        body_len: 0,
    };
    Some((store, position, deadline, publication))
}

fn location(fields: &mut Fields<'_>) -> Option<Location> {
    Some(Location {
        segment: fields.u32()?,
        offset: fields.u32()?,
    })
}

#[cfg(test)]
mod tests;
