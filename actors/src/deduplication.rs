//! Messages that come twice: which are meant by it, and which names were seen.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use leveret_protocol::{FieldTable, FieldValue, Properties};
use rustc_hash::FxHashMap;

use crate::name::Name;
use crate::publication::Page;

/// The header that names a message, unless another one is chosen.
pub const HEADER: &str = "x-deduplication-header";

/// The header by which a message says how long its name is remembered, in milliseconds.
const TTL_HEADER: &str = "x-cache-ttl";

/// How many names are remembered when nobody says.
pub const CACHE_SIZE: u64 = 128;

/// How many names are remembered at most, whatever is asked for: about half a gigabyte.
const MOST: u64 = 8 << 20;

/// Which messages are dropped because they were here before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deduplication {
    /// The header that names a message; one without it is never dropped.
    pub header: Name,
    /// How many names are remembered; the oldest is forgotten for a new one. Never zero.
    pub cache_size: u64,
    /// How long a name is remembered, unless the message says it itself in `x-cache-ttl`.
    pub ttl: Option<Duration>,
}

/// The names of messages that were here before.
///
/// Of a name two hashes are kept, with keys of their own in each process, so that a long name takes no more memory than a
/// short one and nobody can make up two names for one.
pub struct Seen {
    asked: Deduplication,
    keys: [RandomState; 2],
    /// By name: its place in the order, and until when it is remembered, in milliseconds since the Unix epoch.
    names: FxHashMap<u128, (u64, u64)>,
    /// Places as they rise. What was forgotten or came anew may still be here.
    order: VecDeque<(u64, u128)>,
    next: u64,
}

impl Seen {
    /// Nothing was seen yet.
    #[must_use]
    pub fn new(asked: Deduplication) -> Self {
        Seen {
            asked,
            keys: [RandomState::new(), RandomState::new()],
            names: FxHashMap::default(),
            order: VecDeque::new(),
            next: 0,
        }
    }

    /// Whether a message with these headers was here before, at `now` in milliseconds since the Unix epoch. If not, it has
    /// been from now on.
    pub fn again(&mut self, headers: &FieldTable, now: u64) -> bool {
        let Some(name) = self.name(headers) else {
            return false;
        };
        if self.remembers(name, now) {
            return true;
        }
        let until = self.ttl(headers).map_or(u64::MAX, |ttl| now.saturating_add(ttl));
        self.remember(name, until);
        false
    }

    /// Whether a publication was here before; nothing changes by that.
    pub(crate) fn knows(&self, page: &Page, offset: u32, now: u64) -> bool {
        let name = headers(page, offset).and_then(|headers| self.name(&headers));
        name.is_some_and(|name| self.remembers(name, now))
    }

    /// A publication is here from now on.
    pub(crate) fn note(&mut self, page: &Page, offset: u32, now: u64) {
        if let Some(headers) = headers(page, offset) {
            self.again(&headers, now);
        }
    }

    /// Takes out of a batch what was here before, at `now` in milliseconds since the Unix epoch.
    pub(crate) fn keep_new(&mut self, page: &Page, offsets: &mut Vec<u32>, now: u64) {
        offsets.retain(|offset| headers(page, *offset).is_none_or(|headers| !self.again(&headers, now)));
    }

    /// How many names are remembered, those whose time is over included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether no name is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    fn ttl(&self, headers: &FieldTable) -> Option<u64> {
        let own = headers.get(TTL_HEADER).and_then(FieldValue::as_i64);
        let own = own.and_then(|ms| u64::try_from(ms).ok());
        own.or(self.asked.ttl.map(crate::clock::millis))
    }

    fn remembers(&self, name: u128, now: u64) -> bool {
        self.names.get(&name).is_some_and(|(_, until)| now < *until)
    }

    /// What is kept of a message's name.
    fn name(&self, headers: &FieldTable) -> Option<u128> {
        let name = headers.get(&self.asked.header)?;
        let mut bytes = Vec::new();
        crate::exchange::canonical::by_value(name, &mut bytes);
        let [one, two] = &self.keys;
        Some(u128::from(one.hash_one(&bytes)) << 64 | u128::from(two.hash_one(&bytes)))
    }

    fn remember(&mut self, name: u128, until: u64) {
        let place = self.next;
        self.next += 1;
        self.names.insert(name, (place, until));
        self.order.push_back((place, name));
        while self.names.len() as u64 > self.asked.cache_size.min(MOST) {
            let Some((place, oldest)) = self.order.pop_front() else {
                break;
            };
            if self.stands(place, oldest) {
                self.names.remove(&oldest);
            }
        }
        if self.order.len() > 2 * self.names.len() + 64 {
            let names = &self.names;
            self.order
                .retain(|(place, name)| names.get(name).is_some_and(|(at, _)| at == place));
        }
    }

    fn stands(&self, place: u64, name: u128) -> bool {
        self.names.get(&name).is_some_and(|(at, _)| *at == place)
    }
}

fn headers(page: &Page, offset: u32) -> Option<FieldTable> {
    let properties = Properties::parse(page.properties(offset)).ok()?;
    properties.headers().ok().flatten()
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen")
            .field("names", &self.names.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(cache_size: u64, ttl: Option<u64>) -> Seen {
        Seen::new(Deduplication {
            header: Name::from(HEADER),
            cache_size,
            ttl: ttl.map(Duration::from_millis),
        })
    }

    fn named(name: impl Into<FieldValue>) -> FieldTable {
        FieldTable::from_iter([(HEADER, name.into())])
    }

    #[test]
    fn a_name_is_new_once() {
        let mut seen = seen(10, None);
        assert!(!seen.again(&named("a"), 0));
        assert!(seen.again(&named("a"), u64::MAX - 1));
        assert!(!seen.again(&named("b"), 0));
        assert!(!seen.again(&named(7), 0));
        assert!(seen.again(&named(7_i64), 0));
    }

    #[test]
    fn a_message_without_a_name_is_always_new() {
        let mut seen = seen(10, None);
        for _ in 0..2 {
            assert!(!seen.again(&FieldTable::from_iter([("other", 1)]), 0));
        }
        assert!(seen.is_empty());
    }

    #[test]
    fn the_oldest_name_is_forgotten_for_a_new_one() {
        let mut seen = seen(2, None);
        for name in ["a", "b", "c"] {
            assert!(!seen.again(&named(name), 0));
        }
        assert!(seen.again(&named("b"), 0) && seen.again(&named("c"), 0));
        assert!(!seen.again(&named("a"), 0));
        assert_eq!(seen.len(), 2);
    }

    #[test]
    fn a_name_is_forgotten_when_its_time_is_over() {
        let mut seen = seen(10, Some(100));
        assert!(!seen.again(&named("a"), 1_000));
        assert!(seen.again(&named("a"), 1_099));
        assert!(!seen.again(&named("a"), 1_100));
        assert!(seen.again(&named("a"), 1_199));
        let mut own = named("b");
        own.insert(TTL_HEADER, 5);
        assert!(!seen.again(&own, 0));
        assert!(seen.again(&own, 4));
        assert!(!seen.again(&own, 5));
    }

    #[test]
    fn memory_is_bounded_however_many_names_come_and_come_again() {
        let mut seen = seen(100, Some(1));
        for round in 0..100_000_u64 {
            seen.again(&named((round % 150) as i64), 2 * round);
            assert!(seen.len() <= 100 && seen.order.len() <= 2 * 100 + 64);
        }
    }
}
