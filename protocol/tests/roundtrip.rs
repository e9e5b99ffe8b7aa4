//! What is written is read back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use bytes::{Bytes, BytesMut};
use leveret_protocol::{
    Assembler, BodyRef, Chunk, EncodeMethod, FieldTable, FieldValue, FrameBatch, Method, OwnedProperties,
    Properties, ShortString, decode,
    encode::REFERENCE_FROM,
    method::{basic, connection, exchange, queue},
};
use proptest::{collection::vec, option, prelude::*};

fn value() -> impl Strategy<Value = FieldValue> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(FieldValue::Bool),
        any::<i8>().prop_map(FieldValue::I8),
        any::<u8>().prop_map(FieldValue::U8),
        any::<i16>().prop_map(FieldValue::I16),
        any::<u16>().prop_map(FieldValue::U16),
        any::<i32>().prop_map(FieldValue::I32),
        any::<u32>().prop_map(FieldValue::U32),
        any::<i64>().prop_map(FieldValue::I64),
        any::<u32>().prop_map(|bits| FieldValue::F32(f32::from_bits(bits))),
        any::<u64>().prop_map(|bits| FieldValue::F64(f64::from_bits(bits))),
        (any::<u8>(), any::<u32>()).prop_map(|(scale, value)| FieldValue::Decimal { scale, value }),
        vec(any::<u8>(), 0..40).prop_map(|bytes| FieldValue::LongString(bytes.into())),
        any::<u64>().prop_map(FieldValue::Timestamp),
        vec(any::<u8>(), 0..40).prop_map(|bytes| FieldValue::Bytes(bytes.into())),
        Just(FieldValue::Void),
    ];
    leaf.prop_recursive(4, 64, 8, |value| {
        prop_oneof![
            vec(value.clone(), 0..8).prop_map(FieldValue::Array),
            vec((key(), value), 0..8).prop_map(|fields| FieldValue::Table(FieldTable::from_iter(fields))),
        ]
    })
}

fn key() -> impl Strategy<Value = ShortString> {
    vec(any::<u8>(), 0..=255).prop_map(|bytes| ShortString::from(&bytes[..]))
}

fn table() -> impl Strategy<Value = FieldTable> {
    vec((key(), value()), 0..8).prop_map(FieldTable::from_iter)
}

/// Text that fits into a short string.
fn text() -> impl Strategy<Value = String> {
    "\\PC{0,60}"
}

fn properties() -> impl Strategy<Value = OwnedProperties> {
    let strings = vec(option::of(key()), 10);
    let numbers = (
        option::of(any::<u8>()),
        option::of(any::<u8>()),
        option::of(any::<u64>()),
    );
    (strings, option::of(table()), numbers).prop_map(|(strings, headers, numbers)| {
        let mut strings = strings.into_iter().map(Option::unwrap_or_default);
        let mut next = || strings.next().filter(|string| !string.is_empty());
        OwnedProperties {
            content_type: next(),
            content_encoding: next(),
            headers,
            delivery_mode: numbers.0,
            priority: numbers.1,
            correlation_id: next(),
            reply_to: next(),
            expiration: next(),
            message_id: next(),
            timestamp: numbers.2,
            kind: next(),
            user_id: next(),
            app_id: next(),
            cluster_id: next(),
        }
    })
}

/// Written, read and written again, a method keeps its bytes (floats that are no number equal nothing).
fn survives<'a>(method: impl Into<Method<'a>>) {
    let method = method.into();
    let written = encoded(&method);
    let read = Method::decode(&written).unwrap();
    assert_eq!(read.ids(), method.ids());
    assert_eq!(encoded(&read), written);
}

fn encoded(method: &Method<'_>) -> BytesMut {
    let mut out = BytesMut::new();
    method.encode(&mut out);
    out
}

