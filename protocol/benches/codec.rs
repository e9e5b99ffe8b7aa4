//! What it costs to read and write messages, 1,000 of 16 bytes at a time.

#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::borrow::Cow;

use bytes::Bytes;
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use leveret_protocol::{
    Assembler, BodyRef, Chunk, Deliveries, FieldTable, FieldValue, FrameBatch, Method, OwnedProperties,
    Properties, decode, method::basic,
};

const MESSAGES: u64 = 1000;
const FRAME_MAX: u32 = 128 << 10;
const BODY: &[u8] = b"sixteen bytes it";

fn main() {
    divan::main();
}

fn properties() -> Vec<u8> {
    OwnedProperties::new().with_delivery_mode(2).encode().to_vec()
}

fn published() -> Bytes {
    let (mut chunk, properties) = (Chunk::new(), properties());
    for _ in 0..MESSAGES {
        chunk.publish(1, "", "a-queue", &properties, BodyRef::Slice(BODY), FRAME_MAX);
    }
    chunk.into_bytes()
}

fn batch() -> FrameBatch {
    let bytes = published();
    let mut frames = Vec::new();
    decode::frames(&bytes, FRAME_MAX, &mut frames);
    let frames = frames.into();
    FrameBatch { bytes, frames }
}

#[divan::bench]
fn find_frames(bencher: Bencher<'_, '_>) {
    let bytes = published();
    let mut frames = Vec::new();
    bencher.counter(ItemsCount::new(MESSAGES)).bench_local(|| {
        frames.clear();
        decode::frames(black_box(&bytes), FRAME_MAX, &mut frames)
    });
}

#[divan::bench]
fn assemble_publications(bencher: Bencher<'_, '_>) {
    let batch = batch();
    let mut assembler = Assembler::new(1 << 20);
    bencher.counter(ItemsCount::new(MESSAGES)).bench_local(|| {
        let (mut at, mut found) = (0, 0);
        while let Some(command) = assembler.next(black_box(&batch), &mut at) {
            black_box(command.unwrap());
            found += 1;
        }
        assert_eq!(found, MESSAGES);
    });
}

#[divan::bench]
fn encode_deliveries(bencher: Bencher<'_, '_>) {
    let properties = properties();
    bencher.counter(ItemsCount::new(MESSAGES)).bench_local(|| {
        let mut chunk = Chunk::with_capacity(128 << 10);
        for tag in 0..MESSAGES {
            let body = BodyRef::Slice(black_box(BODY));
            chunk.deliver(
                1,
                "ctag",
                tag,
                false,
                b"",
                b"a-queue",
                &properties,
                body,
                FRAME_MAX,
            );
        }
        chunk
    });
}

#[divan::bench]
fn encode_deliveries_to_one_consumer(bencher: Bencher<'_, '_>) {
    let properties = properties();
    bencher.counter(ItemsCount::new(MESSAGES)).bench_local(|| {
        let mut chunk = Chunk::with_capacity(128 << 10);
        let mut deliveries = Deliveries::new(1, "ctag", FRAME_MAX);
        for tag in 0..MESSAGES {
            let (properties, body) = (Cow::Borrowed(&*properties), black_box(BODY));
            deliveries.write(
                &mut chunk,
                tag,
                false,
                b"",
                b"a-queue",
                properties,
                BodyRef::Slice(body),
            );
        }
        chunk
    });
}

#[divan::bench]
fn encode_publications(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(MESSAGES)).bench_local(published);
}

#[divan::bench]
fn decode_an_ack(bencher: Bencher<'_, '_>) {
    let mut chunk = Chunk::new();
    chunk.method(
        1,
        &basic::Ack {
            delivery_tag: 77,
            multiple: true,
        },
    );
    let bytes = chunk.into_bytes();
    let payload = bytes.get(7..bytes.len() - 1).unwrap();
    bencher.bench_local(|| black_box(Method::decode(black_box(payload))).is_ok());
}

#[divan::bench]
fn parse_properties_with_headers(bencher: Bencher<'_, '_>) {
    let headers = FieldTable::from_iter([("kind", FieldValue::from("made")), ("number", FieldValue::I64(7))]);
    let bytes = OwnedProperties::new()
        .with_delivery_mode(2)
        .with_headers(headers)
        .encode();
    bencher.bench_local(|| black_box(Properties::parse(black_box(&bytes))).is_ok());
}
