//! The making of pages.

use std::sync::Arc;

use bytes::Bytes;
use leveret_protocol::Body;
use leveret_protocol::properties::flags;

use super::memory::Room;
use super::page::{FLAG, HEADER, Header, PROPERTIES_LEN, Page, Publication, ROUTE_HEADER, route_lengths};

/// Bodies above this many bytes are shared by reference instead of copied.
const LARGE: usize = 32 * 1024;
/// A block of up to so many bytes stays with its builder, which may be idle for long.
const KEPT: usize = 16 * 1024;

/// Writes a page.
///
/// Bounds: the part of a page that is not large bodies must stay below 2 GiB, properties and body of one
/// publication below 1 GiB each. A batch is far smaller than that.
#[derive(Debug, Default)]
pub struct PageBuilder {
    records: Vec<u8>,
    large: Vec<Bytes>,
    large_bytes: u64,
    /// The flags of all properties so far.
    flags: u16,
    /// Where the last route is.
    route: Option<u32>,
    /// Size of the page before, and likely of this one.
    expected: usize,
}

impl PageBuilder {
    /// An empty page.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a publication and returns its offset.
    ///
    /// `exchange` and `routing_key` are short strings: what exceeds 255 bytes is cut off.
    /// `properties` are raw: flags and values.
    pub fn push(
        &mut self,
        exchange: &str,
        routing_key: &str,
        properties: &[u8],
        persistent: bool,
        body: Body<'_>,
    ) -> u32 {
        self.write(Publication {
            exchange: exchange.as_bytes(),
            routing_key: routing_key.as_bytes(),
            properties,
            persistent,
            dead_lettered: false,
            blind: false,
            body_len: 0,
            body,
        })
    }

    /// Adds a publication like this one, be it of another page or made anew, and returns its offset here. Its
    /// `body_len` is not looked at, and what of a name exceeds 255 bytes is cut off.
    pub fn copy(&mut self, publication: Publication<'_>) -> u32 {
        self.write(publication)
    }

    /// Makes room for so many bytes more, so that what is about to be written is not moved meanwhile.
    pub fn reserve(&mut self, bytes: usize) {
        self.records.reserve(bytes);
    }

