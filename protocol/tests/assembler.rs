//! Commands out of the frames of one channel.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use bytes::Bytes;
use leveret_protocol::{
    Assembler, Body, Chunk, Exception, FrameBatch, HARD_MESSAGE_LIMIT, Method, OwnedProperties, ReplyCode,
    Scope, decode, frame::FrameKind, method::basic,
};

const MAX: u64 = 1 << 20;
const PUBLISH: basic::Publish<'static> = basic::Publish {
    exchange: "e",
    routing_key: "k",
    mandatory: false,
    immediate: false,
};

/// Frames of channel 1 for a batch.
#[derive(Default)]
struct Wire(Vec<u8>);

impl Wire {
    fn frame(mut self, kind: FrameKind, payload: &[u8]) -> Self {
        self.0.extend([kind as u8, 0, 1]);
        self.0.extend((payload.len() as u32).to_be_bytes());
        self.0.extend(payload);
        self.0.push(0xCE);
        self
    }

    fn method<'a>(mut self, method: impl Into<Method<'a>>) -> Self {
        let mut chunk = Chunk::new();
        chunk.method(1, &method.into());
        self.0.extend_from_slice(&chunk.into_bytes());
        self
    }

    fn header_of(self, class: u16, weight: u16, size: u64) -> Self {
        let payload = [
            &class.to_be_bytes()[..],
            &weight.to_be_bytes(),
            &size.to_be_bytes(),
            &[0x10, 0, 2],
        ]
        .concat();
        self.frame(FrameKind::Header, &payload)
    }

    fn header(self, size: u64) -> Self {
        self.header_of(60, 0, size)
    }

    fn body(self, bytes: &[u8]) -> Self {
        self.frame(FrameKind::Body, bytes)
    }

    fn batch(self) -> FrameBatch {
        let mut frames = Vec::new();
        assert_eq!(decode::frames(&self.0, 0, &mut frames), (self.0.len(), None));
        FrameBatch {
            bytes: Bytes::from(self.0),
            frames: frames.into(),
        }
    }
}

fn publish() -> Wire {
    Wire::default().method(PUBLISH)
}

/// What a fresh assembler says of the last frame of these.
fn refusal(wire: Wire) -> Exception {
    let (mut assembler, batch, mut at) = (Assembler::new(MAX), wire.batch(), 0);
    let refused = assembler.next(&batch, &mut at).unwrap().unwrap_err();
    assert_eq!(at, batch.frames.len());
    refused
}

/// The names of the commands in a batch.
fn names(assembler: &mut Assembler, batch: &FrameBatch) -> Vec<&'static str> {
    let (mut names, mut at) = (Vec::new(), 0);
    while let Some(command) = assembler.next(batch, &mut at) {
        names.push(command.unwrap().method.name());
    }
    names
}

#[test]
fn a_content_whose_frames_arrive_together_is_borrowed_from_the_batch() {
    let batch = publish().header(5).body(b"hello").batch();
    let (mut assembler, mut at) = (Assembler::new(MAX), 0);
    let command = assembler.next(&batch, &mut at).unwrap().unwrap();
    assert_eq!(command.method, PUBLISH.into());
    let content = command.content.unwrap();
    assert_eq!(content.properties, [0x10, 0, 2]);
    let Body::Slice(body) = content.body else {
        panic!("the body was copied")
    };
    assert_eq!(body, b"hello");
    assert!(batch.bytes.as_ptr_range().contains(&body.as_ptr()));
    assert!(assembler.next(&batch, &mut at).is_none());
}

#[test]
fn a_body_of_several_frames_is_gathered() {
    let batch = publish()
        .header(11)
        .body(b"hello ")
        .body(b"")
        .body(b"world")
        .batch();
    let (mut assembler, mut at) = (Assembler::new(MAX), 0);
    let content = assembler.next(&batch, &mut at).unwrap().unwrap().content.unwrap();
    let Body::Shared(body) = content.body else {
        panic!("the body lies in one piece")
    };
    assert_eq!(body, "hello world");
}

#[test]
fn a_content_cut_anywhere_between_its_frames_is_joined() {
    let whole = publish()
        .header(6)
        .body(b"abc")
        .body(b"def")
        .method(basic::Ack::default())
        .batch();
    for cut in 0..=whole.frames.len() {
        let (first, second) = whole.frames.split_at(cut);
        let mut assembler = Assembler::new(MAX);
        let mut commands = Vec::new();
        for frames in [first, second] {
            let batch = FrameBatch {
                bytes: whole.bytes.clone(),
                frames: frames.to_vec().into(),
            };
            let mut at = 0;
            while let Some(command) = assembler.next(&batch, &mut at) {
                let command = command.unwrap();
                let content = command
                    .content
                    .map(|c| (c.properties.to_vec(), c.body.as_slice().to_vec()));
                commands.push((command.method.name(), content));
            }
        }
        let content = Some((vec![0x10, 0, 2], b"abcdef".to_vec()));
        assert_eq!(
            commands,
            [("basic.publish", content), ("basic.ack", None)],
            "cut at {cut}"
        );
    }
}

