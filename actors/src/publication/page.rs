//! Pages: the publications of one batch, copied once into one block that every matched queue shares.
//!
//! A read buffer must not be pinned by what waits in a queue, and a waiting message must be small; so a
//! channel writes each batch into a page, and queues keep only a page and an offset per message.
//!
//! ```text
//! route    exchange length u8 | routing key length u8 | exchange | routing key
//! record   route offset u32       | properties length u32 | body length u32 | properties | body
//!          top bit: dead-lettered   top bit: persistent     top bit: large
//!                                   next bit: blind
//!                                   next bit: those of an earlier record
//! ```
//!
//! A route is written once per run of records that share it, just before the first of them. So are long properties: the records
//! that follow hold the place (u32) of those of the first instead. A large body stays outside the block: its record holds the
//! index (u32) into the page's large bodies. A [recast](super::recast) page has no block of its own.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use leveret_protocol::Body;
use leveret_protocol::properties::{self, flag, rewrite};

use super::memory::Room;
use super::recast::Recast;
use super::sources::{Source, Sources};

/// The top bit of an offset or a length: dead-lettered, persistent, or large.
pub(super) const FLAG: u32 = 1 << 31;
/// The bit below it in the length of the properties: blind.
const BLIND: u32 = 1 << 30;
/// The bit below that: its properties are those of an earlier record.
pub(super) const REPEATED: u32 = 1 << 29;
/// The length of properties without what else is said there.
pub(super) const PROPERTIES_LEN: u32 = !(FLAG | BLIND | REPEATED);
/// Bytes of the place of properties, where they are not themselves.
pub(super) const PLACE: usize = size_of::<u32>();
/// Bytes of a record before its properties.
pub(super) const HEADER: usize = 12;
/// Bytes of a route before its exchange.
pub(super) const ROUTE_HEADER: usize = 2;
/// Bytes of a route at most.
const LONGEST_ROUTE: usize = ROUTE_HEADER + 2 * 255;

/// An immutable block of publications, see the [module](self).
pub struct Page {
    pub(super) records: Vec<u8>,
    pub(super) large: Vec<Bytes>,
    /// The flags of all properties together.
    pub(super) flags: u16,
    pub(super) bytes: Room,
    pub(super) sources: Option<Box<Sources>>,
    /// What it has instead of records, if it is recast.
    pub(super) recast: Option<Box<Recast>>,
}

/// A view of one publication in its page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication<'a> {
    /// The exchange it was published to, UTF-8.
    pub exchange: &'a [u8],
    /// Its routing key, UTF-8.
    pub routing_key: &'a [u8],
    /// Its properties as they came: flags and values.
    pub properties: &'a [u8],
    /// Its body.
    pub body: Body<'a>,
    /// Whether it was published with delivery mode 2.
    pub persistent: bool,
    /// Whether a queue dead-lettered it: its `x-death` was written by the broker, not by a client.
    pub dead_lettered: bool,
    /// Whether its headers have a `BCC`, which no receiver is to see, see [`shown_properties`](Self::shown_properties).
    pub blind: bool,
    /// Length of the body in bytes.
    pub body_len: u32,
}

impl<'a> Publication<'a> {
    /// Its properties as receivers see them: without `BCC`.
    #[inline]
    pub fn shown_properties(&self) -> Cow<'a, [u8]> {
        match self.blind {
            false => Cow::Borrowed(self.properties),
            true => without_blind_copies(self.properties),
        }
    }
}

#[cold]
fn without_blind_copies(properties: &[u8]) -> Cow<'_, [u8]> {
    match rewrite::without_header(properties, "BCC") {
        Ok(Some(without)) => Cow::Owned(without.into()),
        // Properties are read when they are published, so they can be read here.
        Ok(None) | Err(_) => Cow::Borrowed(properties),
    }
}

