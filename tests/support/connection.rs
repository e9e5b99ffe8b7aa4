//! A connection of the bare client: channel 0 and what all channels share.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::ops::Deref;
use std::rc::Rc;
use std::time::{Duration, Instant};

use leveret_protocol::method::connection::{Close, CloseOk, Open, OpenOk, Start, StartOk, Tune, TuneOk};
use leveret_protocol::types::{FieldTable, FieldValue};
use leveret_protocol::{Method, method};

use super::PATIENCE;
use super::channel::Channel;
use super::wire::{Frame, HEARTBEAT, METHOD, NoFrame, Wire};

/// The eight bytes a client of AMQP 0-9-1 begins with.
pub(crate) const PROTOCOL_HEADER: [u8; 8] = *b"AMQP\x00\x00\x09\x01";

/// A connection; it is its own channel 0.
pub(crate) struct Connection {
    zero: Channel,
    next_channel: std::cell::Cell<u16>,
}

/// The socket, and the frames that were read while waiting for those of another channel.
pub(crate) struct Shared {
    pub(crate) wire: Wire,
    pub(crate) vhost: String,
    pub(crate) frame_max: usize,
    inboxes: HashMap<u16, VecDeque<Frame>>,
    heartbeats: u32,
}

impl Connection {
    #[track_caller]
    pub(crate) fn over_tcp(address: SocketAddr, vhost: &str) -> Connection {
        let shared = Shared {
            wire: Wire::connect(address),
            vhost: vhost.to_owned(),
            frame_max: 131_072,
            inboxes: HashMap::new(),
            heartbeats: 0,
        };
        let zero = Channel::new(Rc::new(RefCell::new(shared)), 0);
        Connection {
            zero,
            next_channel: std::cell::Cell::new(1),
        }
    }

    /// The connection a channel belongs to.
    pub(crate) fn of(channel: &Channel) -> Connection {
        let zero = Channel::new(channel.shared_handle(), 0);
        Connection {
            zero,
            next_channel: std::cell::Cell::new(channel.number() + 1),
        }
    }

    /// Goes through the whole handshake as `guest`, without heartbeats.
    #[track_caller]
    pub(crate) fn open(&self, vhost: &str) {
        self.open_as(capable(), vhost);
    }

    /// The handshake of a client that says this of itself.
    #[track_caller]
    pub(crate) fn open_as(&self, client_properties: FieldTable, vhost: &str) {
        self.greet();
        self.call::<Tune>(StartOk {
            client_properties,
            ..start_ok(b"\0guest\0guest")
        });
        self.tune_as_usual();
        self.call::<OpenOk>(Open { vhost });
    }

    /// The handshake as far as the broker's tune.
    #[track_caller]
    pub(crate) fn log_in(&self) -> Tune {
        self.greet();
        self.call(start_ok(b"\0guest\0guest"))
    }

    /// The protocol header and the broker's answer to it.
    #[track_caller]
    pub(crate) fn greet(&self) -> Start<'static> {
        self.write(&PROTOCOL_HEADER);
        self.expect()
    }

    /// Answers the broker's tune.
    pub(crate) fn tune(&self, tune_ok: TuneOk) {
        self.zero.shared().frame_max = tune_ok.frame_max as usize;
        self.send(tune_ok);
    }

    /// Answers it with the limits that most clients take, without heartbeats.
    pub(crate) fn tune_as_usual(&self) {
        self.tune(TuneOk {
            channel_max: 2047,
            frame_max: 131_072,
            heartbeat: 0,
        });
    }

    /// Opens the next channel.
    #[track_caller]
    pub(crate) fn channel(&self) -> Channel {
        let channel = self.unopened_channel();
        channel.open();
        channel
    }

    /// The next channel, of which the broker knows nothing yet.
    pub(crate) fn unopened_channel(&self) -> Channel {
        let number = self.next_channel.get();
        self.next_channel.set(number + 1);
        self.channel_number(number)
    }

    /// A channel by number, opened or not.
    pub(crate) fn channel_number(&self, number: u16) -> Channel {
        Channel::new(self.zero.shared_handle(), number)
    }

    /// Closes with the proper exchange of methods.
    #[track_caller]
    pub(crate) fn close(self) {
        self.call::<CloseOk>(Close {
            reply_code: 200,
            reply_text: "bye",
            class_id: 0,
            method_id: 0,
        });
    }

    /// Expects the broker to close the connection with this code and text, naming `ids`, and answers it.
    #[track_caller]
    pub(crate) fn closed(&self, code: u16, text: &str, ids: (u16, u16)) {
        let close = self.expect_close();
        let got = (close.reply_code, close.reply_text.as_str(), close.ids);
        assert_eq!(got, (code, text, ids));
    }

    /// Expects the broker to close the connection, answers and waits for the end of the socket.
    #[track_caller]
    pub(crate) fn expect_close(&self) -> Closed {
        let close: Close<'_> = self.expect();
        let text = self.zero.shared().with_vhost_slash(close.reply_text);
        self.send(CloseOk {});
        self.expect_end();
        Closed {
            reply_code: close.reply_code,
            reply_text: text,
            ids: (close.class_id, close.method_id),
        }
    }

    /// Expects the broker to close the socket. What it still sends is read past, but a close is answered.
    #[track_caller]
    pub(crate) fn expect_end(&self) {
        let mut shared = self.zero.shared();
        let deadline = Instant::now() + PATIENCE;
        loop {
            match shared
                .wire
                .read(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(frame) if frame.kind == METHOD && frame.payload.starts_with(&[0, 10, 0, 50]) => {
                    let close_ok = super::channel::encoded(&CloseOk {});
                    shared.wire.write(&Frame::new(METHOD, 0, close_ok).bytes());
                }
                Ok(_) => {}
                Err(NoFrame::End) => return,
                Err(NoFrame::Silence) => panic!("the broker keeps the socket open"),
            }
        }
    }

    /// The address the broker knows this client by.
    pub(crate) fn local_address(&self) -> SocketAddr {
        self.zero.shared().wire.local_address()
    }

    /// How many heartbeats have been read so far.
    pub(crate) fn heartbeats(&self) -> u32 {
        self.zero.shared().heartbeats
    }

    /// Reads for this long, putting aside whatever comes.
    pub(crate) fn listen(&self, duration: Duration) -> Result<(), NoFrame> {
        let deadline = Instant::now() + duration;
        let mut shared = self.zero.shared();
        loop {
            match shared.receive(deadline.saturating_duration_since(Instant::now())) {
                Ok(frame) => shared.put_aside(frame),
                Err(NoFrame::Silence) => return Ok(()),
                Err(NoFrame::End) => return Err(NoFrame::End),
            }
        }
    }
}

