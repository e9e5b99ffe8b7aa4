//! Publications encoded once, and stamped anew each time they are sent.
//!
//! The frames of one publisher's messages differ in the stamp at the start of the body and nowhere
//! else, so a batch of them is a buffer to be patched, and publishing costs little more than the write.

use leveret_protocol::frame::{FRAME_MIN_SIZE, FRAME_OVERHEAD};
use leveret_protocol::{BodyRef, Chunk, OwnedProperties};

use super::stamp::{self, Origin, STAMP_LEN};
use crate::cli::perf::client::CHANNEL;

/// What a batch is filled up to, in bytes.
const BATCH: usize = 64 << 10;

/// A batch of equal messages.
#[derive(Debug)]
pub(crate) struct Template {
    frames: Vec<u8>,
    message_len: usize,
    /// Where the body begins within a message.
    body_at: usize,
    stamp_len: usize,
}

impl Template {
    /// Messages of `size` bytes to `exchange` and `key`, cut into frames of at most `frame_max`.
    pub(crate) fn new(exchange: &str, key: &str, persistent: bool, size: usize, frame_max: u32) -> Self {
        let frame_max = frame_max.max(FRAME_MIN_SIZE);
        let properties = OwnedProperties::new()
            .with_delivery_mode(if persistent { 2 } else { 1 })
            .encode();
        let body = vec![b'x'; size];
        let mut chunk = Chunk::new();
        chunk.publish(
            CHANNEL,
            exchange,
            key,
            &properties,
            BodyRef::Slice(&body),
            frame_max,
        );
        let message = chunk.into_bytes();
        let body_frames = size.div_ceil(frame_max as usize - FRAME_OVERHEAD);
        let body_at = message.len() - size - body_frames * FRAME_OVERHEAD + FRAME_OVERHEAD - 1;
        let count = (BATCH / message.len()).max(1);
        Self {
            frames: message.repeat(count),
            message_len: message.len(),
            body_at,
            stamp_len: size.min(STAMP_LEN),
        }
    }

    /// The most messages one batch holds.
    pub(crate) fn capacity(&self) -> usize {
        self.frames.len() / self.message_len
    }

    /// The bytes of one message with its frames.
    pub(crate) fn message_len(&self) -> usize {
        self.message_len
    }

    /// The next `count` messages, ready to be sent.
    pub(crate) fn stamped(&mut self, count: usize, now: u64, first: Origin) -> &[u8] {
        let len = count * self.message_len;
        let frames = self.frames.get_mut(..len).unwrap_or_default();
        for (message, number) in frames.chunks_exact_mut(self.message_len).zip(0..) {
            if let Some(body) = message.get_mut(self.body_at..self.body_at + self.stamp_len) {
                stamp::write(body, now, first.after(number));
            }
        }
        frames
    }
}

#[cfg(test)]
mod tests {
    use leveret_protocol::method::basic::{self, Publish};
    use leveret_protocol::{Frame, FrameKind, Method, decode};

    use super::*;

    fn template(size: usize) -> Template {
        Template::new("x", "key", true, size, 4096)
    }

    fn frames(bytes: &[u8]) -> Vec<(FrameKind, &[u8])> {
        let mut frames = Vec::new();
        assert_eq!(decode::frames(bytes, 4096, &mut frames), (bytes.len(), None));
        let payload = |frame: &Frame| &bytes[frame.start as usize..frame.end as usize];
        frames.iter().map(|frame| (frame.kind, payload(frame))).collect()
    }

    #[test]
    fn a_batch_is_whole_messages_each_with_its_own_stamp() {
        use FrameKind::{Body, Header, Method as Head};
        let mut template = template(20);
        let frames = frames(template.stamped(2, 9, Origin::first(1, 2).after(5)));
        let kinds: Vec<FrameKind> = frames.iter().map(|&(kind, _)| kind).collect();
        assert_eq!(kinds, [Head, Header, Body, Head, Header, Body]);
        let publish = Publish {
            exchange: "x",
            routing_key: "key",
            ..Default::default()
        };
        assert_eq!(
            Method::decode(frames[0].1),
            Ok(basic::Method::Publish(publish).into())
        );
        for ((_, body), sequence) in [(frames[2], 5), (frames[5], 6)] {
            assert_eq!(body.len(), 20);
            let (time, origin) = stamp::read(body);
            assert_eq!((time, origin.unwrap().sequence()), (Some(9), sequence));
        }
    }

    #[test]
    fn a_large_body_is_cut_at_the_frame_size_and_stamped_at_its_start() {
        let mut template = template(10_000);
        let frames = frames(template.stamped(1, 9, Origin::first(1, 2)));
        let sizes: Vec<usize> = frames[2..].iter().map(|(_, body)| body.len()).collect();
        assert_eq!(sizes, [4088, 4088, 1824]);
        assert_eq!(stamp::read(frames[2].1), (Some(9), Some(Origin::first(1, 2))));
    }

    #[test]
    fn an_empty_body_has_no_body_frame() {
        assert_eq!(frames(template(0).stamped(1, 9, Origin::first(1, 2))).len(), 2);
        let batch = template(0).stamped(3, 9, Origin::first(1, 2)).len();
        assert_eq!(batch, 3 * template(0).message_len());
    }

    #[test]
    fn a_message_larger_than_a_batch_is_a_batch() {
        assert_eq!(template(2 * BATCH).capacity(), 1);
    }
}
