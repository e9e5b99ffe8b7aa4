//! The header that tells how often a message has come back to its queue. Pure.

use std::borrow::Cow;

use leveret_protocol::Exception;
use leveret_protocol::properties::{Properties, rewrite::with_headers};

/// The name of the header.
const HEADER: &str = "x-delivery-count";

/// The properties of deliveries that follow each other, with the header where the queue has counted.
pub(crate) struct Counted<'h> {
    /// Indices of deliveries, which rise, and how often their messages have come back.
    counts: &'h [(u32, u32)],
    next: u32,
}

impl<'h> Counted<'h> {
    /// Those of a handout, see [`Handout::counts`](super::Handout::counts).
    pub(crate) fn new(counts: &'h [(u32, u32)]) -> Self {
        Counted { counts, next: 0 }
    }

    /// The same from one of its deliveries on.
    pub(crate) fn from(next: usize, counts: &'h [(u32, u32)]) -> Self {
        let next = next as u32;
        let before = counts.partition_point(|(at, _)| *at < next);
        let counts = counts.get(before..).unwrap_or_default();
        Counted { counts, next }
    }

    /// Whether the next delivery gets the header.
    #[inline]
    pub(crate) fn counts_next(&self) -> bool {
        self.counts.first().is_some_and(|(at, _)| *at == self.next)
    }

    /// The next delivery is written without asking for its properties.
    #[inline]
    pub(crate) fn skip(&mut self) {
        self.next += 1;
    }

    /// The properties of the next delivery.
    #[inline]
    pub(crate) fn next<'p>(&mut self, properties: Cow<'p, [u8]>) -> Cow<'p, [u8]> {
        let index = self.next;
        self.next += 1;
        match self.counts {
            [(at, count), rest @ ..] if *at == index => {
                self.counts = rest;
                // What can't be read is left as it came.
                counted(&properties, *count).map_or(properties, Cow::Owned)
            }
            _ => properties,
        }
    }
}

fn counted(properties: &[u8], count: u32) -> Result<Vec<u8>, Exception> {
    let mut headers = Properties::parse(properties)?.headers()?.unwrap_or_default();
    headers.insert(HEADER, i64::from(count));
    Ok(with_headers(properties, &headers)?.into())
}

#[cfg(test)]
mod tests {
    use leveret_protocol::FieldValue;
    use leveret_protocol::properties::OwnedProperties;

    use super::*;

    #[test]
    fn only_what_came_back_gets_the_header_and_keeps_the_rest() {
        let plain = OwnedProperties::new().with_delivery_mode(2).encode();
        let mut counted = Counted::new(&[(1, 3), (2, 4)]);
        assert_eq!(*counted.next(Cow::Borrowed(&plain)), *plain);
        let first = counted.next(Cow::Borrowed(&plain));
        let again = counted.next(Cow::Borrowed(&first));
        assert_eq!(*counted.next(Cow::Borrowed(&plain)), *plain);
        for (properties, count) in [(&first, 3), (&again, 4)] {
            let read = Properties::parse(properties).unwrap();
            let headers = read.headers().unwrap().unwrap();
            assert_eq!((read.delivery_mode, headers.len()), (Some(2), 1));
            assert_eq!(headers.get(HEADER), Some(&FieldValue::I64(count)));
        }
    }

    #[test]
    fn what_cannot_be_read_is_left_as_it_came() {
        let raw = &[0x20, 0, 9][..];
        assert_eq!(*Counted::new(&[(0, 1)]).next(raw.into()), *raw);
    }
}