#[test]
fn a_body_that_comes_whole_in_the_next_batch_is_not_copied() {
    let first = publish().header(5).batch();
    let second = Wire::default().body(b"hello").batch();
    let mut assembler = Assembler::new(MAX);
    assert!(assembler.next(&first, &mut 0).is_none());
    drop(first);
    let mut at = 0;
    let command = assembler.next(&second, &mut at).unwrap().unwrap();
    assert_eq!(command.method, PUBLISH.into());
    assert!(matches!(command.content.unwrap().body, Body::Slice(b"hello")));
}

#[test]
fn an_empty_body_is_complete_at_the_header() {
    let batch = publish().header(0).method(basic::Ack::default()).batch();
    assert_eq!(
        names(&mut Assembler::new(MAX), &batch),
        ["basic.publish", "basic.ack"]
    );
}

#[test]
fn every_method_with_content_waits_for_it() {
    let batch = Wire::default()
        .method(basic::Return {
            reply_code: 312,
            ..Default::default()
        })
        .header(1)
        .body(b"x")
        .method(basic::Deliver {
            delivery_tag: 1,
            ..Default::default()
        })
        .header(0)
        .method(basic::GetOk {
            delivery_tag: 2,
            ..Default::default()
        })
        .header(0)
        .batch();
    let names = names(&mut Assembler::new(MAX), &batch);
    assert_eq!(names, ["basic.return", "basic.deliver", "basic.get-ok"]);
}

#[test]
fn a_frame_of_another_kind_than_is_due_is_unexpected() {
    let cases = [
        (
            Wire::default().header(1),
            "expected method frame, got non method frame instead",
            (0, 0),
        ),
        (
            Wire::default().body(b"x"),
            "expected method frame, got non method frame instead",
            (0, 0),
        ),
        (
            publish().body(b"x"),
            "expected content header for class 60, got non content header frame instead",
            (60, 40),
        ),
        (
            publish().method(PUBLISH),
            "expected content header for class 60, got non content header frame instead",
            (60, 40),
        ),
        (
            publish().header_of(50, 0, 1),
            "expected content header for class 60, got one for class 50 instead",
            (60, 40),
        ),
        (
            publish().header_of(60, 1, 1),
            "expected content header for class 60 of weight 0, got one of weight 1 instead",
            (60, 40),
        ),
        (
            publish().header(2).body(b"x").method(PUBLISH),
            "expected content body, got non content body frame instead",
            (60, 40),
        ),
    ];
    for (wire, text, method) in cases {
        let expected = Exception::new(ReplyCode::UnexpectedFrame, text).on(method);
        assert_eq!(refusal(wire), expected);
    }
}

#[test]
fn a_header_too_short_for_its_fields_is_a_syntax_error() {
    let refused = refusal(publish().frame(FrameKind::Header, &[0, 60, 0, 0, 0]));
    assert_eq!((refused.code, refused.method), (ReplyCode::SyntaxError, (60, 40)));
}

#[test]
fn a_body_longer_than_announced_ends_the_connection() {
    let text = "content body frame exceeds remaining content size";
    let expected = Exception::new(ReplyCode::FrameError, text).on((60, 40));
    assert_eq!(refusal(publish().header(3).body(b"abcd")), expected);
    assert_eq!(refusal(publish().header(3).body(b"ab").body(b"cd")), expected);
}

#[test]
fn a_body_beyond_the_hard_limit_ends_the_connection() {
    let mut assembler = Assembler::new(u64::MAX);
    let batch = publish().header(HARD_MESSAGE_LIMIT + 1).batch();
    let refused = assembler.next(&batch, &mut 0).unwrap().unwrap_err();
    assert_eq!(
        (refused.code, refused.scope),
        (ReplyCode::FrameError, Scope::Connection)
    );
    let batch = publish().header(HARD_MESSAGE_LIMIT).batch();
    assert!(Assembler::new(u64::MAX).next(&batch, &mut 0).is_none());
}

#[test]
fn a_message_beyond_the_configured_size_ends_the_channel_and_is_read_past() {
    let mut assembler = Assembler::new(4);
    let batch = publish().header(5).body(b"ab").batch();
    let mut at = 0;
    let refused = assembler.next(&batch, &mut at).unwrap().unwrap_err();
    let text = "message size 5 is larger than configured max size 4";
    assert_eq!(
        refused,
        Exception::new(ReplyCode::PreconditionFailed, text).on((60, 40))
    );
    assert_eq!(refused.scope, Scope::Channel);
    assert!(assembler.next(&batch, &mut at).is_none());

    let batch = Wire::default()
        .body(b"")
        .body(b"cde")
        .method(basic::Ack::default())
        .batch();
    assert_eq!(names(&mut assembler, &batch), ["basic.ack"]);
}

