//! Deliveries to one consumer, one after the other.
//!
//! Most are like the one before but for their tags and bodies: what precedes the body is written once, and copied with another tag.

use std::borrow::Cow;

use bytes::BufMut;

use super::{BodyRef, Chunk};
use crate::frame::{FRAME_END, FRAME_HEADER_SIZE, FRAME_OVERHEAD};

/// Bytes before a body that are kept at most: as many as a dead letter has.
const MOST_KEPT: usize = 512;

/// Where the length of the consumer tag is in a basic.deliver: behind the frame's header and the method's ids.
const TAG_LEN_AT: usize = FRAME_HEADER_SIZE + 4;

/// Writes basic.deliver with content, for one consumer.
#[derive(Debug)]
pub struct Deliveries<'a> {
    channel: u16,
    consumer_tag: &'a str,
    frame_max: u32,
    /// What the last one was, if the next can be written like it.
    last: Option<Last<'a>>,
    /// What preceded its body.
    head: [u8; MOST_KEPT],
    head_len: usize,
    /// Where in it the delivery tag is.
    tag_at: usize,
}

#[derive(Debug)]
struct Last<'a> {
    redelivered: bool,
    exchange: &'a [u8],
    routing_key: &'a [u8],
    properties: &'a [u8],
    body_len: usize,
}

impl<'a> Deliveries<'a> {
    /// Those on a channel to the consumer with this tag, in frames of at most `frame_max` bytes; 0 sets no limit.
    pub fn new(channel: u16, consumer_tag: &'a str, frame_max: u32) -> Self {
        Deliveries {
            channel,
            consumer_tag,
            frame_max,
            last: None,
            head: [0; MOST_KEPT],
            head_len: 0,
            tag_at: 0,
        }
    }

    /// Appends one to a chunk, just as [`Chunk::deliver`] does.
    #[allow(
        clippy::too_many_arguments,
        reason = "the arguments of the method and of its content"
    )]
    #[inline]
    pub fn write(
        &mut self,
        chunk: &mut Chunk,
        delivery_tag: u64,
        redelivered: bool,
        exchange: &'a [u8],
        routing_key: &'a [u8],
        properties: Cow<'a, [u8]>,
        body: BodyRef<'_>,
    ) {
        let this = match properties {
            Cow::Borrowed(properties) => Some(Last {
                redelivered,
                exchange,
                routing_key,
                properties,
                body_len: body.len(),
            }),
            Cow::Owned(_) => None,
        };
        if let (Some(this), Some(last)) = (&this, &self.last)
            && last.is_like(this)
        {
            return self.write_like_last(chunk, delivery_tag, body.as_slice());
        }
        let from = chunk.tail.len();
        chunk.deliver(
            self.channel,
            self.consumer_tag,
            delivery_tag,
            redelivered,
            exchange,
            routing_key,
            &properties,
            body,
            self.frame_max,
        );
        self.last = this.filter(|_| self.keep(chunk, from, body));
    }

    /// Appends one that is like the last one [written](Self::write) but for its tag and the bytes of its body, if that can be done
    /// without knowing more of it. Whether it was.
    #[inline]
    pub fn repeat(&mut self, chunk: &mut Chunk, delivery_tag: u64, redelivered: bool, body: &[u8]) -> bool {
        let like_last = |last: &Last<'_>| last.redelivered == redelivered && last.body_len == body.len();
        let repeats = self.last.as_ref().is_some_and(like_last);
        if repeats {
            self.write_like_last(chunk, delivery_tag, body);
        }
        repeats
    }

    #[inline]
    fn write_like_last(&mut self, chunk: &mut Chunk, delivery_tag: u64, body: &[u8]) {
        let (tag_at, behind) = (self.tag_at, self.tag_at + 8);
        if let Some(place) = self.head.get_mut(tag_at..behind) {
            place.copy_from_slice(&delivery_tag.to_be_bytes());
        }
        let head = self.head.get(..self.head_len).unwrap_or_default();
        chunk.tail.reserve(head.len() + body.len() + 1);
        chunk.tail.extend_from_slice(head);
        chunk.tail.extend_from_slice(body);
        chunk.tail.put_u8(FRAME_END);
    }

    /// Keeps what precedes the body of the message that begins at `from`. Whether it does in one piece.
    fn keep(&mut self, chunk: &Chunk, from: usize, body: BodyRef<'_>) -> bool {
        let one_frame = self.frame_max == 0 || body.len() + FRAME_OVERHEAD <= self.frame_max as usize;
        if body.is_empty() || body.by_reference().is_some() || !one_frame {
            return false;
        }
        let to = chunk.tail.len() - 1 - body.len();
        let Some(head) = chunk.tail.get(from..to) else {
            return false;
        };
        let Some(kept) = self.head.get_mut(..head.len()) else {
            return false;
        };
        kept.copy_from_slice(head);
        self.head_len = head.len();
        let consumer_tag = self.head.get(TAG_LEN_AT).copied().unwrap_or_default();
        self.tag_at = TAG_LEN_AT + 1 + usize::from(consumer_tag);
        true
    }
}

