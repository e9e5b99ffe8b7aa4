//! Frames from a stream of reads.

mod read_size;

use crate::{decode, exception::Exception, frame::FrameBatch, header::ProtocolHeader};
use bytes::{Buf, Bytes, BytesMut};
use read_size::{IDLE_READ, MOST_READ, ReadSize};
use thiserror::Error;
use tokio_util::codec::Decoder;

/// From this size on a frame under way is read to its end, and nothing behind it, in bytes.
const LARGE_FRAME: usize = 64 * 1024;

/// Frames that a batch is expected to have at most: as many as a read brings when their payloads are few bytes.
const MOST_EXPECTED: usize = 32 * 1024;

/// What a connection reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inbound {
    /// The protocol header that opens the connection, or refuses it when a server sends it.
    Header(ProtocolHeader),
    /// All frames that one read completed; at least one.
    Frames(FrameBatch),
}

/// Why reading ends.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// The peer broke the framing; whatever else it sends is discarded.
    #[error(transparent)]
    Protocol(#[from] Exception),
    /// The socket failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Cuts what a socket yields into batches of complete frames.
///
/// The codec also sizes the buffer that [`FramedRead`](tokio_util::codec::FramedRead) reads into: it follows
/// the size of recent reads between 2 and 128 KiB, or more if it may, and is 1 KiB after a small read, so that a connection
/// at rest holds little. The end of a large frame is read by itself, since what follows would be copied. A batch never shares its memory with bytes that come later.
#[derive(Debug)]
pub struct FrameCodec {
    state: State,
    frame_max: u32,
    reads: ReadSize,
    /// Frames in the last batch: a guess at how many the next will have.
    expected: usize,
}

#[derive(Debug)]
enum State {
    /// The protocol header is due.
    Header,
    /// Frames are due, or the protocol header with which a server refuses ours.
    FramesOrHeader,
    /// Frames are due.
    Frames,
    /// The exception that follows the frames already yielded.
    Bad(Exception),
    /// Nothing that comes is read any more.
    Discard,
}

impl FrameCodec {
    /// For a server: the protocol header is due, then frames of at most `initial_frame_max` bytes.
    pub fn server(initial_frame_max: u32) -> Self {
        FrameCodec::new(State::Header, initial_frame_max)
    }

    /// For a client: frames of at most `frame_max` bytes are due, or a protocol header instead of the first.
    pub fn client(frame_max: u32) -> Self {
        FrameCodec::new(State::FramesOrHeader, frame_max)
    }

    /// Changes the largest frame accepted, in bytes; 0 sets no limit. Holds from the next `decode` on.
    pub fn set_frame_max(&mut self, frame_max: u32) {
        self.frame_max = frame_max;
    }

    /// Lets reads be as large as that, in bytes, instead of 128 KiB.
    pub fn set_most_read(&mut self, most: usize) {
        self.reads.set_most(most);
    }

    /// The room in bytes that the next read deserves, for a reader that gives its empty buffer back between reads.
    pub fn read_size(&self) -> usize {
        self.reads.next()
    }

    fn new(state: State, frame_max: u32) -> Self {
        FrameCodec {
            state,
            frame_max,
            reads: ReadSize::default(),
            expected: 0,
        }
    }

    fn header(&mut self, src: &mut BytesMut) -> Option<Inbound> {
        let header = ProtocolHeader::classify(src)?;
        src.advance(header.length().min(src.len()));
        self.state = if header.is_0_9_1() {
            State::Frames
        } else {
            State::Discard
        };
        Some(Inbound::Header(header))
    }

    fn frames(&mut self, src: &mut BytesMut) -> Result<Option<Inbound>, DecodeError> {
        let any = decode::announced_size(src).is_some_and(|size| size <= src.len());
        let mut frames = Vec::with_capacity(if any { self.expected } else { 0 });
        let (consumed, exception) = decode::frames(src, self.frame_max, &mut frames);
        if let Some(exception) = exception {
            if frames.is_empty() {
                self.state = State::Discard;
                return Err(exception.into());
            }
            self.state = State::Bad(exception);
        }
        if frames.is_empty() {
            return Ok(None);
        }
        self.expected = frames.len().clamp(4, MOST_EXPECTED);
        Ok(Some(Inbound::Frames(FrameBatch {
            bytes: self.take_front(src, consumed),
            frames: frames.into(),
        })))
    }

    /// The first `count` bytes of `src` in memory that `src` does not share afterwards.
    fn take_front(&self, src: &mut BytesMut, count: usize) -> Bytes {
        let (front, rest) = src.split_at(count.min(src.len()));
        if front.len() > src.capacity() / 4 {
            let fresh = self.moved(rest);
            src.truncate(front.len());
            return std::mem::replace(src, fresh).freeze();
        }
        // Few bytes in a large buffer: they go, it stays, unless it is too small for the frame that is under way.
        let (front, left) = (Bytes::copy_from_slice(front), rest.len());
        if left + due(rest) > src.capacity() {
            *src = self.moved(rest);
        } else {
            src.copy_within(front.len().., 0);
            src.truncate(left);
        }
        front
    }

    /// `rest` in a buffer of its own, with room for the next read.
    fn moved(&self, rest: &[u8]) -> BytesMut {
        let mut fresh = BytesMut::new();
        if !rest.is_empty() {
            fresh.reserve(rest.len() + self.room(rest));
            fresh.extend_from_slice(rest);
        }
        fresh
    }

    /// Gives `src` the room the next read should have, and takes away what exceeds it by far.
    fn make_room(&self, src: &mut BytesMut) {
        let room = self.room(src);
        if src.is_empty() && src.capacity() > 2 * room {
            *src = BytesMut::new();
        }
        let spare = src.capacity() - src.len();
        // A frame under way must fit; beyond that, a little room is not worth moving it.
        if src.is_empty() || spare < IDLE_READ.min(room) || spare < due(src) {
            src.reserve(room);
        }
    }

    /// How many bytes the next read should have room for, with `held` in front of it.
    fn room(&self, held: &[u8]) -> usize {
        match due(held) {
            // What came behind a large frame would have to be moved out of its way, for less than a read costs.
            due if due > 0 && held.len() + due >= LARGE_FRAME => due,
            due => self.reads.next().max(due),
        }
    }
}

impl Decoder for FrameCodec {
    type Item = Inbound;
    type Error = DecodeError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Inbound>, DecodeError> {
        self.reads.observe(src);
        if let State::FramesOrHeader = self.state {
            self.state = match src.first() {
                None => State::FramesOrHeader,
                Some(b'A') => State::Header,
                Some(_) => State::Frames,
            };
        }
        let item = match &self.state {
            State::Header => self.header(src),
            State::FramesOrHeader => None,
            State::Frames => self.frames(src)?,
            State::Bad(exception) => {
                let exception = exception.clone();
                self.state = State::Discard;
                return Err(exception.into());
            }
            State::Discard => {
                src.clear();
                None
            }
        };
        if item.is_none() {
            self.make_room(src);
        }
        self.reads.leave(src);
        Ok(item)
    }

    /// At the end of the stream an incomplete frame is forgotten: the peer has gone.
    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Inbound>, DecodeError> {
        let item = self.decode(src)?;
        if item.is_none() {
            src.clear();
        }
        Ok(item)
    }
}

/// How many bytes the frame that `held` begins with still needs, as far as one read may bring them.
fn due(held: &[u8]) -> usize {
    decode::announced_size(held).map_or(0, |size| size.saturating_sub(held.len()).min(MOST_READ))
}
