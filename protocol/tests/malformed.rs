//! What a peer must not send, and what it is told.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod samples;

use bytes::{Bytes, BytesMut};
use leveret_protocol::{
    EncodeMethod, Exception, FieldTable, FieldValue, FrameKind, Method, OwnedProperties, Properties,
    ReplyCode, Scope, decode, types::MAX_DEPTH,
};
use std::time::{Duration, Instant};

const FRAME_MAX: u32 = 4096;

fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let size = payload.len() as u32;
    [
        &[kind][..],
        &channel.to_be_bytes(),
        &size.to_be_bytes(),
        payload,
        &[0xCE],
    ]
    .concat()
}

/// Frames decoded in front of a bad one, and what is wrong with it.
fn refusal(stream: &[u8]) -> (usize, Exception) {
    let mut frames = Vec::new();
    let (consumed, exception) = decode::frames(stream, FRAME_MAX, &mut frames);
    assert!(consumed < stream.len());
    (frames.len(), exception.expect("a bad frame"))
}

#[test]
fn a_method_cut_at_any_byte_is_a_syntax_error() {
    for method in samples::every_method() {
        let mut whole = BytesMut::new();
        method.encode(&mut whole);
        for end in 0..whole.len() {
            let refused = Method::decode(&whole[..end]).unwrap_err();
            let ids = if end < 4 { (0, 0) } else { method.ids() };
            assert_eq!(
                (refused.code, refused.method),
                (ReplyCode::SyntaxError, ids),
                "{} {end}",
                method.name()
            );
            assert_eq!(refused.scope, Scope::Connection);
        }
        whole.extend_from_slice(&[0]);
        let refused = Method::decode(&whole).unwrap_err();
        assert_eq!(
            refused.code,
            ReplyCode::SyntaxError,
            "{} and a trailing byte",
            method.name()
        );
    }
}

#[test]
fn an_unknown_method_is_named_by_its_ids() {
    let refused = Method::decode(&[0, 50, 0, 99]).unwrap_err();
    assert_eq!(
        refused.reply_text(),
        "NOT_IMPLEMENTED - unimplemented method: class 50, method 99"
    );
    assert_eq!((refused.scope, refused.method), (Scope::Connection, (50, 99)));
}

#[test]
fn a_short_string_must_be_text() {
    let refused = Method::decode(&[0, 60, 0, 70, 0, 0, 1, 0xff, 0]).unwrap_err();
    let expected = Exception::new(ReplyCode::FrameError, "Malformed UTF-8 in shortstr").on((60, 70));
    assert_eq!(refused, expected);
}

#[test]
fn strings_too_long_for_the_wire_are_cut_between_characters() {
    let long = format!("{}é", "x".repeat(254));
    let mut payload = BytesMut::new();
    let method: Method<'_> = leveret_protocol::method::basic::ConsumeOk { consumer_tag: &long }.into();
    method.encode(&mut payload);
    let expected = "x".repeat(254);
    let read = Method::decode(&payload).unwrap();
    assert_eq!(
        read,
        leveret_protocol::method::basic::ConsumeOk {
            consumer_tag: &expected
        }
        .into()
    );
}

#[test]
fn a_frame_of_unknown_type_is_refused_at_its_first_byte() {
    let stream = [frame(8, 0, b""), vec![4]].concat();
    let (before, refused) = refusal(&stream);
    assert_eq!(
        (before, refused.code, refused.scope),
        (1, ReplyCode::FrameError, Scope::Connection)
    );
    assert_eq!(refused.text, "type 4: unknown_frame");
}

#[test]
fn a_bad_end_is_shown_with_the_first_octets() {
    let mut bad = frame(1, 1, &[0, 90, 0, 10]);
    *bad.last_mut().unwrap() = 7;
    let (before, refused) = refusal(&[frame(8, 0, b""), bad].concat());
    assert_eq!((before, refused.code), (1, ReplyCode::FrameError));
    assert_eq!(
        refused.text,
        "type 1, all octets = <<0,90,0,10>>: {invalid_frame_end_marker,7}"
    );

    let mut bad = frame(3, 1, &[5; 100]);
    *bad.last_mut().unwrap() = 0;
    let (_, refused) = refusal(&bad);
    assert!(
        refused.text.starts_with("type 3, first 16 octets = <<5,5,"),
        "{}",
        refused.text
    );
}

#[test]
fn a_frame_may_exceed_the_limit_by_eight_bytes_but_not_nine() {
    let mut frames = Vec::new();
    let largest = frame(3, 1, &[0; FRAME_MAX as usize]);
    assert_eq!(
        decode::frames(&largest, FRAME_MAX, &mut frames),
        (largest.len(), None)
    );
    assert_eq!(frames[0].size(), FRAME_MAX);

    let head = &frame(3, 1, &[0; FRAME_MAX as usize + 1])[..7];
    let (_, refused) = refusal(head);
    assert_eq!(refused.code, ReplyCode::FrameError);
    assert_eq!(refused.text, "type 3: {frame_too_large,4097,4088}");
}

#[test]
fn a_heartbeat_belongs_on_channel_0_and_is_empty() {
    let (_, refused) = refusal(&frame(8, 1, b""));
    assert_eq!(
        (refused.code, refused.scope),
        (ReplyCode::UnexpectedFrame, Scope::Connection)
    );
    let (_, refused) = refusal(&frame(8, 0, b"x"));
    assert_eq!(refused.code, ReplyCode::FrameError);
}

