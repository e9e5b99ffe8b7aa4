//! What `sink --echo` does with messages: copies their frames to whoever consumes from the queue they are for.
//!
//! No broker can be faster on this host and with these sockets: nothing is kept, ordered or acknowledged. Queues are
//! what the default exchange makes of them, and messages for those without consumers are discarded.

use std::collections::HashMap;
use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};

use leveret_protocol::method::basic::{self, Consume, Deliver};
use leveret_protocol::{Chunk, FrameKind, Method};

use crate::cli::perf::client::frame::Arrived;
use crate::cli::perf::client::link::Link;
use crate::cli::perf::failure::Failure;

const FRAME_END: u8 = 0xCE;

/// Who consumes from what, over all connections.
#[derive(Debug, Default)]
pub(super) struct Subscribers(Mutex<HashMap<String, Vec<Arc<Subscriber>>>>);

/// One that consumes.
#[derive(Debug)]
struct Subscriber {
    channel: u16,
    stream: Mutex<TcpStream>,
    /// The frame of its basic.deliver, the same each time.
    deliver: Vec<u8>,
}

impl Subscribers {
    pub(super) fn add(&self, channel: u16, consume: &Consume<'_>, stream: TcpStream) {
        let mut chunk = Chunk::new();
        let deliver = Deliver {
            consumer_tag: consume.consumer_tag,
            delivery_tag: 1,
            redelivered: false,
            exchange: "",
            routing_key: consume.queue,
        };
        chunk.method(channel, &deliver);
        let subscriber = Subscriber {
            channel,
            stream: Mutex::new(stream),
            deliver: chunk.into_bytes().to_vec(),
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(consume.queue.to_owned())
            .or_default()
            .push(Arc::new(subscriber));
    }

    /// The one whose turn it is, going by `turn`.
    fn of(&self, queue: &str, turn: usize) -> Option<Arc<Subscriber>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let subscribers = all.get(queue)?;
        subscribers.get(turn.checked_rem(subscribers.len())?).cloned()
    }

    fn remove(&self, gone: &Arc<Subscriber>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for subscribers in all.values_mut() {
            subscribers.retain(|subscriber| !Arc::ptr_eq(subscriber, gone));
        }
    }
}

/// The messages of one connection on their way through.
#[derive(Debug)]
pub(super) struct Echo {
    subscribers: Arc<Subscribers>,
    /// The basic.publish that led to `to`; the next is most often the same.
    publish: Vec<u8>,
    to: Option<Arc<Subscriber>>,
    turn: usize,
    out: Vec<u8>,
    /// How much of `out` is whole messages.
    whole: usize,
    body_left: u64,
    /// The basic.consume methods that were answered, with their channels.
    announced: Vec<(u16, Vec<u8>)>,
}

impl Echo {
    pub(super) fn new(subscribers: Arc<Subscribers>) -> Self {
        Self {
            subscribers,
            publish: Vec::new(),
            to: None,
            turn: 0,
            out: Vec::new(),
            whole: 0,
            body_left: 0,
            announced: Vec::new(),
        }
    }

    /// Takes note of a basic.consume whose answer is to be sent first.
    pub(super) fn announce(&mut self, channel: u16, consume: &[u8]) {
        self.announced.push((channel, consume.to_vec()));
    }

    /// Lets the consumers that were answered have messages.
    pub(super) fn subscribe(&mut self, link: &Link) -> Result<(), Failure> {
        for (channel, payload) in self.announced.drain(..) {
            if let Method::Basic(basic::Method::Consume(consume)) = Method::decode(&payload)? {
                let stream = link.stream().map_err(|source| Failure::Broken {
                    during: "subscribing",
                    source,
                })?;
                self.subscribers.add(channel, &consume, stream);
            }
        }
        Ok(())
    }

    /// Begins a message.
    pub(super) fn publish(&mut self, payload: &[u8]) -> Result<(), Failure> {
        if self.publish != payload {
            self.flush();
            self.to = None;
            self.publish = payload.to_vec();
        }
        if self.to.is_none()
            && let Method::Basic(basic::Method::Publish(publish)) = Method::decode(payload)?
        {
            self.turn += 1;
            self.to = self.subscribers.of(publish.routing_key, self.turn);
        }
        if let Some(to) = &self.to {
            self.out.extend_from_slice(&to.deliver);
        }
        Ok(())
    }

    /// Copies a header or body.
    pub(super) fn copy(&mut self, frame: &Arrived<'_>) {
        let payload_len = frame.payload.len() as u64;
        self.body_left = match frame.kind {
            FrameKind::Header => body_size(frame.payload),
            _ => self.body_left.saturating_sub(payload_len),
        };
        let Some(to) = &self.to else { return };
        let kind = match frame.kind {
            FrameKind::Header => 2,
            FrameKind::Body => 3,
            _ => return,
        };
        let [c1, c0] = to.channel.to_be_bytes();
        let [s3, s2, s1, s0] = (frame.payload.len() as u32).to_be_bytes();
        self.out.extend_from_slice(&[kind, c1, c0, s3, s2, s1, s0]);
        self.out.extend_from_slice(frame.payload);
        self.out.push(FRAME_END);
        if self.body_left == 0 {
            self.whole = self.out.len();
        }
    }

    /// Sends the whole messages: what others send must not come between the frames of one. The next message may go to
    /// another consumer.
    pub(super) fn end_of_read(&mut self) {
        self.flush();
        if self.out.is_empty() && self.body_left == 0 {
            self.to = None;
        }
    }

    fn flush(&mut self) {
        let (Some(to), Some(whole)) = (&self.to, self.out.get(..self.whole)) else {
            return;
        };
        let mut stream = to.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = stream.write_all(whole);
        drop(stream);
        if sent.is_err() {
            self.subscribers.remove(to);
        }
        self.out.drain(..self.whole);
        self.whole = 0;
    }
}

/// The size of the body in a content header, after class and weight.
fn body_size(header: &[u8]) -> u64 {
    let size = header.get(4..).and_then(<[u8]>::first_chunk::<8>);
    size.map_or(0, |size| u64::from_be_bytes(*size))
}
