//! Publications encoded once, and stamped anew each time they are sent.
//!
//! The frames of one publisher's messages differ in the stamp at the start of the body, and in turn in the route they
//! take, so a batch of them is a buffer to be patched, and publishing costs little more than the write.

use leveret_protocol::frame::{FRAME_MIN_SIZE, FRAME_OVERHEAD};
use leveret_protocol::{BodyRef, Chunk, FieldTable, OwnedProperties};

use super::stamp::{self, Origin, STAMP_LEN};

/// What a batch is filled up to, in bytes.
const BATCH: usize = 64 << 10;

/// What a message is routed by.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Route {
    /// Where it is published.
    pub(crate) channel: u16,
    pub(crate) key: String,
    /// Its own headers, besides those all messages have.
    pub(crate) headers: FieldTable,
    pub(crate) priority: Option<u8>,
}

/// What all messages of a publisher have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content<'a> {
    pub(crate) exchange: &'a str,
    pub(crate) persistent: bool,
    /// Milliseconds each message has of its own.
    pub(crate) expiration: Option<u32>,
    pub(crate) headers: &'a FieldTable,
    /// Bytes of the body.
    pub(crate) size: usize,
    /// The largest frame the broker takes, in bytes.
    pub(crate) frame_max: u32,
}

/// A batch of messages of equal length that take turns over some routes.
#[derive(Debug)]
pub(crate) struct Template {
    frames: Vec<u8>,
    message_len: usize,
    routes: usize,
    /// Where the body begins within a message.
    body_at: usize,
    stamp_len: usize,
}

impl Template {
    /// Messages with this content that take these routes in turn; all routes must take as many bytes as the first.
    pub(crate) fn new(content: Content<'_>, routes: &[Route]) -> Self {
        let messages: Vec<Vec<u8>> = routes.iter().map(|route| content.encoded(route)).collect();
        let message_len = messages.first().map_or(1, Vec::len);
        let body_frames = content
            .size
            .div_ceil(content.frame_max() as usize - FRAME_OVERHEAD);
        let body_at = message_len - content.size - body_frames * FRAME_OVERHEAD + FRAME_OVERHEAD - 1;
        // A batch begins at any route and may go once around.
        let count = (BATCH / message_len).max(1) + messages.len() - 1;
        let frames: Vec<u8> = messages.iter().cycle().take(count).flatten().copied().collect();
        debug_assert_eq!(frames.len(), count * message_len, "routes differ in length");
        Self {
            frames,
            message_len,
            routes: messages.len(),
            body_at,
            stamp_len: content.size.min(STAMP_LEN),
        }
    }

    /// The most messages one batch holds.
    pub(crate) fn capacity(&self) -> usize {
        self.frames.len() / self.message_len - (self.routes - 1)
    }

    /// The bytes of one message with its frames.
    pub(crate) fn message_len(&self) -> usize {
        self.message_len
    }

    /// The next `count` messages, ready to be sent.
    pub(crate) fn stamped(&mut self, count: usize, now: u64, first: Origin) -> &[u8] {
        let from = (first.sequence() as usize % self.routes) * self.message_len;
        let len = count * self.message_len;
        let frames = self.frames.get_mut(from..from + len).unwrap_or_default();
        for (message, number) in frames.chunks_exact_mut(self.message_len).zip(0..) {
            if let Some(body) = message.get_mut(self.body_at..self.body_at + self.stamp_len) {
                stamp::write(body, now, first.after(number));
            }
        }
        frames
    }
}

impl Content<'_> {
    fn frame_max(&self) -> u32 {
        self.frame_max.max(FRAME_MIN_SIZE)
    }

    fn encoded(&self, route: &Route) -> Vec<u8> {
        let mode = if self.persistent { 2 } else { 1 };
        let mut properties = OwnedProperties::new().with_delivery_mode(mode);
        let mut headers = route.headers.clone();
        for (key, value) in self.headers.iter() {
            headers.push(key.clone(), value.clone());
        }
        if !headers.is_empty() {
            properties = properties.with_headers(headers);
        }
        if let Some(priority) = route.priority {
            properties = properties.with_priority(priority);
        }
        if let Some(expiration) = self.expiration {
            properties = properties.with_expiration(expiration.to_string());
        }
        let (body, properties) = (vec![b'x'; self.size], properties.encode());
        let mut chunk = Chunk::new();
        chunk.publish(
            route.channel,
            self.exchange,
            &route.key,
            &properties,
            BodyRef::Slice(&body),
            self.frame_max(),
        );
        chunk.into_bytes().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use leveret_protocol::method::basic::{self, Publish};
    use leveret_protocol::{FieldValue, Frame, FrameKind, Method, Properties, decode};

    use super::*;

    fn template(size: usize) -> Template {
        routed(size, &["key"])
    }

    fn routed(size: usize, keys: &[&str]) -> Template {
        let content = Content {
            exchange: "x",
            persistent: true,
            expiration: None,
            headers: &FieldTable::new(),
            size,
            frame_max: 4096,
        };
        Template::new(content, &keys.iter().map(|key| route(key)).collect::<Vec<_>>())
    }

    fn route(key: &str) -> Route {
        Route {
            channel: 1,
            key: key.to_owned(),
            headers: FieldTable::new(),
            priority: None,
        }
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

    #[test]
    fn messages_carry_what_is_asked_and_the_priority_of_their_route() {
        let content = Content {
            exchange: "",
            persistent: false,
            expiration: Some(60_000),
            headers: &FieldTable::from_iter([("x-delay", FieldValue::I64(1000))]),
            size: 16,
            frame_max: 4096,
        };
        let routes = [0, 1].map(|priority| Route {
            priority: Some(priority),
            ..route("key")
        });
        let mut template = Template::new(content, &routes);
        let batch = frames(template.stamped(2, 9, Origin::first(1, 2)));
        for (priority, (kind, header)) in (0..).zip([batch[1], batch[4]]) {
            assert_eq!(kind, FrameKind::Header);
            // Behind class, weight and body size.
            let properties = Properties::parse(&header[12..]).unwrap();
            assert_eq!(properties.priority, Some(priority));
            assert_eq!(properties.expiration, Some(&b"60000"[..]));
            let headers = properties.headers().unwrap().unwrap();
            assert_eq!(headers.get("x-delay"), Some(&FieldValue::I64(1000)));
        }
    }

    #[test]
    fn messages_take_their_routes_in_turn_from_batch_to_batch() {
        let mut template = routed(16, &["k0", "k1", "k2"]);
        let mut keys = Vec::new();
        for first in [0, 2, 4] {
            let batch = frames(template.stamped(2, 9, Origin::first(1, 2).after(first)));
            for (_, method) in batch.iter().step_by(3) {
                let Ok(Method::Basic(basic::Method::Publish(publish))) = Method::decode(method) else {
                    panic!("no publication");
                };
                keys.push(publish.routing_key.to_owned());
            }
        }
        assert_eq!(keys, ["k0", "k1", "k2", "k0", "k1", "k2"]);
        let most = template.capacity();
        assert_eq!(
            template.stamped(most, 9, Origin::first(1, 2).after(2)).len(),
            most * template.message_len()
        );
    }
}
