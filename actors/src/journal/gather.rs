//! Records on their way to a segment.

use bytes::Bytes;
use leveret_protocol::Body;

use super::checks::{head_check, payload_check};
use super::index::Location;
use super::op::Lender;
use super::record::{
    BODY, BORROWER, HANDED_OUT, PUBLICATION, PUBLICATION_FIXED, Positions, QUEUE_DELETED, RECORD_HEADER,
    REFERENCE, RETURNED, SETTLED, STOPPED,
};
use super::{Return, flags};
use crate::id::StoreId;
use crate::publication::Publication;

/// Bytes on their way to a segment: small ones copied together, large bodies as they are.
#[derive(Debug, Default)]
pub(super) struct Gather {
    salt: u64,
    /// Where in the segment the first byte goes.
    base: u64,
    bytes: Vec<u8>,
    /// Large bodies, each with the count of bytes before it.
    large: Vec<(usize, Bytes)>,
    large_len: u64,
}

impl Gather {
    /// Starts over, for the segment with this salt, at this offset of it.
    pub(super) fn begin(&mut self, salt: u64, base: u64) {
        self.salt = salt;
        self.base = base;
        self.bytes.clear();
        self.large.clear();
        self.large_len = 0;
    }

    /// Bytes gathered.
    pub(super) fn len(&self) -> u64 {
        self.bytes.len() as u64 + self.large_len
    }

    /// All bytes in their order.
    pub(super) fn slices(&self) -> Vec<&[u8]> {
        let mut slices = Vec::with_capacity(1 + 2 * self.large.len());
        let mut from = 0;
        for (upto, body) in &self.large {
            slices.extend(self.bytes.get(from..*upto));
            slices.push(body);
            from = *upto;
        }
        slices.extend(self.bytes.get(from..).filter(|rest| !rest.is_empty()));
        slices
    }

    /// Adds a publication and returns where its record begins. A deadline of 0 is none.
    pub(super) fn publication(
        &mut self,
        store: StoreId,
        position: u64,
        deadline: u64,
        publication: Publication<'_>,
    ) -> u64 {
        let at = self.open_publication(PUBLICATION, store, position, deadline, &publication);
        self.close_with(at, publication.body)
    }

    /// Adds a publication whose body is elsewhere, and returns where its record begins. A deadline of 0 is none.
    pub(super) fn borrower(
        &mut self,
        store: StoreId,
        position: u64,
        deadline: u64,
        publication: &Publication<'_>,
        body: Lender,
    ) -> u64 {
        let at = self.open_publication(BORROWER, store, position, deadline, publication);
        self.location(body.name);
        self.bytes.extend_from_slice(&body.len.to_le_bytes());
        self.close(at, Bytes::new())
    }

    /// Adds a body that moves and keeps its name, and returns where its record begins.
    pub(super) fn body(&mut self, name: Location, body: Body<'_>) -> u64 {
        let at = self.open(BODY);
        self.location(name);
        self.close_with(at, body)
    }

    fn open_publication(
        &mut self,
        kind: u8,
        store: StoreId,
        position: u64,
        deadline: u64,
        publication: &Publication<'_>,
    ) -> Opened {
        let at = self.open(kind);
        self.numbers(&[store.0, position]);
        // Both come from short strings.
        let lengths_and_flags = [
            publication.exchange.len() as u8,
            publication.routing_key.len() as u8,
            flags::of(publication, deadline),
            0,
        ];
        self.bytes.extend_from_slice(&lengths_and_flags);
        let properties = publication.properties.len() as u32;
        self.bytes.extend_from_slice(&properties.to_le_bytes());
        debug_assert_eq!(self.bytes.len(), at.start + RECORD_HEADER + PUBLICATION_FIXED);
        if deadline != 0 {
            self.numbers(&[deadline]);
        }
        self.bytes.extend_from_slice(publication.exchange);
        self.bytes.extend_from_slice(publication.routing_key);
        self.bytes.extend_from_slice(publication.properties);
        at
    }