impl Deref for Connection {
    type Target = Channel;

    fn deref(&self) -> &Channel {
        &self.zero
    }
}

/// The broker's reason for closing.
#[derive(Debug, PartialEq)]
pub(crate) struct Closed {
    pub(crate) reply_code: u16,
    pub(crate) reply_text: String,
    pub(crate) ids: (u16, u16),
}

impl Shared {
    /// The next frame of one channel; those of others are put aside.
    #[track_caller]
    pub(crate) fn next(&mut self, channel: u16, patience: Duration) -> Result<Frame, NoFrame> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(frame) = self.inboxes.get_mut(&channel).and_then(VecDeque::pop_front) {
                return Ok(frame);
            }
            let frame = self.receive(deadline.saturating_duration_since(Instant::now()))?;
            if channel != 0 && frame.channel == 0 {
                refuse_close(&frame);
            }
            self.put_aside(frame);
        }
    }

    /// The next frame that is not a heartbeat.
    #[track_caller]
    fn receive(&mut self, patience: Duration) -> Result<Frame, NoFrame> {
        let deadline = Instant::now() + patience;
        loop {
            let patience = deadline.saturating_duration_since(Instant::now());
            let frame = self.wire.read(patience)?;
            if frame.kind != HEARTBEAT {
                return Ok(frame);
            }
            self.heartbeats += 1;
        }
    }

    fn put_aside(&mut self, frame: Frame) {
        self.inboxes.entry(frame.channel).or_default().push_back(frame);
    }

    /// Makes this frame the next one of its channel.
    pub(crate) fn put_back(&mut self, channel: u16, frame: Frame) {
        self.inboxes.entry(channel).or_default().push_front(frame);
    }

    /// Drops what was put aside for a channel.
    pub(crate) fn forget(&mut self, channel: u16) {
        self.inboxes.remove(&channel);
    }

    /// A reply text in which the test's virtual host is called `/`, whatever it is.
    pub(crate) fn with_vhost_slash(&self, text: &str) -> String {
        text.replace(&format!("'{}'", self.vhost), "'/'")
    }
}

/// A test that waits on a channel learns at once why the connection went.
#[track_caller]
fn refuse_close(frame: &Frame) {
    if frame.kind != METHOD {
        return;
    }
    if let Ok(Method::Connection(method::connection::Method::Close(close))) = Method::decode(&frame.payload) {
        panic!(
            "the broker closed the connection: {} {}",
            close.reply_code, close.reply_text
        );
    }
}

/// A start-ok with mechanism PLAIN and the capabilities of a full client.
pub(crate) fn start_ok(response: &[u8]) -> StartOk<'_> {
    StartOk {
        client_properties: capable(),
        mechanism: "PLAIN",
        response,
        locale: "en_US",
    }
}

/// Client properties that claim every capability.
pub(crate) fn capable() -> FieldTable {
    let names = [
        "consumer_cancel_notify",
        "connection.blocked",
        "authentication_failure_close",
        "basic.nack",
    ];
    let capabilities: FieldTable = names.into_iter().map(|name| (name, true)).collect();
    FieldTable::from_iter([
        ("capabilities", FieldValue::from(capabilities)),
        ("connection_name", FieldValue::from("test")),
    ])
}
