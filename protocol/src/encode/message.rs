//! The two messages that fill a wire: basic.deliver and basic.publish with their contents.
//!
//! Both write method, content header and body in one go, into room reserved once.

use super::{BodyRef, Chunk, frame_header};
use crate::{
    frame::{FRAME_END, FRAME_OVERHEAD, FrameKind},
    method::basic::{Deliver, Publish},
    text,
};
use bytes::BufMut;

impl Chunk {
    /// Appends a basic.deliver with its content; see [`content`](Chunk::content) for the last three arguments.
    ///
    /// Tag, exchange and routing key longer than 255 bytes are cut.
    #[allow(
        clippy::too_many_arguments,
        reason = "the arguments of the method and of its content"
    )]
    pub fn deliver(
        &mut self,
        channel: u16,
        consumer_tag: &str,
        delivery_tag: u64,
        redelivered: bool,
        exchange: &[u8],
        routing_key: &[u8],
        properties: &[u8],
        body: BodyRef<'_>,
        frame_max: u32,
    ) {
        let tag = text::short(consumer_tag).as_bytes();
        let (exchange, key) = (text::short_bytes(exchange), text::short_bytes(routing_key));
        let size = 4 + 1 + tag.len() + 9 + 1 + exchange.len() + 1 + key.len();
        self.reserve_message(size, properties, body);
        self.method_header(channel, size, Deliver::IDS);
        self.short_string(tag);
        self.tail.put_u64(delivery_tag);
        self.tail.put_u8(redelivered.into());
        self.short_string(exchange);
        self.short_string(key);
        self.tail.put_u8(FRAME_END);
        self.content(channel, properties, body, frame_max);
    }

    /// Appends a basic.publish, neither mandatory nor immediate, with its content; see
    /// [`content`](Chunk::content) for the last three arguments.
    ///
    /// Exchange and routing key longer than 255 bytes are cut.
    pub fn publish(
        &mut self,
        channel: u16,
        exchange: &str,
        routing_key: &str,
        properties: &[u8],
        body: BodyRef<'_>,
        frame_max: u32,
    ) {
        let (exchange, key) = (
            text::short(exchange).as_bytes(),
            text::short(routing_key).as_bytes(),
        );
        let size = 4 + 2 + 1 + exchange.len() + 1 + key.len() + 1;
        self.reserve_message(size, properties, body);
        self.method_header(channel, size, Publish::IDS);
        self.tail.put_u16(0);
        self.short_string(exchange);
        self.short_string(key);
        self.tail.put_slice(&[0, FRAME_END]);
        self.content(channel, properties, body, frame_max);
    }

    fn reserve_message(&mut self, method: usize, properties: &[u8], body: BodyRef<'_>) {
        self.tail
            .reserve(FRAME_OVERHEAD + method + content_size(properties, body));
    }

    #[inline]
    fn method_header(&mut self, channel: u16, size: usize, (class, method): (u16, u16)) {
        let [a, b, c, d, e, f, g] = frame_header(FrameKind::Method, channel, size);
        let ([h, i], [j, k]) = (class.to_be_bytes(), method.to_be_bytes());
        self.tail.extend_from_slice(&[a, b, c, d, e, f, g, h, i, j, k]);
    }

    #[inline]
    fn short_string(&mut self, bytes: &[u8]) {
        self.tail.put_u8(bytes.len() as u8);
        self.tail.extend_from_slice(bytes);
    }
}

/// Bytes that a content takes in a chunk if its body fits into one frame.
#[inline]
pub(super) fn content_size(properties: &[u8], body: BodyRef<'_>) -> usize {
    let copied = if body.by_reference().is_some() {
        0
    } else {
        body.len()
    };
    FRAME_OVERHEAD + 12 + properties.len().max(2) + FRAME_OVERHEAD + copied
}

/// Class, weight and body size of a content header.
#[inline]
pub(super) fn content_header(size: usize) -> [u8; 12] {
    let [a, b, c, d, e, f, g, h] = (size as u64).to_be_bytes();
    [0, 60, 0, 0, a, b, c, d, e, f, g, h]
}