impl Page {
    /// The publication at an offset that [`PageBuilder::push`](super::PageBuilder::push) gave for this page.
    ///
    /// With any other offset the result is meaningless, often empty.
    #[inline]
    pub fn get(&self, offset: u32) -> Publication<'_> {
        let Some(opening) = self.opening(offset) else {
            return self.get_recast(offset);
        };
        let header = Header::read(opening);
        let (exchange, routing_key) = self.route(header.route);
        let (properties, body_at) = self.properties_of(offset, &header);
        Publication {
            exchange,
            routing_key,
            properties,
            body: self.body_at(body_at, &header),
            persistent: header.persistent,
            dead_lettered: header.dead_lettered,
            blind: header.blind,
            body_len: header.body_len,
        }
    }

    /// The body of the publication at `offset`.
    #[inline]
    pub fn body(&self, offset: u32) -> Body<'_> {
        let Some(opening) = self.opening(offset) else {
            return self.get_recast(offset).body;
        };
        let header = Header::read(opening);
        let (_, at) = self.properties_of(offset, &header);
        self.body_at(at, &header)
    }

    /// Whether any of its publications has an `expiration`.
    #[inline]
    pub fn timed(&self) -> bool {
        self.flags & flag::EXPIRATION != 0
    }

    /// Whether any of its publications has a `priority`.
    #[inline]
    pub fn has_priorities(&self) -> bool {
        self.flags & flag::PRIORITY != 0
    }

    /// The `priority` of the publication at `offset`.
    #[inline]
    pub fn priority(&self, offset: u32) -> Option<u8> {
        match self.has_priorities() {
            false => None,
            true => properties::priority(self.properties(offset)),
        }
    }

    /// The properties of the publication at `offset`, as they came: flags and values.
    #[inline]
    pub fn properties(&self, offset: u32) -> &[u8] {
        match self.opening(offset) {
            Some(opening) => self.properties_of(offset, &Header::read(opening)).0,
            None => self.recast.as_ref().map_or(&[], |recast| &recast.properties),
        }
    }

    /// Length of the body of the publication at `offset`, in bytes.
    #[inline]
    pub fn body_len(&self, offset: u32) -> u32 {
        match self.opening(offset) {
            Some(opening) => Header::read(opening).body_len,
            None => self
                .recast
                .as_ref()
                .map_or(0, |recast| recast.bodies.body_len(offset)),
        }
    }

    /// Whether the publication at `offset` was published with delivery mode 2.
    #[inline]
    pub fn is_persistent(&self, offset: u32) -> bool {
        match self.opening(offset) {
            Some(opening) => Header::read(opening).persistent,
            None => self.recast.as_ref().is_some_and(|recast| recast.persistent),
        }
    }

    /// The message that the publication at `offset` was, with the same body, if a journal is known to have it.
    pub fn source(&self, offset: u32) -> Option<Source> {
        self.sources.as_ref()?.get(offset)
    }

    /// What the publication at `offset` costs: its record with its properties and its body, and its route when it is the first
    /// of a run. The costs of all publications of a page add up to its [`bytes`](Self::bytes), or to more where properties
    /// repeat themselves: each is sent with its own.
    #[inline]
    pub fn cost(&self, offset: u32) -> u32 {
        match self.opening(offset) {
            Some(opening) => cost(&self.records, offset, opening),
            None => self.cost_recast(offset),
        }
    }

    /// What the publications at these offsets cost together.
    pub fn cost_of_all(&self, offsets: &[u32]) -> u64 {
        let costs = offsets.iter().map(|&offset| u64::from(self.cost(offset)));
        match &self.recast {
            None => costs.sum(),
            Some(recast) => recast.cost_of_all(offsets),
        }
    }

    /// Bytes of all its publications, large bodies included.
    pub fn bytes(&self) -> u64 {
        let bodies = self.recast.as_ref().map_or(0, |recast| recast.bodies.bytes());
        self.bytes.bytes() + bodies
    }

    #[inline]
    pub(super) fn opening(&self, offset: u32) -> Option<&[u8; HEADER]> {
        opening(&self.records, offset)
    }

    #[inline]
    fn route(&self, offset: u32) -> (&[u8], &[u8]) {
        let (exchange_len, key_len) = self.route_lengths(offset);
        let exchange_at = offset as usize + ROUTE_HEADER;
        (
            self.slice(exchange_at, exchange_len),
            self.slice(exchange_at + exchange_len, key_len),
        )
    }

    #[inline]
    fn route_lengths(&self, offset: u32) -> (usize, usize) {
        route_lengths(&self.records, offset)
    }

    /// The properties of the record at `offset`, and where what follows them is.
    #[inline]
    pub(super) fn properties_of(&self, offset: u32, header: &Header) -> (&[u8], usize) {
        let (at, len) = (offset as usize + HEADER, header.properties_len as usize);
        match header.repeated {
            false => (self.slice(at, len), at + len),
            true => (self.slice(self.number(at), len), at + PLACE),
        }
    }

    #[inline]
    fn body_at(&self, at: usize, header: &Header) -> Body<'_> {
        match header.large {
            false => Body::Slice(self.slice(at, header.body_len as usize)),
            true => Body::Shared(self.large.get(self.number(at)).cloned().unwrap_or_default()),
        }
    }

    /// The index or the place that is written at `at`.
    #[inline]
    fn number(&self, at: usize) -> usize {
        let bytes = self
            .records
            .get(at..)
            .and_then(|rest| rest.first_chunk::<PLACE>());
        bytes.map_or(usize::MAX, |bytes| u32::from_le_bytes(*bytes) as usize)
    }

    #[inline]
    fn slice(&self, at: usize, len: usize) -> &[u8] {
        let end = at.saturating_add(len);
        self.records.get(at..end).unwrap_or_default()
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page")
            .field("bytes", &self.bytes())
            .field("large", &self.large.len())
            .finish()
    }
}

