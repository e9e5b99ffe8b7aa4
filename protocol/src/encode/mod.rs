//! Writing frames: the outgoing bytes of many commands in one [`Chunk`].

mod deliveries;
mod message;

use std::mem;

use crate::{
    content::Body,
    frame::{FRAME_END, FRAME_HEADER_SIZE, FRAME_OVERHEAD, FrameKind, HEARTBEAT},
    header::AMQP_0_9_1,
    method::EncodeMethod,
};
use bytes::{BufMut, Bytes, BytesMut};

pub use deliveries::Deliveries;

/// From this size on, a shared body goes out by reference instead of being copied.
pub const REFERENCE_FROM: usize = 16 * 1024;

/// Chunks smaller than this are copied when appended to another.
const COPY_BELOW: usize = 4 * 1024;

/// Room for so many bytes at most is made beyond what is asked for.
const MOST_SPARE: usize = 64 * 1024;

/// Bytes that most method frames fit in: room for one is made once.
const MOST_METHODS: usize = 64;

/// A body to write.
#[derive(Debug, Clone, Copy)]
pub enum BodyRef<'a> {
    /// Bytes to copy.
    Slice(&'a [u8]),
    /// Bytes that may go out by reference.
    Shared(&'a Bytes),
}

impl<'a> BodyRef<'a> {
    /// The bytes.
    pub fn as_slice(&self) -> &'a [u8] {
        match self {
            BodyRef::Slice(bytes) => bytes,
            BodyRef::Shared(bytes) => bytes,
        }
    }

    /// The body's size in bytes.
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// True for a body of no bytes.
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// The bytes that go out by reference, if any.
    fn by_reference(&self) -> Option<&'a Bytes> {
        match self {
            BodyRef::Shared(bytes) if bytes.len() >= REFERENCE_FROM => Some(bytes),
            _ => None,
        }
    }
}

impl<'a> From<&'a Body<'_>> for BodyRef<'a> {
    fn from(body: &'a Body<'_>) -> Self {
        match body {
            Body::Slice(bytes) => BodyRef::Slice(bytes),
            Body::Shared(bytes) => BodyRef::Shared(bytes),
        }
    }
}

impl<'a> From<&'a [u8]> for BodyRef<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        BodyRef::Slice(bytes)
    }
}

impl<'a> From<&'a Bytes> for BodyRef<'a> {
    fn from(bytes: &'a Bytes) -> Self {
        BodyRef::Shared(bytes)
    }
}

/// Outgoing bytes: a run of whole frames, with large bodies by reference.
#[derive(Debug, Default)]
pub struct Chunk {
    /// What precedes the tail.
    parts: Vec<Bytes>,
    /// The bytes in `parts`.
    parts_len: usize,
    /// How many of these have been copied since a body was referenced last.
    parts_copied: usize,
    /// Where frames are written.
    tail: BytesMut,
}

/// Whole frames that were written before.
impl From<Bytes> for Chunk {
    fn from(frames: Bytes) -> Self {
        let mut chunk = Chunk::new();
        if !frames.is_empty() {
            chunk.reference(frames);
        }
        chunk
    }
}

impl Chunk {
    /// An empty chunk; allocates nothing.
    pub fn new() -> Self {
        Chunk::default()
    }

    /// An empty chunk with room for `bytes`.
    pub fn with_capacity(bytes: usize) -> Self {
        Chunk {
            tail: BytesMut::with_capacity(bytes),
            ..Chunk::default()
        }
    }

    /// Makes room for bytes that are about to be written. What was written before stays where it is, unless it is little.
    pub fn reserve(&mut self, bytes: usize) {
        let written = self.tail.len();
        if self.tail.capacity() - written >= bytes {
            return;
        }
        if written < COPY_BELOW {
            return self.tail.reserve(bytes);
        }
        let room = bytes.max(self.copied().min(MOST_SPARE));
        let full = mem::replace(&mut self.tail, BytesMut::with_capacity(room));
        self.parts_len += written;
        self.parts_copied += written;
        self.parts.push(full.freeze());
    }

    /// How many bytes have been written, referenced bodies included.
    pub fn len(&self) -> usize {
        self.parts_len + self.tail.len()
    }

    /// How many of them have been copied since a body was referenced last.
    pub fn copied(&self) -> usize {
        self.parts_copied + self.tail.len()
    }

    /// True when nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the protocol header of AMQP 0-9-1.
    pub fn protocol_header(&mut self) {
        self.tail.extend_from_slice(&AMQP_0_9_1);
    }

    /// Appends a heartbeat frame.
    pub fn heartbeat(&mut self) {
        self.tail.extend_from_slice(&HEARTBEAT);
    }

