//! A client as simple as a load tool can have it: it blocks, and it gives up in bounded time.

pub(crate) mod frame;
mod handshake;
pub(crate) mod link;

use std::time::{Duration, Instant};

use leveret_protocol::method::{channel, connection};
use leveret_protocol::{Chunk, EncodeMethod, Method};

use frame::Arrived;
use link::Link;

use super::failure::Failure;
use super::uri::Uri;

/// The channel everything but `connections` uses.
pub(crate) const CHANNEL: u16 = 1;

/// How long the broker may take to answer.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// How long it may take to say goodbye: before that it takes everything sent.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// An open connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) link: Link,
    /// The largest frame the broker takes, in bytes.
    pub(crate) frame_max: u32,
    /// What the broker calls itself, and its durability, if it tells.
    pub(crate) product: String,
}

impl Client {
    /// Connects, logs in and opens the virtual host.
    pub(crate) fn open(uri: &Uri) -> Result<Self, Failure> {
        handshake::open(uri)
    }

    /// Connects and opens [`CHANNEL`].
    pub(crate) fn open_with_channel(uri: &Uri) -> Result<Self, Failure> {
        Self::open_with_channels(uri, CHANNEL)
    }

    /// Connects and opens the channels 1 to `last`.
    pub(crate) fn open_with_channels(uri: &Uri, last: u16) -> Result<Self, Failure> {
        let mut client = Self::open(uri)?;
        (1..=last).try_for_each(|channel| client.open_channel(channel))?;
        Ok(client)
    }

    pub(crate) fn open_channel(&mut self, channel: u16) -> Result<(), Failure> {
        self.ask(
            channel,
            &channel::Open {},
            channel::OpenOk::IDS,
            "opening a channel",
        )
    }

    pub(crate) fn close_channel(&mut self, channel: u16) -> Result<(), Failure> {
        let close = channel::Close {
            reply_code: 200,
            reply_text: "done",
            class_id: 0,
            method_id: 0,
        };
        self.ask(channel, &close, channel::CloseOk::IDS, "closing a channel")
    }

    /// Closes the connection in order: when this returns the broker has seen everything sent before.
    pub(crate) fn close(mut self) -> Result<(), Failure> {
        let close = connection::Close {
            reply_code: 200,
            reply_text: "done",
            class_id: 0,
            method_id: 0,
        };
        let deadline = Instant::now() + CLOSE_TIMEOUT;
        self.say(0, &close, deadline, "closing the connection")?;
        self.await_reply(0, connection::CloseOk::IDS, deadline, "closing the connection")
    }

    /// Sends a method and waits for the one that answers it.
    pub(crate) fn ask(
        &mut self,
        channel: u16,
        method: &impl EncodeMethod,
        answer: (u16, u16),
        during: &'static str,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        self.say(channel, method, deadline, during)?;
        self.await_reply(channel, answer, deadline, during)
    }

    /// Sends a method that has no answer.
    pub(crate) fn say(
        &mut self,
        channel: u16,
        method: &impl EncodeMethod,
        deadline: Instant,
        during: &'static str,
    ) -> Result<(), Failure> {
        let mut chunk = Chunk::new();
        chunk.method(channel, method);
        self.link.send_all(&chunk.into_bytes(), deadline, during)
    }

    /// Waits for a method with these ids, past whatever else arrives.
    fn await_reply(
        &mut self,
        channel: u16,
        answer: (u16, u16),
        deadline: Instant,
        during: &'static str,
    ) -> Result<(), Failure> {
        self.await_frame(deadline, during, |frame| {
            let answers = frame.channel == channel && frame.method_ids() == Some(answer);
            Ok(answers.then_some(()))
        })
    }

    /// What `take` makes of the first frame that it wants, past whatever else arrives but a refusal.
    fn await_frame<T>(
        &mut self,
        deadline: Instant,
        during: &'static str,
        take: impl Fn(&Arrived<'_>) -> Result<Option<T>, Failure>,
    ) -> Result<T, Failure> {
        loop {
            while let Some(frame) = self.link.next_frame()? {
                if let Some(taken) = take(&frame)? {
                    return Ok(taken);
                }
                check(&frame)?;
            }
            link::in_time(deadline, during)?;
            self.link.receive()?;
        }
    }
}

/// Fails when the frame is the broker's refusal to go on.
pub(crate) fn check(frame: &Arrived<'_>) -> Result<(), Failure> {
    use leveret_protocol::method::basic::Cancel;
    match frame.method_ids() {
        Some(connection::Close::IDS | channel::Close::IDS | Cancel::IDS) => {}
        _ => return Ok(()),
    }
    match Method::decode(frame.payload)? {
        Method::Connection(connection::Method::Close(close)) => Err(Failure::from(&close)),
        Method::Channel(channel::Method::Close(close)) => Err(Failure::from(&close)),
        _ => Err(Failure::Cancelled),
    }
}