#[test]
fn a_refused_content_is_still_held_to_its_size() {
    let mut assembler = Assembler::new(4);
    let batch = publish().header(5).body(b"abcdef").batch();
    let mut at = 0;
    assert_eq!(
        assembler.next(&batch, &mut at).unwrap().unwrap_err().scope,
        Scope::Channel
    );
    let refused = assembler.next(&batch, &mut at).unwrap().unwrap_err();
    assert_eq!((refused.code, refused.method), (ReplyCode::FrameError, (60, 40)));
}

#[test]
fn a_large_body_of_many_frames_arrives_unchanged() {
    let body: Vec<u8> = (0..MAX).map(|at| (at % 251) as u8).collect();
    let raw = OwnedProperties::new().with_delivery_mode(2).encode();
    let mut chunk = Chunk::new();
    chunk.publish(1, "e", "k", &raw, (&body[..]).into(), 4096);
    let batch = Wire(chunk.into_bytes().to_vec()).batch();
    let mut assembler = Assembler::new(MAX);
    let mut received = None;
    // Each frame comes in a batch of its own.
    for frame in batch.frames.iter() {
        let batch = FrameBatch {
            bytes: batch.bytes.clone(),
            frames: vec![*frame].into(),
        };
        assert!(received.is_none());
        let mut at = 0;
        if let Some(command) = assembler.next(&batch, &mut at) {
            let content = command.unwrap().content.unwrap();
            received = Some((content.properties.to_vec(), content.body.as_slice().to_vec()));
        }
    }
    assert_eq!(received, Some((raw.to_vec(), body)));
}

#[test]
fn a_body_of_a_mebibyte_is_not_moved_while_it_gathers() {
    let mut assembler = Assembler::new(MAX);
    let piece = [7; 131_064];
    assert!(assembler.next(&publish().header(MAX).batch(), &mut 0).is_none());
    let announced = assembler.held();
    assert!(
        announced < 4096,
        "{announced} bytes for a body that was only announced"
    );
    let batch = Wire::default().body(&piece).batch();
    assert!(assembler.next(&batch, &mut 0).is_none());
    let held = assembler.held();
    for _ in 1..8 {
        assert!(assembler.next(&batch, &mut 0).is_none());
        assert_eq!(assembler.held(), held);
    }
    let rest = Wire::default()
        .body(&piece[..MAX as usize - 8 * piece.len()])
        .batch();
    let command = assembler.next(&rest, &mut 0).unwrap().unwrap();
    assert_eq!(command.content.unwrap().body.as_slice().len() as u64, MAX);
}

#[test]
fn a_publication_means_the_same_whatever_came_before() {
    let mut used = Assembler::new(MAX);
    let choices = ["", "e", "k", "a longer name"];
    let mut random = 1_u32;
    let mut one_of = |count: usize| {
        random = random.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        (random >> 16) as usize % count
    };
    let mut publish = PUBLISH;
    for _ in 0..1_000 {
        // Most repeat the one before.
        match one_of(10) {
            0 => publish.exchange = choices[one_of(4)],
            1 => publish.routing_key = choices[one_of(4)],
            2 => publish.mandatory = !publish.mandatory,
            3 => publish.immediate = !publish.immediate,
            _ => {}
        }
        let (whole, cut) = (one_of(4) > 0, one_of(2) == 0);
        let wire = Wire::default().method(publish.clone()).header(4);
        let wire = if whole {
            wire.body(b"body")
        } else {
            wire.body(b"bo").body(b"dy")
        };
        let batch = wire.batch();
        let at = if cut { 1 } else { batch.frames.len() };
        let parts = [&batch.frames[..at], &batch.frames[at..]].map(|frames| FrameBatch {
            bytes: batch.bytes.clone(),
            frames: frames.to_vec().into(),
        });
        let (of_first, of_second) = {
            let first = used.next(&parts[0], &mut 0).map(|read| format!("{read:?}"));
            let second = used.next(&parts[1], &mut 0).map(|read| format!("{read:?}"));
            (first, second)
        };
        let mut fresh = Assembler::new(MAX);
        let expected = fresh.next(&batch, &mut 0).map(|read| format!("{read:?}"));
        assert!(expected.is_some());
        assert_eq!(of_first.or(of_second), expected);
    }
}

#[test]
fn an_assembler_at_rest_is_small() {
    assert!(size_of::<Assembler>() <= 32);
}
