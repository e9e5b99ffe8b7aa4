//! Publications that were read before. Publishers repeat themselves, or what they did in the same order, and equal bytes mean
//! the same: comparing them costs less than reading them again.

use crate::method::{Method, basic};

/// So many are remembered.
const MOST_KEPT: usize = 128;
/// So many others in a row are kept.
const OTHERS: u32 = 8;
/// Of those that follow, one in so many.
const FEW: u32 = 64;

/// What was published, and what after it.
#[derive(Debug, Default)]
pub(crate) struct Repeated {
    known: Vec<Known>,
    /// The place of the one that was met last.
    last: usize,
    /// How many others have come since.
    others: u32,
    /// The place of the next one to be forgotten.
    oldest: usize,
}

/// A basic.publish that was read.
#[derive(Debug, Default)]
struct Known {
    payload: Vec<u8>,
    exchange: String,
    routing_key: String,
    mandatory: bool,
    immediate: bool,
    /// The place of the one that came after it.
    next: usize,
}

impl Repeated {
    /// Whether this is the payload of the method that came last, or of the one that came after that before: it is the
    /// last one then.
    #[inline]
    pub(crate) fn is(&mut self, payload: &[u8]) -> bool {
        let Some(last) = self.known.get(self.last) else {
            return false;
        };
        if last.payload != payload {
            let next = last.next;
            if self.known.get(next).is_none_or(|next| next.payload != payload) {
                return false;
            }
            self.last = next;
        }
        self.others = 0;
        true
    }

    /// The method that came last.
    #[inline]
    pub(crate) fn last(&self) -> Option<Method<'_>> {
        self.known.get(self.last).map(Known::method)
    }

    /// Keeps what was read from a payload, if it is worth it: where all differ, few are.
    pub(crate) fn keep(&mut self, payload: &[u8], publish: &basic::Publish<'_>) {
        self.others = self.others.saturating_add(1);
        if self.others > OTHERS && !self.others.is_multiple_of(FEW) {
            return;
        }
        let known = self.known.iter().position(|known| known.payload == payload);
        let place = known.unwrap_or_else(|| self.remember(payload, publish));
        if let Some(last) = self.known.get_mut(self.last) {
            last.next = place;
        }
        self.last = place;
    }

    /// Remembers what was read, in place of another if there are many; returns the place.
    fn remember(&mut self, payload: &[u8], publish: &basic::Publish<'_>) -> usize {
        let mut place = self.known.len();
        if place < MOST_KEPT {
            self.known.push(Known::default());
        } else {
            place = self.oldest;
            self.oldest = (self.oldest + 1) % MOST_KEPT;
        }
        if let Some(known) = self.known.get_mut(place) {
            known.set(payload, publish);
        }
        place
    }
}

impl Known {
    #[inline]
    fn method(&self) -> Method<'_> {
        Method::Basic(basic::Method::Publish(basic::Publish {
            exchange: &self.exchange,
            routing_key: &self.routing_key,
            mandatory: self.mandatory,
            immediate: self.immediate,
        }))
    }

    fn set(&mut self, payload: &[u8], publish: &basic::Publish<'_>) {
        self.payload.clear();
        self.payload.extend_from_slice(payload);
        self.exchange.clear();
        self.exchange.push_str(publish.exchange);
        self.routing_key.clear();
        self.routing_key.push_str(publish.routing_key);
        self.mandatory = publish.mandatory;
        self.immediate = publish.immediate;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(key: &str) -> basic::Publish<'_> {
        basic::Publish {
            exchange: "logs",
            routing_key: key,
            mandatory: false,
            immediate: false,
        }
    }

    /// Meets these keys in turn; returns how many were known, each of them rightly.
    fn meet(repeated: &mut Repeated, keys: &[String]) -> usize {
        let mut known = 0;
        for key in keys {
            if repeated.is(key.as_bytes()) {
                let expected = Method::Basic(basic::Method::Publish(publish(key)));
                assert_eq!(repeated.last(), Some(expected));
                known += 1;
            } else {
                repeated.keep(key.as_bytes(), &publish(key));
            }
        }
        known
    }

    fn keys(count: usize) -> Vec<String> {
        (0..count).map(|key| format!("key {key}")).collect()
    }

    #[test]
    fn what_comes_again_and_again_is_known() {
        let mut repeated = Repeated::default();
        assert_eq!(meet(&mut repeated, &vec!["a".to_owned(); 100]), 99);
        assert_eq!(meet(&mut repeated, &vec!["b".to_owned(); 100]), 99);
    }

    #[test]
    fn what_comes_again_in_the_same_order_is_known_soon() {
        let mut repeated = Repeated::default();
        let keys = keys(100);
        for _ in 0..20 {
            meet(&mut repeated, &keys);
        }
        assert_eq!(meet(&mut repeated, &keys), keys.len());
        meet(&mut repeated, &keys[..50]);
        assert_eq!(meet(&mut repeated, &["another".to_owned()]), 0);
        assert_eq!(meet(&mut repeated, &keys[50..]), 49);
    }

    #[test]
    fn what_never_comes_again_takes_bounded_room() {
        let mut repeated = Repeated::default();
        assert_eq!(meet(&mut repeated, &keys(10_000)), 0);
        assert!(repeated.known.len() <= MOST_KEPT);
    }
}
