//! Messages as the bare client sends and sees them.

use leveret_protocol::method::basic;

use super::channel::Channel;
use super::wire::{BODY, Frame, HEADER};

/// The encoding of no properties at all.
pub(crate) const NONE: [u8; 2] = [0, 0];

/// A message delivered to a consumer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Delivery {
    pub(crate) consumer_tag: String,
    pub(crate) tag: u64,
    pub(crate) redelivered: bool,
    pub(crate) exchange: String,
    pub(crate) routing_key: String,
    /// As encoded, flags first.
    pub(crate) properties: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

/// The answer to a get.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Got {
    pub(crate) tag: u64,
    pub(crate) redelivered: bool,
    pub(crate) exchange: String,
    pub(crate) routing_key: String,
    pub(crate) message_count: u32,
    /// As encoded, flags first.
    pub(crate) properties: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

/// A message that found no queue.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Returned {
    pub(crate) reply_code: u16,
    pub(crate) reply_text: String,
    pub(crate) exchange: String,
    pub(crate) routing_key: String,
    /// As encoded, flags first.
    pub(crate) properties: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Delivery {
    pub(crate) fn new(method: basic::Deliver<'_>, (properties, body): (Vec<u8>, Vec<u8>)) -> Delivery {
        Delivery {
            consumer_tag: method.consumer_tag.to_owned(),
            tag: method.delivery_tag,
            redelivered: method.redelivered,
            exchange: method.exchange.to_owned(),
            routing_key: method.routing_key.to_owned(),
            properties,
            body,
        }
    }
}

impl Got {
    pub(crate) fn new(method: basic::GetOk<'_>, (properties, body): (Vec<u8>, Vec<u8>)) -> Got {
        Got {
            tag: method.delivery_tag,
            redelivered: method.redelivered,
            exchange: method.exchange.to_owned(),
            routing_key: method.routing_key.to_owned(),
            message_count: method.message_count,
            properties,
            body,
        }
    }
}

impl Returned {
    pub(crate) fn new(method: basic::Return<'_>, (properties, body): (Vec<u8>, Vec<u8>)) -> Returned {
        Returned {
            reply_code: method.reply_code,
            reply_text: method.reply_text.to_owned(),
            exchange: method.exchange.to_owned(),
            routing_key: method.routing_key.to_owned(),
            properties,
            body,
        }
    }
}

/// The header and body frames of one message, ready to write.
pub(crate) fn frames(channel: u16, properties: &[u8], body: &[u8], frame_max: usize) -> Vec<u8> {
    let mut bytes = Frame::new(HEADER, channel, header(60, 0, body.len() as u64, properties)).bytes();
    for part in body.chunks(frame_max - 8) {
        bytes.extend(Frame::new(BODY, channel, part).bytes());
    }
    bytes
}

/// The payload of a content header.
pub(crate) fn header(class: u16, weight: u16, body_size: u64, properties: &[u8]) -> Vec<u8> {
    let mut payload = class.to_be_bytes().to_vec();
    payload.extend(weight.to_be_bytes());
    payload.extend(body_size.to_be_bytes());
    payload.extend(properties);
    payload
}

/// Reads the header and body frames that follow a method with content: the properties and the body.
#[track_caller]
pub(crate) fn read(channel: &Channel) -> (Vec<u8>, Vec<u8>) {
    let header = channel.frame();
    assert_eq!(
        header.kind, HEADER,
        "a content header follows the method: {header:?}"
    );
    let (fixed, properties) = header.payload.split_at(12);
    assert_eq!(&fixed[..4], [0, 60, 0, 0], "class 60 and weight 0");
    let body_size = u64::from_be_bytes(fixed[4..].try_into().expect("eight bytes")) as usize;
    let frame_max = channel.shared().frame_max;
    let mut body = Vec::with_capacity(body_size);
    while body.len() < body_size {
        let part = channel.frame();
        assert_eq!(part.kind, BODY, "a body frame follows: {part:?}");
        assert!(!part.payload.is_empty(), "the broker sends no empty body frame");
        assert!(
            part.payload.len() + 8 <= frame_max,
            "the frame is within the frame-max"
        );
        body.extend(part.payload);
    }
    assert_eq!(body.len(), body_size, "the body is as long as announced");
    (properties.to_vec(), body)
}
