//! A connection that receives: a subscription, and the message that is arriving.

use leveret_protocol::method::basic::{Consume, ConsumeOk};
use leveret_protocol::{FrameKind, Properties};

use super::client::{CHANNEL, Client, check};
use super::failure::Failure;
use super::uri::Uri;

/// The length of class, weight and body size in a content header.
const CONTENT_HEAD: usize = 12;

/// A connection with a subscription, and the message being received.
pub(super) struct Peer {
    pub(super) client: Client,
    /// Where the last message asked to be replied to.
    pub(super) reply_to: String,
    /// The last message's body.
    pub(super) body: Vec<u8>,
    body_left: u64,
}

impl Peer {
    /// Connects and subscribes, without acknowledgements.
    pub(super) fn open(uri: &Uri, queue: &str) -> Result<Self, Failure> {
        Self::consume(Client::open_with_channel(uri)?, queue)
    }

    /// Subscribes with a connection that is there.
    pub(super) fn consume(mut client: Client, queue: &str) -> Result<Self, Failure> {
        let consume = Consume {
            queue,
            no_ack: true,
            ..Default::default()
        };
        client.ask(CHANNEL, &consume, ConsumeOk::IDS, "subscribing")?;
        Ok(Self {
            client,
            reply_to: String::new(),
            body: Vec::new(),
            body_left: 0,
        })
    }

    /// Looks for a whole message in what has arrived, and lets more arrive if there is none; true when `body` is one.
    pub(super) fn receive(&mut self) -> Result<bool, Failure> {
        while let Some(frame) = self.client.link.next_frame()? {
            match frame.kind {
                FrameKind::Header => {
                    let Some((head, properties)) = frame.payload.split_at_checked(CONTENT_HEAD) else {
                        continue;
                    };
                    let size = head.last_chunk::<8>().copied().unwrap_or_default();
                    self.body_left = u64::from_be_bytes(size);
                    self.body.clear();
                    let reply_to = Properties::parse(properties)?.reply_to.unwrap_or_default();
                    self.reply_to = String::from_utf8_lossy(reply_to).into_owned();
                }
                FrameKind::Body => {
                    self.body_left = self.body_left.saturating_sub(frame.payload.len() as u64);
                    self.body.extend_from_slice(frame.payload);
                }
                _ => {
                    check(&frame)?;
                    continue;
                }
            }
            if self.body_left == 0 {
                return Ok(true);
            }
        }
        self.client.link.receive()?;
        Ok(false)
    }
}