    /// Bytes written so far, large bodies included.
    pub fn len(&self) -> u64 {
        self.records.len() as u64 + self.large_bytes
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The page of what was written; the builder is empty again.
    pub fn finish(&mut self) -> Arc<Page> {
        let bytes = self.len();
        let large = std::mem::take(&mut self.large);
        self.large_bytes = 0;
        self.route = None;
        Arc::new(Page {
            records: self.take_records(),
            large,
            flags: std::mem::take(&mut self.flags),
            bytes: Room::take(bytes),
        })
    }

    /// A page may wait for long, so it must not carry much spare room: a badly filled block is copied to one
    /// of the right size, and serves the next page if it is small.
    fn take_records(&mut self) -> Vec<u8> {
        let len = self.records.len();
        self.expected = len;
        if self.records.capacity() - len <= len / 4 {
            return std::mem::take(&mut self.records);
        }
        let records = self.records.as_slice().to_vec();
        if self.records.capacity() <= KEPT {
            self.records.clear();
        } else {
            self.records = Vec::new();
        }
        records
    }

    /// Room for a record. A page is begun in a block of the size of the one before: the pages of a flood are alike, and one that
    /// grows is moved again and again.
    #[inline]
    fn make_room(&mut self, bytes: usize) {
        if self.records.capacity() - self.records.len() < bytes {
            self.grow(bytes);
        }
    }

    #[cold]
    fn grow(&mut self, bytes: usize) {
        if self.records.len() < self.expected / 2 {
            let rest = self.expected - self.records.len();
            self.records.reserve_exact(rest.max(bytes));
        } else {
            self.records.reserve(bytes);
        }
    }

    #[inline(always)]
    fn write(&mut self, publication: Publication<'_>) -> u32 {
        let Publication { properties, body, .. } = publication;
        let route = self.write_route(short(publication.exchange), short(publication.routing_key));
        let offset = self.here();
        let bytes = body.as_slice();
        let large = bytes.len() > LARGE;
        let inside = if large { size_of::<u32>() } else { bytes.len() };
        self.make_room(HEADER + properties.len() + inside);
        let header = Header {
            route,
            dead_lettered: publication.dead_lettered,
            properties_len: properties.len() as u32 & PROPERTIES_LEN,
            persistent: publication.persistent,
            blind: publication.blind,
            body_len: bytes.len() as u32 & !FLAG,
            large,
        };
        header.write(&mut self.records);
        self.flags |= flags(properties);
        self.records.extend_from_slice(properties);
        if large {
            self.push_large(own(body));
        } else {
            self.records.extend_from_slice(bytes);
        }
        offset
    }

    fn push_large(&mut self, body: Bytes) {
        self.records
            .extend_from_slice(&(self.large.len() as u32).to_le_bytes());
        self.large_bytes += body.len() as u64;
        self.large.push(body);
    }

    /// The offset of this route: the last one written when it is the same.
    fn write_route(&mut self, exchange: &[u8], routing_key: &[u8]) -> u32 {
        if let Some(route) = self.route
            && self.is_route(route, exchange, routing_key)
        {
            return route;
        }
        let route = self.here();
        self.records
            .extend_from_slice(&[exchange.len() as u8, routing_key.len() as u8]);
        self.records.extend_from_slice(exchange);
        self.records.extend_from_slice(routing_key);
        self.route = Some(route);
        route
    }

    #[inline]
    fn is_route(&self, route: u32, exchange: &[u8], routing_key: &[u8]) -> bool {
        let exchange_at = route as usize + ROUTE_HEADER;
        let key_at = exchange_at + exchange.len();
        route_lengths(&self.records, route) == (exchange.len(), routing_key.len())
            && self.has(exchange_at, exchange)
            && self.has(key_at, routing_key)
    }

    /// Whether `bytes` were written at `at`.
    #[inline]
    fn has(&self, at: usize, bytes: &[u8]) -> bool {
        // The empty name is common and may dangle: comparing nothing at an unmapped address takes some processors long.
        bytes.is_empty() || self.records.get(at..at + bytes.len()) == Some(bytes)
    }

    fn here(&self) -> u32 {
        self.records.len() as u32
    }
}

/// A body on its own, copied when it was borrowed.
fn own(body: Body<'_>) -> Bytes {
    match body {
        Body::Slice(bytes) => Bytes::copy_from_slice(bytes),
        Body::Shared(bytes) => bytes,
    }
}

fn short(bytes: &[u8]) -> &[u8] {
    bytes.get(..255).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use leveret_protocol::OwnedProperties;

    use super::*;

    fn small(body: &[u8]) -> Body<'_> {
        Body::Slice(body)
    }

    #[test]
    fn a_publication_reads_back_as_it_was_written() {
        let mut builder = PageBuilder::new();
        let first = builder.push("orders", "eu.new", &[0x10, 0, 2], true, small(b"hello"));
        let second = builder.push("", "q", &[0, 0], false, small(b""));
        let page = builder.finish();
        let publication = page.get(first);
        assert_eq!(publication.exchange, b"orders");
        assert_eq!(publication.routing_key, b"eu.new");
        assert_eq!(publication.properties, [0x10, 0, 2]);
        assert!(publication.persistent);
        assert_eq!(publication.body, Body::Slice(b"hello"));
        assert_eq!(publication.body_len, 5);
        let publication = page.get(second);
        assert_eq!(
            (publication.exchange, publication.routing_key),
            (&b""[..], &b"q"[..])
        );
        assert!(!publication.persistent);
        assert_eq!(publication.body_len, 0);
    }

    #[test]
    fn a_page_knows_whether_something_in_it_expires() {
        let mut builder = PageBuilder::new();
        builder.push("", "q", &[0, 0], true, small(b""));
        assert!(!builder.finish().timed());
        let properties = OwnedProperties::new().with_expiration("1").encode();
        builder.push("", "q", &properties, true, small(b""));
        builder.push("", "q", &[0, 0], true, small(b""));
        assert!(builder.finish().timed());
        builder.push("", "q", &[0, 0], true, small(b""));
        assert!(!builder.finish().timed(), "that was the page before");
    }