/// The single command in these bytes: its method's payload, properties and body.
fn command(bytes: Bytes) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let mut frames = Vec::new();
    assert_eq!(decode::frames(&bytes, 0, &mut frames), (bytes.len(), None));
    let frames = frames.into();
    let (batch, mut at) = (FrameBatch { bytes, frames }, 0);
    let mut assembler = Assembler::new(1 << 30);
    let command = assembler.next(&batch, &mut at).unwrap().unwrap();
    let content = command.content.unwrap();
    let (method, body) = (
        encoded(&command.method).to_vec(),
        content.body.as_slice().to_vec(),
    );
    let read = (method, content.properties.to_vec(), body);
    assert!(assembler.next(&batch, &mut at).is_none());
    read
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn tables(table in table()) {
        let mut written = BytesMut::new();
        table.encode(&mut written);
        let read = FieldTable::decode(&written).unwrap();
        let mut again = BytesMut::new();
        read.encode(&mut again);
        prop_assert_eq!(again, written);
        prop_assert_eq!(format!("{read:?}"), format!("{table:?}"));
    }

    #[test]
    fn methods_with_tables(name in text(), other in text(), bits in any::<[bool; 5]>(), arguments in table()) {
        let [passive, durable, exclusive, auto_delete, nowait] = bits;
        survives(queue::Declare {
            queue: &name, passive, durable, exclusive, auto_delete, nowait, arguments: arguments.clone(),
        });
        survives(exchange::Declare {
            exchange: &name, kind: &other, passive, durable, auto_delete, internal: exclusive, nowait,
            arguments: arguments.clone(),
        });
        survives(connection::Start {
            version_major: 0,
            version_minor: 9,
            server_properties: arguments,
            mechanisms: name.as_bytes(),
            locales: other.as_bytes(),
        });
    }

    #[test]
    fn methods_with_numbers(delivery_tag in any::<u64>(), count in any::<u32>(), bits in any::<[bool; 2]>()) {
        let [multiple, requeue] = bits;
        survives(basic::Nack { delivery_tag, multiple, requeue });
        survives(basic::Qos { prefetch_size: count, prefetch_count: count as u16, global: multiple });
        survives(connection::Tune { channel_max: count as u16, frame_max: count, heartbeat: 1 });
    }

    #[test]
    fn property_lists(properties in properties()) {
        let raw = properties.encode();
        let view = Properties::parse(&raw).unwrap();
        let read = OwnedProperties::try_from(&view).unwrap();
        prop_assert_eq!(format!("{read:?}"), format!("{properties:?}"));
        prop_assert_eq!(read.encode(), raw.clone());
        prop_assert_eq!(leveret_protocol::properties::delivery_mode(&raw), properties.delivery_mode);
    }

    #[test]
    fn published_messages(
        names in [text(), text()],
        properties in properties(),
        size in prop_oneof![0usize..300, 0usize..3 * REFERENCE_FROM],
        frame_max in prop_oneof![Just(0u32), Just(131_072), 64u32..5000],
        shared in any::<bool>(),
    ) {
        let body = Bytes::from_iter((0..size).map(|at| at as u8));
        let [exchange, routing_key] = &names;
        let raw = properties.encode();
        let mut chunk = Chunk::new();
        let body_ref = if shared { BodyRef::Shared(&body) } else { BodyRef::Slice(&body) };
        chunk.publish(1, exchange, routing_key, &raw, body_ref, frame_max);
        let written = chunk.len();
        let parts = chunk.into_parts();
        prop_assert_eq!(parts.iter().map(Bytes::len).sum::<usize>(), written);
        let publish = basic::Publish { exchange, routing_key, mandatory: false, immediate: false };
        let expected = (encoded(&publish.into()).to_vec(), raw.to_vec(), body.to_vec());
        prop_assert_eq!(command(parts.concat().into()), expected);
    }

    #[test]
    fn deliveries(names in [text(), text(), text()], delivery_tag in any::<u64>(), redelivered in any::<bool>()) {
        let [consumer_tag, exchange, routing_key] = &names;
        let mut fast = Chunk::new();
        let body = BodyRef::Slice(b"body");
        let (e, k) = (exchange.as_bytes(), routing_key.as_bytes());
        fast.deliver(9, consumer_tag, delivery_tag, redelivered, e, k, &[0x10, 0, 2], body, 4096);
        let mut plain = Chunk::new();
        let deliver = basic::Deliver { consumer_tag, delivery_tag, redelivered, exchange, routing_key };
        plain.method(9, &deliver);
        plain.content(9, &[0x10, 0, 2], body, 4096);
        prop_assert_eq!(fast.into_bytes(), plain.into_bytes());
    }
}

