//! The reading half of a socket, as a stream of batches.
//!
//! The stream yields all complete frames of one read as one item, each with the permit that covers its
//! bytes. It stays pending, and so leaves the rest to TCP, while the connection's window is used
//! up, while the peer leaves too many answers unread, or while an alarm holds a publisher back. None
//! of that stops the connection's mailbox. A peer that is not read from is looked after: what it sent hides from us
//! that it hung up.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use futures_util::Stream;
use futures_util::task::AtomicWaker;
use leveret_protocol::codec::{DecodeError, FrameCodec, Inbound};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_util::codec::FramedRead;

use super::alarms::publishes;
use crate::node::moved;
use crate::traffic::Traffic;
use crate::window::{Permit, Window};
use crate::writer::backlog::Backlog;

/// How often we look whether a peer that we do not read from is still there.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// How often it must be found to be gone while an alarm holds it back. What it sent and was not read is dropped then.
const GONE_IN_AN_ALARM: u32 = 1;

/// The same while the queues are late to take what it sent: they may yet take the rest.
const GONE_BEFORE_THE_QUEUES: u32 = 4;

/// The window has room for so many reads at least.
const READS: usize = 4;

/// By what the system tells that a peer has hung up, even behind bytes that we have not read.
#[cfg(any(target_os = "linux", target_os = "android"))]
const HUNG_UP: PollFlags = PollFlags::RDHUP;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const HUNG_UP: PollFlags = PollFlags::HUP;

/// What the connection tells its reader.
#[derive(Debug)]
pub(crate) struct Gate {
    frame_max: AtomicU32,
    channels: AtomicU32,
    held_back: AtomicBool,
    ending: AtomicBool,
    reading: AtomicBool,
    reader: AtomicWaker,
}

impl Gate {
    pub(crate) fn new(initial_frame_max: u32) -> Self {
        Gate {
            frame_max: AtomicU32::new(initial_frame_max),
            channels: AtomicU32::new(0),
            held_back: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            reading: AtomicBool::new(true),
            reader: AtomicWaker::new(),
        }
    }

    /// The negotiated limit: it holds from the next read on.
    pub(crate) fn set_frame_max(&self, frame_max: u32) {
        self.frame_max.store(frame_max, Ordering::Relaxed);
    }

    /// How many channels are open, which what may be under way depends on.
    pub(crate) fn set_channels(&self, channels: usize) {
        let channels = u32::try_from(channels).unwrap_or(u32::MAX);
        self.channels.store(channels, Ordering::Relaxed);
    }

    /// Stops reading, or goes on.
    pub(crate) fn hold_back(&self, held_back: bool) {
        self.held_back.store(held_back, Ordering::Release);
        self.reader.wake();
    }

    /// Reads whatever comes, for the answer to connection.close: nothing else of it is kept, so nothing holds it up.
    pub(crate) fn let_through(&self) {
        self.ending.store(true, Ordering::Release);
        self.hold_back(false);
    }

    /// False while it is we who do not read, so that the peer's silence means nothing.
    pub(crate) fn is_reading(&self) -> bool {
        self.reading.load(Ordering::Relaxed)
    }

    fn is_ending(&self, cx: &Context<'_>) -> bool {
        self.reader.register(cx.waker());
        self.ending.load(Ordering::Acquire)
    }

    fn is_held_back(&self, cx: &Context<'_>) -> bool {
        if !self.held_back.load(Ordering::Acquire) {
            return false;
        }
        self.reader.register(cx.waker());
        self.held_back.load(Ordering::Acquire)
    }
}

/// What a socket brings.
pub(crate) enum Received {
    /// One read's worth of frames, and the permit that covers them.
    Frames { inbound: Inbound, permit: Permit },
    /// Publications have come that wait for their permit.
    PublicationsWait,
}

/// The stream of what a socket brings.
pub(crate) struct Reader {
    frames: FramedRead<Metered, FrameCodec>,
    frame_max: u32,
    window: Window,
    /// The framing is broken. What still comes is discarded until the peer hangs up.
    broken: bool,
    /// Read, but not yet covered.
    uncovered: Option<Inbound>,
    /// Whether it is known that these are publications which wait.
    wait_is_told: bool,
    /// Runs while the peer is not read from.
    looking_after: Option<LookingAfter>,
    gate: Arc<Gate>,
    backlog: Arc<Backlog>,
}

