//! The making of pages.

#[cfg(test)]
mod tests;

use std::hash::Hasher;
use std::sync::Arc;

use bytes::Bytes;
use leveret_protocol::Body;
use leveret_protocol::properties::flags;
use rustc_hash::FxHasher;

use super::memory::Room;
use super::page::{
    FLAG, HEADER, Header, PLACE, PROPERTIES_LEN, Page, Publication, ROUTE_HEADER, cost, opening,
    route_lengths,
};
use super::sources::Sources;

/// Bodies above this many bytes are shared by reference instead of copied.
const LARGE: usize = 32 * 1024;
/// Properties of so many bytes are written once for all publications in a row that have them.
const LONG: usize = 16;
/// A block of up to so many bytes stays with its builder, which may be idle for long.
const KEPT: usize = 16 * 1024;

/// Places of routes that are remembered.
const ROUTES: usize = 1024;

/// Writes a page.
///
/// Bounds: the part of a page that is not large bodies must stay below 2 GiB, properties and body of one
/// publication below 512 MiB each. A batch is far smaller than that.
#[derive(Debug, Default)]
pub struct PageBuilder {
    records: Vec<u8>,
    large: Vec<Bytes>,
    large_bytes: u64,
    /// The flags of all properties so far.
    flags: u16,
    /// Where the last route is.
    route: Option<u32>,
    /// Where others may be, by their hashes, once there were several.
    routes: Option<Box<[u32; ROUTES]>>,
    /// Where the last long properties are, and how many bytes.
    properties: (u32, u32),
    /// Size of the page before, and likely of this one.
    expected: usize,
}