#[test]
fn bodies_are_split_so_that_no_frame_exceeds_the_limit() {
    for shared in [false, true] {
        let body = Bytes::from(vec![7; 100_000]);
        let body_ref = if shared {
            BodyRef::Shared(&body)
        } else {
            BodyRef::Slice(&body)
        };
        let mut chunk = Chunk::new();
        chunk.content(1, &[0, 0], body_ref, 4096);
        let bytes = chunk.into_bytes();
        let mut frames = Vec::new();
        decode::frames(&bytes, 4096, &mut frames);
        let sizes: Vec<_> = frames.iter().skip(1).map(|frame| frame.size()).collect();
        assert_eq!(sizes.iter().sum::<u32>(), 100_000);
        assert_eq!(sizes.len(), 100_000usize.div_ceil(4088));
        assert!(sizes.iter().all(|&size| size <= 4088));
    }
}

#[test]
fn a_large_shared_body_goes_out_by_reference() {
    let body = Bytes::from(vec![7; REFERENCE_FROM]);
    let mut chunk = Chunk::new();
    chunk.heartbeat();
    chunk.publish(1, "e", "k", &[0, 0], BodyRef::Shared(&body), 131_072);
    chunk.heartbeat();
    let parts = chunk.into_parts();
    assert_eq!(parts.len(), 3);
    assert_eq!(parts[1].as_ptr(), body.as_ptr());

    let mut chunk = Chunk::new();
    chunk.publish(1, "e", "k", &[0, 0], BodyRef::Shared(&body.slice(1..)), 131_072);
    assert_eq!(chunk.into_parts().len(), 1, "a smaller one is copied");
}

#[test]
fn frames_written_before_go_out_as_they_are() {
    let mut chunk = Chunk::new();
    chunk.heartbeat();
    let frames = chunk.into_bytes();
    let mut again = Chunk::from(frames.clone());
    again.heartbeat();
    assert_eq!(again.len(), 2 * frames.len());
    assert_eq!(again.into_bytes(), [&frames[..], &frames[..]].concat());
    assert!(Chunk::from(Bytes::new()).into_parts().is_empty());
}

#[test]
fn appended_chunks_keep_their_order() {
    let large = Bytes::from(vec![7; REFERENCE_FROM]);
    let chunk = |tag: u64, body: &Bytes| {
        let mut chunk = Chunk::new();
        chunk.method(
            1,
            &basic::Ack {
                delivery_tag: tag,
                multiple: false,
            },
        );
        chunk.content(1, &[0, 0], BodyRef::Shared(body), 0);
        chunk
    };
    let small = Bytes::from_static(b"x");
    let bodies = [&small, &large, &small, &small, &large];
    let mut whole = Chunk::new();
    let mut expected = Vec::new();
    for (tag, body) in bodies.into_iter().enumerate() {
        whole.append(chunk(tag as u64, body));
        expected.extend_from_slice(&chunk(tag as u64, body).into_bytes());
    }
    assert_eq!(whole.len(), expected.len());
    assert_eq!(whole.into_parts().concat(), expected);
}

#[test]
fn an_empty_chunk_has_no_parts() {
    assert!(Chunk::new().is_empty());
    assert!(Chunk::with_capacity(100).into_parts().is_empty());
}