    /// Adds a further queue of a publication that is in the same segment. A deadline of 0 is none.
    pub(super) fn reference(&mut self, store: StoreId, position: u64, deadline: u64, offset: u32) {
        let at = self.open(REFERENCE);
        self.numbers(&[store.0, position]);
        self.bytes.extend_from_slice(&offset.to_le_bytes());
        if deadline != 0 {
            self.numbers(&[deadline]);
        }
        self.close(at, Bytes::new());
    }

    /// Adds settled positions.
    pub(super) fn settled(&mut self, store: StoreId, positions: &[Positions]) {
        let at = self.open(SETTLED);
        self.numbers(&[store.0]);
        for range in positions {
            self.numbers(&[range.first, range.last]);
        }
        self.close(at, Bytes::new());
    }

    /// Adds messages that came back.
    pub(super) fn returned(&mut self, store: StoreId, returns: &[Return]) {
        let at = self.open(RETURNED);
        self.numbers(&[store.0]);
        for &Return {
            position,
            attempts,
            due,
        } in returns
        {
            self.numbers(&[position]);
            self.bytes.extend_from_slice(&attempts.to_le_bytes());
            self.numbers(&[due]);
        }
        self.close(at, Bytes::new());
    }

    /// Adds how far a queue has handed out its messages.
    pub(super) fn handed_out(&mut self, store: StoreId, upto: u64) {
        let at = self.open(HANDED_OUT);
        self.numbers(&[store.0, upto]);
        self.close(at, Bytes::new());
    }

    /// Adds the end of a queue.
    pub(super) fn queue_deleted(&mut self, store: StoreId) {
        let at = self.open(QUEUE_DELETED);
        self.numbers(&[store.0]);
        self.close(at, Bytes::new());
    }

    /// Adds the mark of an orderly stop.
    pub(super) fn stopped(&mut self) {
        let at = self.open(STOPPED);
        self.close(at, Bytes::new());
    }

    /// Closes a record that ends with a body.
    fn close_with(&mut self, at: Opened, body: Body<'_>) -> u64 {
        match body {
            Body::Slice(body) => {
                self.bytes.extend_from_slice(body);
                self.close(at, Bytes::new())
            }
            Body::Shared(body) => self.close(at, body),
        }
    }

    fn location(&mut self, Location { segment, offset }: Location) {
        self.bytes.extend_from_slice(&segment.to_le_bytes());
        self.bytes.extend_from_slice(&offset.to_le_bytes());
    }

    fn open(&mut self, kind: u8) -> Opened {
        let start = self.bytes.len();
        let offset = self.base + self.len();
        self.bytes.extend_from_slice(&[0; RECORD_HEADER]);
        Opened { start, offset, kind }
    }

    /// Fills in the header of the record that was opened last; its payload ends with `large`.
    fn close(&mut self, Opened { start, offset, kind }: Opened, large: Bytes) -> u64 {
        let salt = self.salt;
        let Some((header, payload)) = self
            .bytes
            .get_mut(start..)
            .and_then(|record| record.split_first_chunk_mut::<RECORD_HEADER>())
        else {
            return offset;
        };
        let [l0, l1, l2, l3] = ((payload.len() + large.len()) as u32).to_le_bytes();
        let head = [l0, l1, l2, l3, kind, 0, 0, 0];
        let head_check = head_check(salt, offset, &head);
        let payload_check = payload_check(head_check, payload, &large);
        let checks = [head_check.to_le_bytes(), payload_check.to_le_bytes()];
        let filled = head.iter().chain(checks.iter().flatten());
        header.iter_mut().zip(filled).for_each(|(to, from)| *to = *from);
        if !large.is_empty() {
            self.large_len += large.len() as u64;
            self.large.push((self.bytes.len(), large));
        }
        offset
    }

    fn numbers(&mut self, numbers: &[u64]) {
        for number in numbers {
            self.bytes.extend_from_slice(&number.to_le_bytes());
        }
    }
}

/// A record that is being written.
struct Opened {
    /// Where its header is in the gathered bytes.
    start: usize,
    /// Where it begins in the segment.
    offset: u64,
    kind: u8,
}