impl Last<'_> {
    #[inline]
    fn is_like(&self, other: &Last<'_>) -> bool {
        self.body_len == other.body_len
            && self.redelivered == other.redelivered
            && same(self.properties, other.properties)
            && same(self.routing_key, other.routing_key)
            && same(self.exchange, other.exchange)
    }
}

/// Whether two slices are equal, as they are mostly the same.
#[inline]
fn same(one: &[u8], other: &[u8]) -> bool {
    std::ptr::eq(one, other) || one == other
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn each_is_written_as_it_would_be_by_itself() {
        let long = vec![b'x'; 300];
        let large = Bytes::from(vec![7; super::super::REFERENCE_FROM]);
        let bodies = [
            BodyRef::Slice(b"one"),
            BodyRef::Slice(b"two"),
            BodyRef::Slice(b"four"),
            BodyRef::Slice(b""),
            BodyRef::Slice(b""),
            BodyRef::Slice(&long),
            BodyRef::Slice(&long),
            BodyRef::Shared(&large),
            BodyRef::Shared(&large),
            BodyRef::Slice(b"six"),
        ];
        let names: [(&[u8], &[u8]); 3] = [(b"e", b"k"), (b"e", b"l"), (b"", &long)];
        let properties: [&[u8]; 3] = [&[0, 0], &[], &[0x10, 0, 2]];
        let tags = ["", "consumer", &"c".repeat(300)];
        for (consumer_tag, frame_max) in tags.into_iter().zip([0, 128, 4_096]) {
            let mut deliveries = Deliveries::new(9, consumer_tag, frame_max);
            let (mut written, mut expected) = (Chunk::new(), Chunk::new());
            let mut tag = 0;
            for (exchange, key) in names {
                for properties in properties {
                    for (body, redelivered) in bodies.iter().flat_map(|body| [(*body, false), (*body, true)])
                    {
                        for owned in [false, false, true, false] {
                            tag += 1;
                            let given = match owned {
                                true => Cow::Owned(properties.to_vec()),
                                false => Cow::Borrowed(properties),
                            };
                            deliveries.write(&mut written, tag, redelivered, exchange, key, given, body);
                            expected.deliver(
                                9,
                                consumer_tag,
                                tag,
                                redelivered,
                                exchange,
                                key,
                                properties,
                                body,
                                frame_max,
                            );
                        }
                    }
                }
            }
            assert_eq!(written.len(), expected.len());
            assert!(written.into_bytes() == expected.into_bytes());
        }
    }
    #[test]
    fn one_is_repeated_with_another_tag_and_body() {
        let mut deliveries = Deliveries::new(9, "consumer", 4_096);
        let (mut written, mut expected) = (Chunk::new(), Chunk::new());
        assert!(
            !deliveries.repeat(&mut written, 1, false, b"one"),
            "there is none"
        );
        let properties = Cow::Borrowed(&[0x10, 0, 2][..]);
        deliveries.write(
            &mut written,
            1,
            false,
            b"e",
            b"k",
            properties.clone(),
            BodyRef::Slice(b"one"),
        );
        assert!(deliveries.repeat(&mut written, 2, false, b"two"));
        assert!(!deliveries.repeat(&mut written, 3, false, b"three"));
        assert!(!deliveries.repeat(&mut written, 3, true, b"two"));
        for (tag, body) in [(1, b"one"), (2, b"two")] {
            let body = BodyRef::Slice(body);
            expected.deliver(9, "consumer", tag, false, b"e", b"k", &properties, body, 4_096);
        }
        assert!(written.into_bytes() == expected.into_bytes());
    }
}
