//! Any bytes taken as what a peer sends on a connection.

use super::properties::properties;
use bytes::{Bytes, BytesMut};
use leveret_protocol::{
    Assembler, Command, DecodeError, EncodeMethod, Exception, FrameBatch, FrameCodec, FrameKind, Inbound,
    Method, ProtocolHeader, Scope,
};
use std::collections::BTreeMap;
use tokio_util::codec::Decoder;

/// Reads a stream in one piece and cut up; both must give the same.
///
/// The first octet of `data` chooses client or server and limits, the second how the stream is cut.
pub fn frames(data: &[u8]) {
    let [mode, cut, stream @ ..] = data else { return };
    let whole = Peer::new(*mode).read(stream, |_| stream.len());
    let mut state = u32::from(*cut) | 0x100;
    let pieces = Peer::new(*mode).read(stream, |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        1 + (state >> 24) as usize % (1 + usize::from(*cut))
    });
    assert_eq!(whole, pieces, "how a stream is cut changes nothing");
}

/// Everything that one connection's bytes mean.
#[derive(Debug, PartialEq)]
struct Heard {
    header: Option<ProtocolHeader>,
    /// Kind, channel and payload.
    frames: Vec<(FrameKind, u16, Bytes)>,
    /// What each channel's assembler makes of them.
    commands: BTreeMap<u16, Vec<Result<Owned, Exception>>>,
    error: Option<Exception>,
}

/// A command's method, properties and body.
#[derive(Debug, PartialEq)]
struct Owned {
    method: Bytes,
    content: Option<(Vec<u8>, Vec<u8>)>,
}

struct Peer {
    codec: FrameCodec,
    max_message_size: u64,
    channels: BTreeMap<u16, Assembler>,
    heard: Heard,
}

impl Peer {
    fn new(mode: u8) -> Self {
        let frame_max = [4096, 131_072, 64, 0][usize::from(mode >> 1 & 3)];
        let codec = if mode & 1 == 0 {
            FrameCodec::client(frame_max)
        } else {
            FrameCodec::server(frame_max)
        };
        Peer {
            codec,
            max_message_size: if mode & 8 == 0 { 1 << 20 } else { 20 },
            channels: BTreeMap::new(),
            heard: Heard {
                header: None,
                frames: Vec::new(),
                commands: BTreeMap::new(),
                error: None,
            },
        }
    }

    /// Reads `stream` as a socket would be read: no more at once than `piece` says and the buffer takes.
    fn read(mut self, mut stream: &[u8], mut piece: impl FnMut(usize) -> usize) -> Heard {
        let mut src = BytesMut::new();
        let mut reads = 0;
        while self.drain(&mut src) && !stream.is_empty() {
            let room = (src.capacity() - src.len()).max(1);
            let (now, later) = stream.split_at(piece(reads).min(room).min(stream.len()));
            src.extend_from_slice(now);
            stream = later;
            reads += 1;
            assert!(src.capacity() <= 1 << 20, "the buffer stays bounded");
        }
        self.heard
    }

    /// Takes everything complete out of `src`; false once the stream is broken.
    fn drain(&mut self, src: &mut BytesMut) -> bool {
        loop {
            match self.codec.decode(src) {
                Ok(None) => return true,
                Ok(Some(Inbound::Header(header))) => self.heard.header = Some(comparable(header)),
                Ok(Some(Inbound::Frames(batch))) => self.frames(batch),
                Err(DecodeError::Protocol(exception)) => {
                    self.heard.error = Some(exception);
                    return false;
                }
                Err(DecodeError::Io(error)) => panic!("there is no input or output: {error}"),
            }
        }
    }

    fn frames(&mut self, batch: FrameBatch) {
        assert!(!batch.frames.is_empty());
        for frame in batch.frames.iter() {
            self.heard
                .frames
                .push((frame.kind, frame.channel, batch.payload_bytes(frame)));
        }
        let mut of_channels = Vec::new();
        batch.by_channel(|channel, batch| of_channels.push((channel, batch)));
        for (channel, mut batch) in of_channels {
            let mut frames = batch.frames.to_vec();
            frames.retain(|frame| frame.kind != FrameKind::Heartbeat);
            batch.frames = frames.into();
            self.commands(channel, &batch);
        }
    }

    fn commands(&mut self, channel: u16, batch: &FrameBatch) {
        let size = self.max_message_size;
        let assembler = self
            .channels
            .entry(channel)
            .or_insert_with(|| Assembler::new(size));
        let commands = self.heard.commands.entry(channel).or_default();
        let mut at = 0;
        loop {
            // A channel whose connection has been refused is not read any further.
            if let Some(Err(Exception {
                scope: Scope::Connection,
                ..
            })) = commands.last()
            {
                return;
            }
            let before = at;
            let Some(command) = assembler.next(batch, &mut at) else {
                break;
            };
            assert!(at > before, "a command takes at least one frame");
            commands.push(command.map(owned));
        }
        assert_eq!(
            at,
            batch.frames.len(),
            "an exhausted batch has been read to its end"
        );
    }
}

/// Checks that the method can be written and read again, and copies the command.
fn owned(command: Command<'_>) -> Owned {
    assert_eq!(command.method.has_content(), command.content.is_some());
    let written = encoded(&command.method);
    let again = Method::decode(&written).expect("what was written can be read");
    assert_eq!(again.ids(), command.method.ids());
    assert_eq!(encoded(&again), written);
    let content = command.content.map(|content| {
        properties(content.properties);
        (content.properties.to_vec(), content.body.as_slice().to_vec())
    });
    Owned {
        method: written,
        content,
    }
}

fn encoded(method: &Method<'_>) -> Bytes {
    let mut out = BytesMut::new();
    method.encode(&mut out);
    out.freeze()
}

/// How many bytes of something unknown are shown depends on how many were there.
fn comparable(header: ProtocolHeader) -> ProtocolHeader {
    match header {
        ProtocolHeader::Unknown(_) => ProtocolHeader::Unknown(Bytes::new()),
        known => known,
    }
}