impl Reader {
    pub(crate) fn new(
        socket: OwnedReadHalf,
        initial_frame_max: u32,
        gate: Arc<Gate>,
        backlog: Arc<Backlog>,
        traffic: Arc<Traffic>,
    ) -> Self {
        let socket = Metered { socket, traffic };
        Reader {
            frames: FramedRead::with_capacity(socket, FrameCodec::server(initial_frame_max), 0),
            frame_max: initial_frame_max,
            window: Window::new(),
            broken: false,
            uncovered: None,
            wait_is_told: false,
            looking_after: None,
            gate,
            backlog,
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Inbound, DecodeError>>> {
        if self.gate.is_held_back(cx) {
            return self.poll_hung_up(GONE_IN_AN_ALARM, cx).map(|()| None);
        }
        self.looking_after = None;
        if self.backlog.is_full(cx) {
            return Poll::Pending;
        }
        let frame_max = self.gate.frame_max.load(Ordering::Relaxed);
        if frame_max != self.frame_max {
            self.frame_max = frame_max;
            self.frames.decoder_mut().set_frame_max(frame_max);
        }
        if self.window.widen_for(self.gate.channels.load(Ordering::Relaxed)) {
            self.frames
                .decoder_mut()
                .set_most_read(self.window.width() / READS);
        }
        self.gate.reading.store(true, Ordering::Relaxed);
        match ready!(self.poll_frames(cx)) {
            Some(Err(DecodeError::Protocol(exception))) => {
                self.broken = true;
                Poll::Ready(Some(Err(exception.into())))
            }
            // The stream pretends to end after an error of the decoder; the socket has not.
            None if std::mem::take(&mut self.broken) => self.poll_frames(cx),
            other => Poll::Ready(other),
        }
    }

    /// Reads into a buffer that is there only while something is to be read: a connection at rest holds none.
    fn poll_frames(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Inbound, DecodeError>>> {
        if self.frames.read_buffer().capacity() == 0 {
            let room = self.frames.decoder().read_size();
            self.frames.read_buffer_mut().reserve(room);
        }
        let polled = Pin::new(&mut self.frames).poll_next(cx);
        if polled.is_pending() && self.frames.read_buffer().is_empty() {
            *self.frames.read_buffer_mut() = BytesMut::new();
        }
        polled
    }

    fn poll_cover(&mut self, cx: &mut Context<'_>) -> Poll<Option<Permit>> {
        let bytes = self.uncovered.as_ref().map_or(0, size);
        if let Poll::Ready(permit) = self.window.poll_acquire(cx, bytes) {
            return Poll::Ready(permit);
        }
        if !self.gate.is_ending(cx) {
            return Poll::Pending;
        }
        // What is on its way to the queues no longer counts.
        self.window = Window::new();
        self.window.poll_acquire(cx, bytes)
    }

    /// Ready once the peer, which is not read from, was found so often to have hung up.
    fn poll_hung_up(&mut self, often: u32, cx: &mut Context<'_>) -> Poll<()> {
        let looking_after = self.looking_after.get_or_insert_with(LookingAfter::new);
        while looking_after.looks.poll_tick(cx).is_ready() {
            looking_after.gone += u32::from(self.frames.get_ref().has_hung_up());
            if looking_after.gone >= often {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    fn has_publications(&self) -> bool {
        matches!(&self.uncovered, Some(Inbound::Frames(batch)) if publishes(batch))
    }
}

impl Stream for Reader {
    type Item = Result<Received, DecodeError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let reader = &mut *self;
        reader.gate.reading.store(false, Ordering::Relaxed);
        if reader.uncovered.is_none() {
            match ready!(reader.poll_read(cx)) {
                Some(Ok(inbound)) => reader.uncovered = Some(inbound),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let Poll::Ready(permit) = reader.poll_cover(cx) else {
            if !reader.wait_is_told && reader.has_publications() {
                reader.wait_is_told = true;
                return Poll::Ready(Some(Ok(Received::PublicationsWait)));
            }
            let often = match reader.gate.is_held_back(cx) {
                true => GONE_IN_AN_ALARM,
                false => GONE_BEFORE_THE_QUEUES,
            };
            return reader.poll_hung_up(often, cx).map(|()| None);
        };
        reader.looking_after = None;
        reader.wait_is_told = false;
        let received = reader.uncovered.take().zip(permit);
        Poll::Ready(received.map(|(inbound, permit)| Ok(Received::Frames { inbound, permit })))
    }
}

fn size(inbound: &Inbound) -> usize {
    match inbound {
        Inbound::Header(_) => 8,
        Inbound::Frames(batch) => batch.bytes.len(),
    }
}

/// Looks now and then whether the peer is still there.
struct LookingAfter {
    looks: Interval,
    /// How often it was not.
    gone: u32,
}

impl LookingAfter {
    fn new() -> Self {
        let mut looks = interval_at(Instant::now() + LOOK_AFTER, LOOK_AFTER);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        LookingAfter { looks, gone: 0 }
    }
}

/// Counts what is read.
struct Metered {
    socket: OwnedReadHalf,
    traffic: Arc<Traffic>,
}

impl Metered {
    /// Whether the peer sends nothing after what we have not read, or is gone altogether.
    fn has_hung_up(&self) -> bool {
        let socket: &TcpStream = self.socket.as_ref();
        let mut asked = [PollFd::new(socket, HUNG_UP)];
        let at_once = Timespec::default();
        poll(&mut asked, Some(&at_once)).is_ok_and(|answers| answers > 0)
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(cx, buf);
        let bytes = buf.filled().len() - before;
        self.traffic.received(bytes);
        moved(bytes);
        polled
    }
}
