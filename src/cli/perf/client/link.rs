//! A socket with the bytes that have arrived on it.
//!
//! Sending never blocks by itself: a broker that stops reading while it waits for us to read would
//! otherwise hold both for ever. Receiving may block, for one [`TICK`] at most.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use leveret_protocol::frame::{FRAME_HEADER_SIZE, FRAME_OVERHEAD};
use leveret_protocol::{Frame, decode};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::time::Timespec;

use super::frame::Arrived;
use crate::cli::perf::failure::Failure;

/// The longest a call waits before its caller looks around.
pub(crate) const TICK: Duration = Duration::from_millis(100);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What an idle connection reads into.
const LEAST_INBOX: usize = 4 << 10;
/// What a busy connection reads into, unless a frame is larger.
const MOST_INBOX: usize = 256 << 10;

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Link {
    stream: TcpStream,
    inbox: Vec<u8>,
    /// What of `inbox` has arrived and was not looked at.
    start: usize,
    end: usize,
    /// The frames found from `found_at` on, and how many of them were looked at.
    found: Vec<Frame>,
    found_at: usize,
    looked_at: usize,
}

impl Link {
    pub(crate) fn connect(host: &str, port: u16) -> Result<Self, Failure> {
        let failed = |source| Failure::Connect {
            address: format!("{host}:{port}"),
            source,
        };
        let mut last = io::Error::other("the name has no address");
        for address in (host, port).to_socket_addrs().map_err(failed)? {
            match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
                Ok(stream) => return Self::new(stream).map_err(failed),
                Err(error) => last = error,
            }
        }
        Err(failed(last))
    }

    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TICK))?;
        let (inbox, found) = (Vec::new(), Vec::new());
        Ok(Self {
            stream,
            inbox,
            start: 0,
            end: 0,
            found,
            found_at: 0,
            looked_at: 0,
        })
    }

    /// Another handle on the socket, for who sends on it from elsewhere.
    pub(crate) fn stream(&self) -> io::Result<TcpStream> {
        self.stream.try_clone()
    }

    /// Sends what the socket has room for and says how much that was.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<usize, Failure> {
        match send(&self.stream, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(sent) => Ok(sent),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(error) => Err(Failure::Broken {
                during: "sending",
                source: error.into(),
            }),
        }
    }

    /// Sends everything, taking in what arrives meanwhile.
    pub(crate) fn send_all(
        &mut self,
        mut bytes: &[u8],
        deadline: Instant,
        during: &'static str,
    ) -> Result<(), Failure> {
        while !bytes.is_empty() {
            let sent = self.send(bytes)?;
            bytes = bytes.get(sent..).unwrap_or_default();
            if sent == 0 {
                in_time(deadline, during)?;
                self.wait(true, TICK)?;
                self.receive_arrived()?;
            }
        }
        Ok(())
    }

    /// Waits until something arrives, or the socket has room when that is asked for.
    pub(crate) fn wait(&self, for_room: bool, at_most: Duration) -> Result<(), Failure> {
        let events = if for_room {
            PollFlags::IN | PollFlags::OUT
        } else {
            PollFlags::IN
        };
        let timeout = Timespec {
            tv_sec: at_most.as_secs() as i64,
            tv_nsec: at_most.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::new(&self.stream, events)], Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(Failure::Broken {
                during: "waiting",
                source: error.into(),
            }),
        }
    }

    /// Takes in what arrives within a [`TICK`]; false when nothing did.
    pub(crate) fn receive(&mut self) -> Result<bool, Failure> {
        self.receive_with(RecvFlags::empty())
    }

    /// Takes in what has arrived; false when nothing has.
    pub(crate) fn receive_arrived(&mut self) -> Result<bool, Failure> {
        self.receive_with(RecvFlags::DONTWAIT)
    }

    fn receive_with(&mut self, flags: RecvFlags) -> Result<bool, Failure> {
        self.make_room();
        let room = self.inbox.get_mut(self.end..).unwrap_or_default();
        match recv(&self.stream, room, flags) {
            Ok((_, 0)) => Err(Failure::HungUp("it was expected to send")),
            Ok((_, received)) => {
                self.end += received;
                Ok(true)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(error) => Err(Failure::Broken {
                during: "receiving",
                source: error.into(),
            }),
        }
    }

    /// The next complete frame that has arrived.
    #[inline]
    pub(crate) fn next_frame(&mut self) -> Result<Option<Arrived<'_>>, Failure> {
        if self.looked_at == self.found.len() {
            self.find_frames()?;
        }
        let Some(&frame) = self.found.get(self.looked_at) else {
            return Ok(None);
        };
        self.looked_at += 1;
        let at = |offset: u32| self.found_at + offset as usize;
        self.start = at(frame.end) + 1;
        let payload = self.inbox.get(at(frame.start)..at(frame.end)).unwrap_or_default();
        Ok(Some(Arrived {
            kind: frame.kind,
            channel: frame.channel,
            payload,
        }))
    }

    fn find_frames(&mut self) -> Result<(), Failure> {
        self.found.clear();
        self.looked_at = 0;
        self.found_at = self.start;
        let arrived = self.inbox.get(self.start..self.end).unwrap_or_default();
        match decode::frames(arrived, 0, &mut self.found) {
            (0, Some(exception)) => Err(exception.into()),
            _ => Ok(()),
        }
    }

    pub(crate) fn begins_with(&self, bytes: &[u8]) -> bool {
        self.inbox
            .get(self.start..self.end)
            .is_some_and(|arrived| arrived.starts_with(bytes))
    }

    /// Takes `count` bytes that are no frame, once they have arrived.
    pub(crate) fn take(&mut self, count: usize) -> Option<&[u8]> {
        let taken = self.inbox.get(self.start..self.end)?.get(..count)?;
        self.start += count;
        Some(taken)
    }

    /// Moves what was not looked at to the front, and grows the inbox when it was full or the frame that
    /// begins there will not fit.
    fn make_room(&mut self) {
        let full = self.end == self.inbox.len();
        let needed = self.announced_len();
        if self.start > 0 {
            self.inbox.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        self.found.clear();
        self.looked_at = 0;
        let mut len = self.inbox.len().max(LEAST_INBOX);
        let busy = full && !self.inbox.is_empty() && len < MOST_INBOX;
        if busy || self.end == len {
            len *= 4;
        }
        self.inbox.resize(len.max(needed), 0);
    }

    /// The length of the frame that has begun to arrive, once its header has.
    fn announced_len(&self) -> usize {
        let header = self
            .inbox
            .get(self.start..self.end)
            .and_then(<[u8]>::first_chunk::<FRAME_HEADER_SIZE>);
        header.map_or(0, |&[_, _, _, s3, s2, s1, s0]| {
            u32::from_be_bytes([s3, s2, s1, s0]) as usize + FRAME_OVERHEAD
        })
    }
}

/// Fails once the deadline for what is being done has passed.
pub(crate) fn in_time(deadline: Instant, during: &'static str) -> Result<(), Failure> {
    if Instant::now() < deadline {
        return Ok(());
    }
    Err(Failure::Silent(during))
}