/// The fixed part of a record.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) route: u32,
    pub(super) dead_lettered: bool,
    pub(super) properties_len: u32,
    pub(super) repeated: bool,
    pub(super) persistent: bool,
    pub(super) blind: bool,
    pub(super) body_len: u32,
    pub(super) large: bool,
}

impl Header {
    #[inline]
    pub(super) fn read(bytes: &[u8; HEADER]) -> Self {
        let [r0, r1, r2, r3, p0, p1, p2, p3, b0, b1, b2, b3] = *bytes;
        let route = u32::from_le_bytes([r0, r1, r2, r3]);
        let properties = u32::from_le_bytes([p0, p1, p2, p3]);
        let body = u32::from_le_bytes([b0, b1, b2, b3]);
        Self {
            route: route & !FLAG,
            dead_lettered: route & FLAG != 0,
            properties_len: properties & PROPERTIES_LEN,
            repeated: properties & REPEATED != 0,
            persistent: properties & FLAG != 0,
            blind: properties & BLIND != 0,
            body_len: body & !FLAG,
            large: body & FLAG != 0,
        }
    }

    /// As it is written, the last four bytes being those of the body.
    #[inline(always)]
    pub(super) fn bytes(self) -> [u8; HEADER] {
        let bit = |is: bool, bit: u32| if is { bit } else { 0 };
        let route = self.route | bit(self.dead_lettered, FLAG);
        let said = bit(self.persistent, FLAG) | bit(self.blind, BLIND) | bit(self.repeated, REPEATED);
        let properties = self.properties_len | said;
        let body = self.body_len | bit(self.large, FLAG);
        let [a, b, c, d] = route.to_le_bytes();
        let [e, f, g, h] = properties.to_le_bytes();
        let [i, j, k, l] = body.to_le_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l]
    }
}

/// What the record at `offset` costs that begins so, see [`Page::cost`].
#[inline]
pub(super) fn cost(records: &[u8], offset: u32, opening: &[u8; HEADER]) -> u32 {
    let header = Header::read(opening);
    let distance = offset.wrapping_sub(header.route) as usize;
    // Most are farther from their route than any is long: it need not be looked at.
    let own_route = if distance <= LONGEST_ROUTE && route_len(records, header.route) == distance {
        distance
    } else {
        0
    };
    let index = if header.large { PLACE } else { 0 };
    let inside = HEADER + own_route + index;
    (inside as u32)
        .saturating_add(header.properties_len)
        .saturating_add(header.body_len)
}

/// What the record at `offset` begins with.
#[inline]
pub(super) fn opening(records: &[u8], offset: u32) -> Option<&[u8; HEADER]> {
    records.get(offset as usize..).and_then(|rest| rest.first_chunk())
}

fn route_len(records: &[u8], offset: u32) -> usize {
    let (exchange_len, key_len) = route_lengths(records, offset);
    ROUTE_HEADER + exchange_len + key_len
}

/// The lengths of the exchange and the routing key of a route.
#[inline]
pub(super) fn route_lengths(records: &[u8], offset: u32) -> (usize, usize) {
    match records
        .get(offset as usize..)
        .and_then(|rest| rest.first_chunk::<ROUTE_HEADER>())
    {
        Some(&[exchange_len, key_len]) => (exchange_len.into(), key_len.into()),
        None => (0, 0),
    }
}
