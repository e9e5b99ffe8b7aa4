//! The codec and the buffer it is given.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use bytes::{Bytes, BytesMut};
use leveret_protocol::{
    Chunk, DecodeError, FrameBatch, FrameCodec, FrameKind, Inbound, ProtocolHeader, ReplyCode, method::basic,
};
use tokio_util::codec::Decoder;

const FRAME_MAX: u32 = 131_072;

fn ack() -> Bytes {
    let mut chunk = Chunk::new();
    chunk.method(
        1,
        &basic::Ack {
            delivery_tag: 1,
            multiple: false,
        },
    );
    chunk.into_bytes()
}

fn body(size: usize) -> Vec<u8> {
    let mut frame = vec![3, 0, 1];
    frame.extend((size as u32).to_be_bytes());
    frame.resize(7 + size, b'x');
    frame.push(0xCE);
    frame
}

/// A codec with the buffer a socket is read into.
struct Reader {
    codec: FrameCodec,
    src: BytesMut,
}

impl Reader {
    fn new(codec: FrameCodec) -> Self {
        let mut reader = Reader {
            codec,
            src: BytesMut::new(),
        };
        assert_eq!(reader.next(), None);
        reader
    }

    fn room(&self) -> usize {
        self.src.capacity() - self.src.len()
    }

    /// One read: as much of `stream` as there is room for.
    fn read(&mut self, stream: &mut &[u8]) {
        let (now, later) = stream.split_at(stream.len().min(self.room()));
        self.src.extend_from_slice(now);
        *stream = later;
    }

    fn next(&mut self) -> Option<Inbound> {
        self.codec.decode(&mut self.src).unwrap()
    }

    fn batch(&mut self) -> Option<FrameBatch> {
        match self.next()? {
            Inbound::Frames(batch) => Some(batch),
            Inbound::Header(header) => panic!("{header:?} instead of frames"),
        }
    }

    /// Reads all of `stream`; the number of frames and the room of each read.
    fn read_all(&mut self, mut stream: &[u8]) -> (usize, Vec<usize>) {
        let (mut frames, mut rooms) = (0, Vec::new());
        while !stream.is_empty() {
            rooms.push(self.room());
            self.read(&mut stream);
            while let Some(batch) = self.batch() {
                frames += batch.frames.len();
            }
        }
        (frames, rooms)
    }
}

#[test]
fn a_server_reads_the_protocol_header_then_frames() {
    let mut reader = Reader::new(FrameCodec::server(FRAME_MAX));
    let stream = [b"AMQP\x00\x00\x09\x01", &ack()[..], &ack()].concat();
    reader.read(&mut &stream[..]);
    assert_eq!(reader.next(), Some(Inbound::Header(ProtocolHeader::Amqp091)));
    assert_eq!(reader.batch().unwrap().frames.len(), 2);
    assert_eq!(reader.next(), None);
}

#[test]
fn after_a_foreign_header_nothing_is_read_any_more() {
    let mut reader = Reader::new(FrameCodec::server(FRAME_MAX));
    reader.read(&mut &b"GET / HTTP/1.1\r\n\r\n"[..]);
    assert_eq!(reader.next(), Some(Inbound::Header(ProtocolHeader::Http)));
    reader.read(&mut &ack()[..]);
    assert_eq!(reader.next(), None);
    assert!(reader.src.is_empty());
}

#[test]
fn a_client_is_told_when_the_server_refuses_its_protocol() {
    let mut reader = Reader::new(FrameCodec::client(FRAME_MAX));
    reader.read(&mut &b"AMQP\x00\x00\x09\x01"[..]);
    assert_eq!(reader.next(), Some(Inbound::Header(ProtocolHeader::Amqp091)));
}

#[test]
fn a_client_starts_with_frames() {
    let mut reader = Reader::new(FrameCodec::client(FRAME_MAX));
    reader.read(&mut &ack()[..]);
    assert_eq!(reader.batch().unwrap().frames.len(), 1);
}

#[test]
fn frames_before_a_bad_one_are_yielded_and_nothing_after_it() {
    let mut reader = Reader::new(FrameCodec::client(FRAME_MAX));
    let stream = [&ack()[..], &[9], &ack()].concat();
    reader.read(&mut &stream[..]);
    assert_eq!(reader.batch().unwrap().frames.len(), 1);
    let error = reader.codec.decode(&mut reader.src).unwrap_err();
    assert!(matches!(error, DecodeError::Protocol(e) if e.code == ReplyCode::FrameError));
    reader.read(&mut &ack()[..]);
    assert_eq!(reader.next(), None);
    assert!(reader.src.is_empty());
}

#[test]
fn the_largest_frame_can_be_changed() {
    let mut reader = Reader::new(FrameCodec::client(4096));
    reader.codec.set_frame_max(8192);
    let (frames, _) = reader.read_all(&body(8000));
    assert_eq!(frames, 1);
    reader.codec.set_frame_max(4096);
    reader.read(&mut &body(8000)[..]);
    assert!(reader.codec.decode(&mut reader.src).is_err());
}

