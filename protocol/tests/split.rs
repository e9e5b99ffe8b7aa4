//! However a stream is cut into reads, it means the same.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use bytes::{Bytes, BytesMut};
use leveret_protocol::{
    Assembler, BodyRef, Chunk, FrameCodec, FrameKind, Inbound, OwnedProperties,
    method::{basic, channel, queue},
};
use proptest::prelude::*;
use tokio_util::codec::Decoder;

/// The header, two channels of publications with bodies of many sizes, heartbeats, other methods.
fn stream() -> Vec<u8> {
    let raw = OwnedProperties::new()
        .with_delivery_mode(2)
        .with_correlation_id("id")
        .encode();
    let mut chunk = Chunk::new();
    chunk.protocol_header();
    chunk.method(1, &channel::Open {});
    chunk.method(2, &channel::Open {});
    for size in [0, 1, 50, 100, 1000] {
        let body = vec![b'b'; size];
        chunk.publish(1, "exchange", "key", &raw, BodyRef::Slice(&body), 64);
        chunk.heartbeat();
        chunk.publish(2, "", "queue", &[0, 0], BodyRef::Slice(&body), 4096);
        chunk.method(
            1,
            &queue::Declare {
                queue: "q",
                durable: true,
                ..Default::default()
            },
        );
        chunk.deliver(2, "ctag", 7, true, b"e", b"k", &raw, BodyRef::Slice(&body), 128);
        chunk.method(
            2,
            &basic::Ack {
                delivery_tag: 7,
                multiple: true,
            },
        );
    }
    chunk.into_bytes().to_vec()
}

/// Everything the pieces mean, channel by channel, in words.
fn meaning<'s>(pieces: impl IntoIterator<Item = &'s [u8]>) -> [Vec<String>; 3] {
    let mut codec = FrameCodec::server(4096);
    let mut src = BytesMut::new();
    let mut assemblers = [0, 1, 2].map(|_| Assembler::new(1 << 20));
    let mut meaning = [Vec::new(), Vec::new(), Vec::new()];
    for piece in pieces {
        src.extend_from_slice(piece);
        while let Some(item) = codec.decode(&mut src).unwrap() {
            let batch = match item {
                Inbound::Header(header) => {
                    meaning[0].push(format!("{header:?}"));
                    continue;
                }
                Inbound::Frames(batch) => batch,
            };
            batch.by_channel(|channel, batch| {
                let channel = usize::from(channel);
                if batch
                    .frames
                    .iter()
                    .all(|frame| frame.kind == FrameKind::Heartbeat)
                {
                    return meaning[0].extend(batch.frames.iter().map(|_| "heartbeat".to_owned()));
                }
                let mut at = 0;
                while let Some(command) = assemblers[channel].next(&batch, &mut at) {
                    let command = command.unwrap();
                    let content = command
                        .content
                        .map(|c| (c.properties.to_vec(), c.body.as_slice().to_vec()));
                    meaning[channel].push(format!("{:?} {content:?}", command.method));
                }
            });
        }
    }
    assert!(src.is_empty());
    meaning
}

#[test]
fn a_stream_read_byte_by_byte_means_the_same() {
    let stream = stream();
    let whole = meaning([&stream[..]]);
    assert_eq!(whole.each_ref().map(Vec::len), [6, 11, 16]);
    assert_eq!(meaning(stream.chunks(1)), whole);
}

#[test]
fn a_stream_cut_once_anywhere_means_the_same() {
    let stream = stream();
    let whole = meaning([&stream[..]]);
    for cut in 0..stream.len() {
        let (first, second) = stream.split_at(cut);
        assert_eq!(meaning([first, second]), whole, "cut at {cut}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_stream_cut_into_any_pieces_means_the_same(sizes in prop::collection::vec(1usize..300, 1..200)) {
        let stream = stream();
        let mut rest = Bytes::from(stream.clone());
        let mut pieces: Vec<Bytes> =
            sizes.iter().map(|&size| rest.split_to(size.min(rest.len()))).collect();
        pieces.push(rest);
        let whole = meaning([&stream[..]]);
        prop_assert_eq!(meaning(pieces.iter().map(|piece| &piece[..])), whole);
    }
}
