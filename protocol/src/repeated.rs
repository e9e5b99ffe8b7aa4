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

/// Where the exchange begins in the payload of a basic.publish: after class, method, a number that means nothing, and its length.
const EXCHANGE: usize = 7;

/// A basic.publish that was read. The names stay where they are in the payload, so that little memory is looked at.
#[derive(Debug, Default)]
struct Known {
    /// It is text as a whole, unless a name has 128 bytes or more: such are not kept.
    payload: String,
    exchange_len: u8,
    routing_key_len: u8,
    mandatory: bool,
    immediate: bool,
    /// The place of the one that came after it.
    next: u32,
}

impl Repeated {
    /// Whether this is the payload of the method that came last, or of the one that came after that before: it is the
    /// last one then.
    #[inline]
    pub(crate) fn is(&mut self, payload: &[u8]) -> bool {
        let Some(last) = self.known.get(self.last) else {
            return false;
        };
        if last.payload.as_bytes() != payload {
            let next = last.next as usize;
            let known = self.known.get(next);
            if known.is_none_or(|next| next.payload.as_bytes() != payload) {
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
        let Ok(payload) = str::from_utf8(payload) else {
            return;
        };
        let known = self.known.iter().position(|known| known.payload == payload);
        let place = known.unwrap_or_else(|| self.remember(payload, publish));
        if let Some(last) = self.known.get_mut(self.last) {
            last.next = place as u32;
        }
        self.last = place;
    }

    /// Remembers what was read, in place of another if there are many; returns the place.
    fn remember(&mut self, payload: &str, publish: &basic::Publish<'_>) -> usize {
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
        let exchange_end = EXCHANGE + usize::from(self.exchange_len);
        let key = exchange_end + 1;
        let key_end = key + usize::from(self.routing_key_len);
        Method::Basic(basic::Method::Publish(basic::Publish {
            exchange: self.payload.get(EXCHANGE..exchange_end).unwrap_or_default(),
            routing_key: self.payload.get(key..key_end).unwrap_or_default(),
            mandatory: self.mandatory,
            immediate: self.immediate,
        }))
    }

    fn set(&mut self, payload: &str, publish: &basic::Publish<'_>) {
        self.payload.clear();
        self.payload.push_str(payload);
        self.exchange_len = publish.exchange.len() as u8;
        self.routing_key_len = publish.routing_key.len() as u8;
        self.mandatory = publish.mandatory;
        self.immediate = publish.immediate;
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::method::EncodeMethod;

    /// The payload of that.
    fn payload(key: &str) -> Vec<u8> {
        let mut payload = BytesMut::new();
        publish(key).encode(&mut payload);
        payload.to_vec()
    }

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
            let payload = payload(key);
            if repeated.is(&payload) {
                let expected = Method::Basic(basic::Method::Publish(publish(key)));
                assert_eq!(repeated.last(), Some(expected));
                known += 1;
            } else {
                repeated.keep(&payload, &publish(key));
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
    fn names_that_are_too_long_to_be_kept_are_never_known() {
        let mut repeated = Repeated::default();
        assert_eq!(meet(&mut repeated, &vec!["k".repeat(127); 3]), 2);
        assert_eq!(meet(&mut repeated, &vec!["k".repeat(128); 3]), 0);
        assert_eq!(meet(&mut repeated, &vec!["schlüssel".to_owned(); 3]), 2);
    }

    #[test]
    fn what_never_comes_again_takes_bounded_room() {
        let mut repeated = Repeated::default();
        assert_eq!(meet(&mut repeated, &keys(10_000)), 0);
        assert!(repeated.known.len() <= MOST_KEPT);
    }
}