#[test]
fn at_the_end_of_the_stream_an_incomplete_frame_is_forgotten() {
    let mut reader = Reader::new(FrameCodec::client(FRAME_MAX));
    reader.read(&mut &[&ack()[..], &ack()[..5]].concat()[..]);
    assert!(reader.codec.decode_eof(&mut reader.src).unwrap().is_some());
    assert_eq!(reader.codec.decode_eof(&mut reader.src).unwrap(), None);
    assert!(reader.src.is_empty());
}

#[test]
fn a_connection_at_rest_holds_a_kilobyte() {
    let mut reader = Reader::new(FrameCodec::client(FRAME_MAX));
    assert!(reader.src.capacity() <= 1024);
    let burst = ack().repeat(100_000);
    assert_eq!(reader.read_all(&burst).0, 100_000);
    for _ in 0..2 {
        reader.read_all(&ack());
    }
    assert!(reader.src.is_empty());
    assert!(reader.src.capacity() <= 1024, "{} bytes", reader.src.capacity());
}

#[test]
fn reads_grow_while_they_are_filled_up_to_128_kilobytes() {
    let mut reader = Reader::new(FrameCodec::client(FRAME_MAX));
    let (frames, rooms) = reader.read_all(&ack().repeat(200_000));
    assert_eq!(frames, 200_000);
    assert!(rooms.iter().any(|&room| room >= 128 * 1024), "{rooms:?}");
    assert!(rooms.iter().all(|&room| room <= 2 * 128 * 1024), "{rooms:?}");
    assert!(rooms.len() < 60, "{} reads", rooms.len());
}

#[test]
fn a_batch_does_not_share_memory_with_what_comes_later() {
    let mut reader = Reader::new(FrameCodec::client(FRAME_MAX));
    // Enough to fill half of the first read, then the beginning of a frame.
    let stream = [&ack().repeat(30)[..], &body(100)[..60]].concat();
    reader.read(&mut &stream[..]);
    let batch = reader.batch().unwrap();
    assert_eq!(batch.frames.len(), 30);
    assert!(batch.bytes.is_unique());
    assert_eq!(reader.next(), None);
    reader.read(&mut &body(100)[60..]);
    let rest = reader.batch().unwrap();
    assert_eq!(rest.payload(&rest.frames[0]), &[b'x'; 100]);
}

#[test]
fn a_frame_under_way_has_room_for_its_rest() {
    let mut reader = Reader::new(FrameCodec::client(FRAME_MAX));
    let frame = body(100_000);
    let (frames, rooms) = reader.read_all(&frame);
    assert_eq!(frames, 1);
    assert_eq!(rooms.len(), 2, "{rooms:?}");
}

#[test]
fn little_of_a_large_body_is_copied_while_its_frames_are_cut() {
    let mut reader = Reader::new(FrameCodec::client(FRAME_MAX));
    let piece = FRAME_MAX as usize - 8;
    let message = [&ack()[..], &ack()[..], &body(piece).repeat(8), &body(64)].concat();
    let stream = message.repeat(20);
    let (mut unread, mut frames, mut moved) = (&stream[..], 0, 0);
    while !unread.is_empty() {
        reader.read(&mut unread);
        while let Some(batch) = reader.batch() {
            frames += batch.frames.len();
            moved += reader.src.len();
        }
    }
    assert_eq!(frames, 20 * 11);
    assert!(moved < stream.len() / 4, "{moved} of {} bytes", stream.len());
}

#[test]
fn announcing_a_frame_reserves_no_more_than_one_read() {
    let mut reader = Reader::new(FrameCodec::client(0));
    reader.read(&mut &[3, 0, 1, 0xff, 0xff, 0xff, 0xff][..]);
    assert_eq!(reader.next(), None);
    assert!(reader.src.capacity() <= 512 * 1024);
}

#[test]
fn heartbeats_are_frames_of_the_batch() {
    let mut reader = Reader::new(FrameCodec::client(FRAME_MAX));
    let mut chunk = Chunk::new();
    chunk.heartbeat();
    reader.read(&mut &chunk.into_bytes()[..]);
    let batch = reader.batch().unwrap();
    assert_eq!(batch.frames[0].kind, FrameKind::Heartbeat);
}

#[test]
fn reads_may_grow_further_where_that_is_said() {
    let mut reader = Reader::new(FrameCodec::client(FRAME_MAX));
    reader.codec.set_most_read(512 * 1024);
    let (frames, rooms) = reader.read_all(&ack().repeat(200_000));
    assert_eq!(frames, 200_000);
    assert!(rooms.iter().any(|&room| room >= 512 * 1024), "{rooms:?}");
    assert!(rooms.iter().all(|&room| room <= 2 * 512 * 1024), "{rooms:?}");
}