#[test]
fn a_stream_cut_at_any_byte_waits_for_the_rest() {
    let stream = [
        frame(1, 1, &[0, 90, 0, 10]),
        frame(8, 0, b""),
        frame(3, 2, b"body"),
    ]
    .concat();
    let ends = [12, 20, 32];
    for end in 0..=stream.len() {
        let mut frames = Vec::new();
        let (consumed, exception) = decode::frames(&stream[..end], FRAME_MAX, &mut frames);
        let complete = ends.iter().filter(|&&frame_end| frame_end <= end).count();
        assert_eq!((frames.len(), exception), (complete, None));
        assert_eq!(consumed, if complete == 0 { 0 } else { ends[complete - 1] });
    }
}

#[test]
fn frames_carry_kind_channel_and_place() {
    let stream = [frame(2, 0xabcd, b"12"), frame(3, 1, b"")].concat();
    let mut frames = Vec::new();
    decode::frames(&stream, FRAME_MAX, &mut frames);
    let seen: Vec<_> = frames
        .iter()
        .map(|f| (f.kind, f.channel, f.start, f.end))
        .collect();
    assert_eq!(
        seen,
        [(FrameKind::Header, 0xabcd, 7, 9), (FrameKind::Body, 1, 17, 17)]
    );
}

fn table(body: &[u8]) -> Result<FieldTable, Exception> {
    FieldTable::decode(&[&(body.len() as u32).to_be_bytes()[..], body].concat())
}

#[test]
fn bad_tables_are_syntax_errors() {
    let bad: [&[u8]; 9] = [
        b"\x01k",                       // no value
        b"\x05k",                       // key beyond the end
        b"\x01kI\x00\x00",              // cut integer
        b"\x01kS\x00\x00\x00\x09x",     // cut string
        b"\x01kF\x00\x00\x00\x03\x01x", // cut table
        b"\x01kA\x00\x00\x00\x01I",     // cut value in an array
        b"\x01kU\x00\x01",              // unknown type
        b"\x01k?",                      // unknown type
        b"\x01kF\xff\xff\xff\xff",      // length beyond the end
    ];
    for body in bad {
        assert_eq!(table(body).unwrap_err().code, ReplyCode::SyntaxError, "{body:?}");
    }
    assert_eq!(
        FieldTable::decode(&[0, 0, 0]).unwrap_err().code,
        ReplyCode::SyntaxError
    );
    assert_eq!(
        FieldTable::decode(&[0, 0, 0, 0, 0]).unwrap_err().code,
        ReplyCode::SyntaxError
    );
}

#[test]
fn nesting_is_bounded() {
    let nested = |levels: usize| {
        let mut value = FieldValue::Void;
        for _ in 0..levels {
            value = FieldValue::Array(vec![value]);
        }
        let mut raw = BytesMut::new();
        FieldTable::from_iter([("deep", value)]).encode(&mut raw);
        FieldTable::decode(&raw)
    };
    assert!(nested(MAX_DEPTH - 1).is_ok());
    assert_eq!(nested(MAX_DEPTH).unwrap_err().code, ReplyCode::SyntaxError);

    // Far more levels than our own writer would make.
    let mut value = vec![b'V'];
    for _ in 0..1000 {
        value = [&b"A"[..], &(value.len() as u32).to_be_bytes(), &value].concat();
    }
    let raw = [&b"\x01k"[..], &value].concat();
    assert_eq!(table(&raw).unwrap_err().code, ReplyCode::SyntaxError);
}

#[test]
fn a_table_of_a_hundred_thousand_fields_is_read_in_linear_time() {
    let fields = FieldTable::from_iter((0..100_000).map(|n| (format!("key-{n}"), FieldValue::from(n))));
    let mut raw = BytesMut::new();
    fields.encode(&mut raw);
    let started = Instant::now();
    let read = FieldTable::decode(&raw).unwrap();
    assert_eq!(read, fields);
    assert!(read.equivalent(&fields));
    // A quadratic decoder would take minutes.
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn properties_cut_at_any_byte_are_a_syntax_error() {
    let whole = OwnedProperties::new()
        .with_content_type("text/plain")
        .with_headers(samples::table())
        .with_delivery_mode(2)
        .with_timestamp(1u64)
        .with_cluster_id("c")
        .encode();
    for end in 0..whole.len() {
        assert_eq!(
            Properties::parse(&whole[..end]).unwrap_err().code,
            ReplyCode::SyntaxError,
            "{end}"
        );
    }
    let longer = [&whole[..], &[0]].concat();
    assert_eq!(
        Properties::parse(&longer).unwrap_err().code,
        ReplyCode::SyntaxError
    );
}

#[test]
fn undefined_property_flags_are_refused_and_empty_words_of_flags_tolerated() {
    assert_eq!(
        Properties::parse(&[0, 2]).unwrap_err().code,
        ReplyCode::SyntaxError
    );
    assert_eq!(
        Properties::parse(&[0, 1, 0x80, 0]).unwrap_err().code,
        ReplyCode::SyntaxError
    );
    let continued = [0x10, 1, 0, 1, 0, 0, 2];
    assert_eq!(Properties::parse(&continued).unwrap().delivery_mode, Some(2));
    assert_eq!(leveret_protocol::properties::delivery_mode(&continued), Some(2));
    // A table of flags that never ends is no loop.
    assert_eq!(
        Properties::parse(&[0, 1].repeat(1000)).unwrap_err().code,
        ReplyCode::SyntaxError
    );
}

#[test]
fn keys_and_strings_that_are_not_text_round_trip() {
    let mut table = FieldTable::new();
    table.push(
        (&[0xff, 0xfe][..]).into(),
        FieldValue::LongString(Bytes::from_static(&[0xff])),
    );
    let mut raw = BytesMut::new();
    table.encode(&mut raw);
    assert_eq!(FieldTable::decode(&raw).unwrap(), table);
}
