//! The reading half of a socket, as a stream of batches.
//!
//! The stream yields all complete frames of one read as one item, each with the permit that covers its
//! bytes. It stays pending, and so leaves the rest to TCP, while the connection's window is used
//! up, while the peer leaves too many answers unread, or while an alarm holds a publisher back. None
//! of that stops the connection's mailbox.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use futures_util::Stream;
use futures_util::task::AtomicWaker;
use leveret_protocol::codec::{DecodeError, FrameCodec, Inbound};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::tcp::OwnedReadHalf;
use tokio_util::codec::FramedRead;

use crate::traffic::Traffic;
use crate::window::{Permit, Window};
use crate::writer::backlog::Backlog;

/// What the connection tells its reader.
#[derive(Debug)]
pub(crate) struct Gate {
    frame_max: AtomicU32,
    held_back: AtomicBool,
    reading: AtomicBool,
    reader: AtomicWaker,
}

impl Gate {
    pub(crate) fn new(initial_frame_max: u32) -> Self {
        Gate {
            frame_max: AtomicU32::new(initial_frame_max),
            held_back: AtomicBool::new(false),
            reading: AtomicBool::new(true),
            reader: AtomicWaker::new(),
        }
    }

    /// The negotiated limit: it holds from the next read on.
    pub(crate) fn set_frame_max(&self, frame_max: u32) {
        self.frame_max.store(frame_max, Ordering::Relaxed);
    }

    /// Stops reading, or goes on.
    pub(crate) fn hold_back(&self, held_back: bool) {
        self.held_back.store(held_back, Ordering::Release);
        self.reader.wake();
    }

    /// False while it is we who do not read, so that the peer's silence means nothing.
    pub(crate) fn is_reading(&self) -> bool {
        self.reading.load(Ordering::Relaxed)
    }

    fn is_held_back(&self, cx: &Context<'_>) -> bool {
        if !self.held_back.load(Ordering::Acquire) {
            return false;
        }
        self.reader.register(cx.waker());
        self.held_back.load(Ordering::Acquire)
    }
}

/// One read's worth of frames, and the permit that covers them.
pub(crate) struct Received {
    pub(crate) inbound: Inbound,
    pub(crate) permit: Permit,
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
            gate,
            backlog,
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Inbound, DecodeError>>> {
        if self.gate.is_held_back(cx) || self.backlog.is_full(cx) {
            return Poll::Pending;
        }
        let frame_max = self.gate.frame_max.load(Ordering::Relaxed);
        if frame_max != self.frame_max {
            self.frame_max = frame_max;
            self.frames.decoder_mut().set_frame_max(frame_max);
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
        let bytes = reader.uncovered.as_ref().map_or(0, size);
        let permit = ready!(reader.window.poll_acquire(cx, bytes));
        let received = reader.uncovered.take().zip(permit);
        Poll::Ready(received.map(|(inbound, permit)| Ok(Received { inbound, permit })))
    }
}

fn size(inbound: &Inbound) -> usize {
    match inbound {
        Inbound::Header(_) => 8,
        Inbound::Frames(batch) => batch.bytes.len(),
    }
}

/// Counts what is read.
struct Metered {
    socket: OwnedReadHalf,
    traffic: Arc<Traffic>,
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(cx, buf);
        self.traffic.received(buf.filled().len() - before);
        polled
    }
}
