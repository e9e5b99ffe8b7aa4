//! Frames over a blocking socket.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::PATIENCE;

/// The kinds of frames.
pub(crate) const METHOD: u8 = 1;
pub(crate) const HEADER: u8 = 2;
pub(crate) const BODY: u8 = 3;
pub(crate) const HEARTBEAT: u8 = 8;

/// The octet every frame ends with.
pub(crate) const FRAME_END: u8 = 0xCE;

/// One frame, as it was on the wire.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) channel: u16,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn new(kind: u8, channel: u16, payload: impl Into<Vec<u8>>) -> Frame {
        Frame {
            kind,
            channel,
            payload: payload.into(),
        }
    }

    /// The frame's bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.kind];
        bytes.extend(self.channel.to_be_bytes());
        bytes.extend((self.payload.len() as u32).to_be_bytes());
        bytes.extend(&self.payload);
        bytes.push(FRAME_END);
        bytes
    }
}

/// Why there is no frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum NoFrame {
    /// None came in time.
    Silence,
    /// The broker closed the socket.
    End,
}

/// A socket and the bytes read from it that are not yet a frame.
pub(crate) struct Wire {
    socket: TcpStream,
    input: Vec<u8>,
}

impl Wire {
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr) -> Wire {
        let socket = TcpStream::connect_timeout(&address, PATIENCE).expect("the broker listens");
        socket.set_nodelay(true).expect("TCP_NODELAY");
        socket.set_write_timeout(Some(PATIENCE)).expect("a write timeout");
        Wire {
            socket,
            input: Vec::new(),
        }
    }

    /// Writes as it is; a peer that has gone is noticed when reading.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let _ = self.socket.write_all(bytes);
    }

    /// Writes what the broker is willing to take and says how much that was.
    pub(crate) fn write_for(&mut self, bytes: &[u8], patience: Duration) -> usize {
        self.socket
            .set_write_timeout(Some(patience))
            .expect("a write timeout");
        let mut written = 0;
        while written < bytes.len() {
            match self.socket.write(&bytes[written..]) {
                Ok(more) if more > 0 => written += more,
                _ => break,
            }
        }
        self.socket
            .set_write_timeout(Some(PATIENCE))
            .expect("a write timeout");
        written
    }

    /// Reads exactly this many bytes, outside of any frame.
    pub(crate) fn read_raw(&mut self, length: usize) -> Result<Vec<u8>, NoFrame> {
        let deadline = Instant::now() + PATIENCE;
        while self.input.len() < length {
            self.fill(deadline)?;
        }
        Ok(self.input.drain(..length).collect())
    }

    /// The next frame.
    #[track_caller]
    pub(crate) fn read(&mut self, patience: Duration) -> Result<Frame, NoFrame> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(frame) = self.take_frame() {
                return Ok(frame);
            }
            self.fill(deadline)?;
        }
    }

    /// The client's end of the socket.
    pub(crate) fn local_address(&self) -> SocketAddr {
        self.socket.local_addr().expect("a connected socket")
    }

    /// Tells the broker that nothing more will be sent.
    pub(crate) fn shut_down_writing(&self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Write);
    }

    #[track_caller]
    fn take_frame(&mut self) -> Option<Frame> {
        let header: [u8; 7] = self.input.get(..7)?.try_into().expect("seven bytes");
        let [kind, c1, c2, s1, s2, s3, s4] = header;
        let size = u32::from_be_bytes([s1, s2, s3, s4]) as usize;
        let end = *self.input.get(7 + size)?;
        assert_eq!(end, FRAME_END, "a frame of the broker ends with 0xCE");
        let payload = self.input[7..7 + size].to_vec();
        self.input.drain(..8 + size);
        Some(Frame {
            kind,
            channel: u16::from_be_bytes([c1, c2]),
            payload,
        })
    }

    fn fill(&mut self, deadline: Instant) -> Result<(), NoFrame> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(NoFrame::Silence);
        }
        self.socket.set_read_timeout(Some(left)).expect("a read timeout");
        let mut buffer = [0; 64 * 1024];
        match self.socket.read(&mut buffer) {
            Ok(0) => Err(NoFrame::End),
            Ok(length) => {
                self.input.extend(&buffer[..length]);
                Ok(())
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => Err(NoFrame::Silence),
                ErrorKind::Interrupted => Ok(()),
                _ => Err(NoFrame::End),
            },
        }
    }
}
