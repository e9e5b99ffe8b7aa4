//! The basic.publish that was read last. Publishers repeat themselves, and equal bytes mean the same: comparing them costs
//! less than reading them again.

use crate::method::{Method, basic};

/// So many others in a row are kept at once, and of those that follow one in so many.
const OTHERS: u32 = 8;

/// A basic.publish that was read.
#[derive(Debug, Default)]
pub(crate) struct Repeated {
    payload: Vec<u8>,
    exchange: String,
    routing_key: String,
    mandatory: bool,
    immediate: bool,
    /// How many others have come since it was met.
    others: u32,
}

impl Repeated {
    /// Whether this is the payload of the same method.
    #[inline]
    pub(crate) fn is(&mut self, payload: &[u8]) -> bool {
        let same = self.payload == payload;
        if same {
            self.others = 0;
        }
        same
    }

    /// The method.
    #[inline]
    pub(crate) fn method(&self) -> Method<'_> {
        Method::Basic(basic::Method::Publish(basic::Publish {
            exchange: &self.exchange,
            routing_key: &self.routing_key,
            mandatory: self.mandatory,
            immediate: self.immediate,
        }))
    }

    /// Keeps what was read from a payload instead, if it is worth it: where all differ, few are.
    pub(crate) fn keep(&mut self, payload: &[u8], publish: &basic::Publish<'_>) {
        self.others = self.others.saturating_add(1);
        if self.others > OTHERS && !self.others.is_multiple_of(OTHERS) {
            return;
        }
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