    #[test]
    fn a_page_knows_whether_something_in_it_has_a_priority() {
        let mut builder = PageBuilder::new();
        let plain = builder.push("", "q", &[0, 0], true, small(b""));
        assert!(!builder.finish().has_priorities());
        builder.push("", "q", &[0, 0], true, small(b""));
        let properties = OwnedProperties::new().with_priority(7).encode();
        let urgent = builder.push("", "q", &properties, true, small(b""));
        let page = builder.finish();
        assert!(page.has_priorities());
        assert_eq!((page.priority(plain), page.priority(urgent)), (None, Some(7)));
    }

    #[test]
    fn a_copy_is_dead_lettered_if_its_original_is() {
        let mut builder = PageBuilder::new();
        let plain = builder.push("x", "k", &[0, 0], true, small(b"plain"));
        let page = builder.finish();
        let dead = builder.copy(Publication {
            dead_lettered: true,
            ..page.get(plain)
        });
        let page = builder.finish();
        let original = page.get(dead);
        assert!(original.dead_lettered && original.persistent);
        let copy = builder.copy(original.clone());
        let (page, cost) = (builder.finish(), page.cost(dead));
        assert_eq!((page.get(copy), page.cost(copy)), (original, cost));
    }

    #[test]
    fn a_run_of_equal_routes_is_written_once() {
        let mut builder = PageBuilder::new();
        builder.push("exchange", "key", &[0, 0], false, small(b"body"));
        let one = builder.len();
        builder.push("exchange", "key", &[0, 0], false, small(b"body"));
        let two = builder.len();
        builder.push("exchangek", "ey", &[0, 0], false, small(b"body"));
        let three = builder.len();
        assert_eq!(two - one, HEADER as u64 + 2 + 4);
        assert_eq!(three - two, one);
    }

    #[test]
    fn a_large_body_is_shared_by_reference() {
        let body = Bytes::from(vec![7; LARGE + 1]);
        let mut builder = PageBuilder::new();
        let offset = builder.push("", "q", &[0, 0], false, Body::Shared(body.clone()));
        let page = builder.finish();
        let Body::Shared(shared) = page.get(offset).body else {
            panic!("copied")
        };
        assert_eq!(shared.as_ptr(), body.as_ptr());
        assert_eq!(page.bytes(), u64::from(page.cost(offset)));
    }

    #[test]
    fn a_small_shared_body_is_copied_so_that_it_pins_nothing() {
        let mut builder = PageBuilder::new();
        let offset = builder.push("", "q", &[0, 0], false, Body::Shared(Bytes::from_static(b"abc")));
        assert_eq!(builder.finish().get(offset).body, Body::Slice(b"abc"));
    }

    #[test]
    fn costs_add_up_to_the_page() {
        let mut builder = PageBuilder::new();
        let big = vec![1; LARGE * 2];
        let mut offsets = Vec::new();
        for key in ["a", "a", "b", "a", "a", "a"] {
            offsets.push(builder.push("x", key, &[0, 0], false, small(b"12345")));
        }
        offsets.push(builder.push("x", "a", &[0, 0], false, small(&big)));
        let page = builder.finish();
        let costs: u64 = offsets.iter().map(|&offset| u64::from(page.cost(offset))).sum();
        assert_eq!(costs, page.bytes());
    }

    #[test]
    fn a_finished_builder_starts_over() {
        let mut builder = PageBuilder::new();
        builder.push("x", "k", &[0, 0], false, small(b"first"));
        builder.finish();
        assert!(builder.is_empty());
        let offset = builder.push("x", "k", &[0, 0], false, small(b"second"));
        let page = builder.finish();
        assert_eq!(page.get(offset).exchange, b"x");
        assert_eq!(page.get(offset).body, Body::Slice(b"second"));
    }

    #[test]
    fn a_page_carries_little_spare_room() {
        let mut builder = PageBuilder::new();
        for _ in 0..1_000 {
            builder.push("", "q", &[0, 0], false, small(&[0; 100]));
        }
        builder.finish();
        builder.push("", "q", &[0, 0], false, small(&[0; 16]));
        let page = builder.finish();
        assert!(page.records.capacity() <= page.records.len() * 5 / 4);
    }

    #[test]
    fn a_foreign_offset_does_no_harm() {
        let mut builder = PageBuilder::new();
        builder.push("", "q", &[0, 0], false, small(b"abc"));
        let page = builder.finish();
        for offset in [1, 5, 17, 4_000, u32::MAX] {
            page.get(offset);
            page.cost(offset);
        }
    }
}