    /// Appends a method frame.
    pub fn method(&mut self, channel: u16, method: &impl EncodeMethod) {
        self.tail.reserve(MOST_METHODS);
        let at = self.tail.len();
        self.tail
            .extend_from_slice(&frame_header(FrameKind::Method, channel, 0));
        method.encode(&mut self.tail);
        let size = (self.tail.len() - at - FRAME_HEADER_SIZE) as u32;
        if let Some(place) = self.tail.get_mut(at + 3..at + FRAME_HEADER_SIZE) {
            place.copy_from_slice(&size.to_be_bytes());
        }
        self.tail.put_u8(FRAME_END);
    }

    /// Appends content header and body frames of a message of class basic.
    ///
    /// `properties` are flags and property list as on the wire, at least the two octets of flags; when shorter
    /// they are taken as none. The body is split so that no frame exceeds `frame_max` bytes; 0 sets no limit.
    pub fn content(&mut self, channel: u16, properties: &[u8], body: BodyRef<'_>, frame_max: u32) {
        let properties = if properties.len() < 2 { &[0, 0] } else { properties };
        let size = body.len();
        self.tail.reserve(message::content_size(properties, body));
        self.tail
            .extend_from_slice(&frame_header(FrameKind::Header, channel, 12 + properties.len()));
        self.tail.extend_from_slice(&message::content_header(size));
        self.tail.extend_from_slice(properties);
        self.tail.put_u8(FRAME_END);
        self.body(channel, body, frame_max);
    }

    /// Moves the bytes of `other` behind this chunk's own.
    pub fn append(&mut self, mut other: Chunk) {
        if self.is_empty() {
            *self = other;
            return;
        }
        if other.parts.is_empty() && other.tail.len() < COPY_BELOW {
            self.tail.extend_from_slice(&other.tail);
            return;
        }
        self.seal();
        self.parts.append(&mut other.parts);
        self.parts_len += other.parts_len;
        self.parts_copied = other.parts_copied;
        self.tail = other.tail;
    }

    /// The bytes in order, for a vectored write; no part is empty.
    pub fn pieces(self) -> impl Iterator<Item = Bytes> {
        let tail = Some(self.tail).filter(|tail| !tail.is_empty());
        self.parts.into_iter().chain(tail.map(BytesMut::freeze))
    }

    /// The same in a list.
    pub fn into_parts(self) -> Vec<Bytes> {
        self.pieces().collect()
    }

    /// The bytes in one piece; copies unless there is only one part.
    pub fn into_bytes(self) -> Bytes {
        let mut parts = self.into_parts();
        match parts.len() {
            0 => Bytes::new(),
            1 => parts.swap_remove(0),
            _ => Bytes::from(parts.concat()),
        }
    }

    fn body(&mut self, channel: u16, body: BodyRef<'_>, frame_max: u32) {
        let piece_max = match frame_max {
            0 => u32::MAX as usize,
            _ => (frame_max as usize).saturating_sub(FRAME_OVERHEAD).max(1),
        };
        let Some(bytes) = body.by_reference() else {
            for piece in body.as_slice().chunks(piece_max) {
                self.tail.reserve(FRAME_OVERHEAD + piece.len());
                self.tail
                    .extend_from_slice(&frame_header(FrameKind::Body, channel, piece.len()));
                self.tail.extend_from_slice(piece);
                self.tail.put_u8(FRAME_END);
            }
            return;
        };
        let mut rest = bytes.clone();
        while !rest.is_empty() {
            let piece = rest.split_to(rest.len().min(piece_max));
            self.tail
                .extend_from_slice(&frame_header(FrameKind::Body, channel, piece.len()));
            self.reference(piece);
            self.tail.put_u8(FRAME_END);
        }
    }

    /// Appends `bytes` without copying them.
    fn reference(&mut self, bytes: Bytes) {
        self.seal();
        self.parts_copied = 0;
        self.parts_len += bytes.len();
        self.parts.push(bytes);
    }

    /// Ends the tail: what is written next goes to a new part.
    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.parts_len += self.tail.len();
            self.parts.push(self.tail.split().freeze());
        }
    }
}

/// Type, channel and size of a frame.
#[inline]
fn frame_header(kind: FrameKind, channel: u16, size: usize) -> [u8; FRAME_HEADER_SIZE] {
    let [c1, c0] = channel.to_be_bytes();
    let [s3, s2, s1, s0] = (size as u32).to_be_bytes();
    [kind as u8, c1, c0, s3, s2, s1, s0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_grows_by_pieces_that_are_not_moved() {
        let mut chunk = Chunk::with_capacity(100);
        let mut expected = BytesMut::new();
        for _ in 0..50_000 {
            chunk.reserve(HEARTBEAT.len());
            chunk.heartbeat();
            expected.extend_from_slice(&HEARTBEAT);
        }
        assert_eq!((chunk.len(), chunk.copied()), (expected.len(), expected.len()));
        let parts = chunk.into_parts();
        assert!((2..20).contains(&parts.len()), "{} parts", parts.len());
        assert_eq!(parts.concat(), expected);
    }
}