/// What a record is but for its body.
struct Stem<'p> {
    header: Header,
    properties: &'p [u8],
    /// Where the same properties are already.
    place: [u8; PLACE],
    /// How long the route is.
    route_len: u32,
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
        .0
    }

    /// Adds a publication like this one, be it of another page or made anew, and returns its offset here. Its
    /// `body_len` is not looked at, and what of a name exceeds 255 bytes is cut off.
    pub fn copy(&mut self, publication: Publication<'_>) -> u32 {
        self.write(publication).0
    }

    /// [Copies](Self::copy) a publication, and returns its [cost](Self::cost) with its offset.
    pub fn copy_priced(&mut self, publication: Publication<'_>) -> (u32, u32) {
        self.write(publication)
    }

    /// Adds publications that are like this one and have other bodies: those of the publications at `offsets` of a page. `copied`
    /// gets their offsets here, in order.
    pub fn copy_all(
        &mut self,
        like: &Publication<'_>,
        page: &Page,
        offsets: &[u32],
        mut copied: impl FnMut(u32),
    ) {
        let Some((&first, others)) = offsets.split_first() else {
            return;
        };
        let stem = self.stem(like);
        copied(self.add(&stem, page.body(first)).0);
        let stem = self.stem(like);
        for &offset in others {
            copied(self.add(&stem, page.body(offset)).0);
        }
    }

    /// What the publication at `offset` will cost in the page; see [`Page::cost`].
    #[inline]
    pub fn cost(&self, offset: u32) -> u32 {
        opening(&self.records, offset).map_or(0, |opening| cost(&self.records, offset, opening))
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
        self.finish_from(None)
    }

    /// As [`finish`](Self::finish), of publications that were other messages.
    pub fn finish_from(&mut self, sources: Option<Sources>) -> Arc<Page> {
        let bytes = self.len();
        let large = std::mem::take(&mut self.large);
        self.large_bytes = 0;
        self.route = None;
        self.properties = (0, 0);
        Arc::new(Page {
            records: self.take_records(),
            large,
            flags: std::mem::take(&mut self.flags),
            bytes: Room::take(bytes),
            sources: sources.map(Box::new),
            recast: None,
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
    fn write(&mut self, publication: Publication<'_>) -> (u32, u32) {
        let stem = self.stem(&publication);
        self.add(&stem, publication.body)
    }

    /// What the record of a publication begins with if it is the next. So do those that follow and differ in their bodies alone,
    /// if this is the second of them or later.
    #[inline(always)]
    fn stem<'p>(&mut self, publication: &Publication<'p>) -> Stem<'p> {
        let properties = publication.properties;
        let (exchange, key) = (short(publication.exchange), short(publication.routing_key));
        let route = self.write_route(exchange, key);
        let repeated = properties.len() >= LONG && self.repeats(properties);
        self.flags |= flags(properties);
        let header = Header {
            route,
            dead_lettered: publication.dead_lettered,
            properties_len: properties.len() as u32 & PROPERTIES_LEN,
            repeated,
            persistent: publication.persistent,
            blind: publication.blind,
            body_len: 0,
            large: false,
        };
        let place = self.properties.0.to_le_bytes();
        Stem {
            header,
            properties,
            place,
            route_len: (ROUTE_HEADER + exchange.len() + key.len()) as u32,
        }
    }

    /// Adds a record; returns its offset and its cost.
    #[inline(always)]
    fn add(&mut self, stem: &Stem<'_>, body: Body<'_>) -> (u32, u32) {
        let offset = self.here();
        let bytes = body.as_slice();
        let large = bytes.len() > LARGE;
        let properties = match stem.header.repeated {
            true => stem.place.as_slice(),
            false => stem.properties,
        };
        let inside = if large { PLACE } else { bytes.len() };
        self.make_room(HEADER + properties.len() + inside);
        let header = Header {
            body_len: bytes.len() as u32 & !FLAG,
            large,
            ..stem.header
        };
        self.records.extend_from_slice(&header.bytes());
        self.records.extend_from_slice(properties);
        if large {
            self.push_large(own(body));
        } else {
            self.records.extend_from_slice(bytes);
        }
        (offset, stem.cost(offset, &header))
    }

    /// Whether these properties are those before. If not, they are now, and are about to be written.
    #[inline]
    fn repeats(&mut self, properties: &[u8]) -> bool {
        let (at, len) = self.properties;
        let before = self.records.get(at as usize..).unwrap_or_default();
        if len as usize == properties.len() && before.starts_with(properties) {
            return true;
        }
        self.properties = (self.here() + HEADER as u32, properties.len() as u32);
        false
    }

    fn push_large(&mut self, body: Bytes) {
        self.records
            .extend_from_slice(&(self.large.len() as u32).to_le_bytes());
        self.large_bytes += body.len() as u64;
        self.large.push(body);
    }

    /// The offset of this route: where it was written before, as far as that is remembered.
    #[inline]
    fn write_route(&mut self, exchange: &[u8], routing_key: &[u8]) -> u32 {
        match self.route {
            Some(route) if self.is_route(route, exchange, routing_key) => route,
            Some(_) => self.find_or_write_route(exchange, routing_key),
            None => self.write_new_route(exchange, routing_key),
        }
    }

    /// What is remembered may be of a page before. Whatever is found to read like the route will do.
    fn find_or_write_route(&mut self, exchange: &[u8], routing_key: &[u8]) -> u32 {
        let mut hasher = FxHasher::default();
        hasher.write(routing_key);
        let hash = hasher.finish() as usize % ROUTES;
        let found = self.routes.as_ref().and_then(|routes| routes.get(hash).copied());
        if let Some(route) = found.filter(|&route| self.is_route(route, exchange, routing_key)) {
            self.route = Some(route);
            return route;
        }
        let route = self.write_new_route(exchange, routing_key);
        let routes = self.routes.get_or_insert_with(|| Box::new([0; ROUTES]));
        if let Some(place) = routes.get_mut(hash) {
            *place = route;
        }
        route
    }

    fn write_new_route(&mut self, exchange: &[u8], routing_key: &[u8]) -> u32 {
        self.make_room(ROUTE_HEADER + exchange.len() + routing_key.len());
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
        exchange_at <= self.records.len()
            && route_lengths(&self.records, route) == (exchange.len(), routing_key.len())
            && self.has(key_at, routing_key)
            && self.has(exchange_at, exchange)
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

impl Stem<'_> {
    /// What the record at `offset` costs, just as [`cost`] reads it.
    #[inline(always)]
    fn cost(&self, offset: u32, header: &Header) -> u32 {
        let distance = offset - header.route;
        let own_route = if distance == self.route_len { distance } else { 0 };
        let index = if header.large { PLACE as u32 } else { 0 };
        let inside = HEADER as u32 + own_route + index;
        inside
            .saturating_add(header.properties_len)
            .saturating_add(header.body_len)
    }
}

/// A body on its own, copied when it was borrowed.
fn own(body: Body<'_>) -> Bytes {
    match body {
        Body::Slice(bytes) => Bytes::copy_from_slice(bytes),
        Body::Shared(bytes) => bytes,
    }
}

pub(super) fn short(bytes: &[u8]) -> &[u8] {
    bytes.get(..255).unwrap_or(bytes)
}
