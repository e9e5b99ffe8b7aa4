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
use super::index::MessageId;
use crate::id::StoreId;
use crate::publication::Publication;

/// Bytes of a record before its payload.
pub(super) const RECORD_HEADER: usize = 16;
/// Bytes of a publication's payload before its exchange.
pub(super) const PUBLICATION_FIXED: usize = 24;
/// Bytes of one message in the record of those that came back.
const RETURN: usize = 20;

pub(super) const PUBLICATION: u8 = 1;
pub(super) const REFERENCE: u8 = 2;
pub(super) const SETTLED: u8 = 3;
pub(super) const HANDED_OUT: u8 = 4;
pub(super) const QUEUE_DELETED: u8 = 5;
pub(super) const STOPPED: u8 = 6;
pub(super) const RETURNED: u8 = 7;

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
                    body: Body::Slice(fields.0),
                    persistent: !is(flags::TRANSIENT),
                    dead_lettered: is(flags::DEAD_LETTERED),
                    blind: is(flags::BLIND),
                    body_len: u32::try_from(fields.0.len()).ok()?,
                };
                Record::Publication {
                    store,
                    position,
                    deadline,
                    publication,
                }
            }
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::gather::Gather;
    use super::super::header::SegmentHeader;
    use super::*;

    const SALT: u64 = 0x1234_5678_9abc_def0;

    fn publication(body: Body<'_>) -> Publication<'_> {
        Publication {
            exchange: b"orders",
            routing_key: b"eu.new",
            properties: &[0x10, 0, 2],
            body_len: body.len() as u32,
            body,
            persistent: true,
            dead_lettered: false,
            blind: false,
        }
    }

    fn back(position: u64, attempts: u32, due: u64) -> Return {
        Return {
            position,
            attempts,
            due,
        }
    }

    fn gathered(write: impl FnOnce(&mut Gather)) -> Vec<u8> {
        let mut gather = Gather::default();
        gather.begin(SALT, 0);
        write(&mut gather);
        let bytes = gather.slices().concat();
        assert_eq!(bytes.len() as u64, gather.len());
        bytes
    }

    #[test]
    fn every_kind_of_record_reads_back() {
        let ranges = vec![Positions { first: 1, last: 5 }, Positions { first: 9, last: 9 }];
        let returns = vec![back(1, 2, 3), back(4, u32::MAX, 0)];
        let large = Bytes::from(vec![7; 100_000]);
        let special = Publication {
            persistent: false,
            dead_lettered: true,
            blind: true,
            ..publication(Body::Slice(b"gone tomorrow"))
        };
        let bytes = gathered(|gather| {
            gather.publication(StoreId(1), 2, 0, publication(Body::Slice(b"hello")));
            gather.publication(StoreId(1), 3, 1 << 40, publication(Body::Shared(large.clone())));
            gather.publication(StoreId(1), 4, 7, special.clone());
            gather.reference(StoreId(4), 5, 0, 6);
            gather.reference(StoreId(4), 6, 99, 6);
            gather.settled(StoreId(1), &ranges);
            gather.returned(StoreId(1), &returns);
            gather.handed_out(StoreId(1), 77);
            gather.queue_deleted(StoreId(1));
            gather.stopped();
        });
        let mut at = 0;
        let mut records = Vec::new();
        while let Some((record, next)) = Record::read(&bytes, SALT, at) {
            records.push(record);
            at = next;
        }
        assert_eq!(at, bytes.len());
        let store = StoreId(1);
        let expected = [
            Record::Publication {
                store,
                position: 2,
                deadline: 0,
                publication: publication(Body::Slice(b"hello")),
            },
            Record::Publication {
                store,
                position: 3,
                deadline: 1 << 40,
                publication: publication(Body::Slice(&large)),
            },
            Record::Publication {
                store,
                position: 4,
                deadline: 7,
                publication: special.clone(),
            },
            Record::Reference {
                store: StoreId(4),
                position: 5,
                offset: 6,
                deadline: 0,
            },
            Record::Reference {
                store: StoreId(4),
                position: 6,
                offset: 6,
                deadline: 99,
            },
            Record::Settled {
                store,
                positions: ranges,
            },
            Record::Returned { store, returns },
            Record::HandedOut { store, upto: 77 },
            Record::QueueDeleted { store },
            Record::Stopped,
        ];
        assert_eq!(records, expected);
    }

    #[test]
    fn no_flipped_bit_goes_unnoticed() {
        let good = gathered(|gather| {
            gather.publication(StoreId(1), 2, 3, publication(Body::Slice(b"hello")));
        });
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Record::read(&bad, SALT, 0), None, "bit {bit}");
        }
    }

    #[test]
    fn a_record_is_good_only_in_its_segment_and_place() {
        let good = gathered(|gather| gather.queue_deleted(StoreId(1)));
        assert!(Record::read(&good, SALT, 0).is_some());
        assert_eq!(Record::read(&good, SALT + 1, 0), None);
        let moved = [&[0; 8][..], &good].concat();
        assert_eq!(Record::read(&moved, SALT, 8), None);
    }

    /// What is on disks now must be readable for ever.
    #[test]
    fn the_format_is_as_documented() {
        let header = SegmentHeader {
            version: 2,
            number: 1,
            salt: 2,
        };
        let header = header.encode();
        let record = gathered(|gather| gather.handed_out(StoreId(3), 4));
        assert_eq!(header[..24], *b"LEVERETJ\x02\0\0\0\x01\0\0\0\x02\0\0\0\0\0\0\0");
        assert_eq!(record[..8], *b"\x10\0\0\0\x04\0\0\0");
        assert_eq!(record[16..], *b"\x03\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0");
    }

    #[test]
    fn a_plain_message_takes_forty_bytes_besides_what_was_published_and_a_deadline_eight() {
        let size = |deadline| {
            let record = |gather: &mut Gather| {
                gather.publication(StoreId(1), 2, deadline, publication(Body::Slice(b"hello")));
            };
            gathered(record).len() - "orderseu.new".len() - 3 - "hello".len()
        };
        assert_eq!((size(0), size(1)), (40, 48));
    }
}
