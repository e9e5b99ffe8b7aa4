//! From a socket to an open virtual host.

use std::time::Instant;

use leveret_protocol::method::connection::{self, Open, OpenOk, Start, StartOk, Tune, TuneOk};
use leveret_protocol::{Chunk, FieldTable, FieldValue, Method};

use super::link::{self, Link};
use super::{ANSWER_TIMEOUT, Client};
use crate::cli::perf::failure::Failure;
use crate::cli::perf::uri::Uri;

/// What is asked for where the broker sets no limit.
const FRAME_MAX: u32 = 128 << 10;

pub(super) fn open(uri: &Uri) -> Result<Client, Failure> {
    let link = Link::connect(&uri.host, uri.port)?;
    let mut client = Client {
        link,
        frame_max: FRAME_MAX,
    };
    let deadline = Instant::now() + ANSWER_TIMEOUT;
    let mut greeting = Chunk::new();
    greeting.protocol_header();
    client
        .link
        .send_all(&greeting.into_bytes(), deadline, "greeting")?;
    client.speaks_amqp(deadline)?;
    client.await_reply(0, Start::IDS, deadline, "greeting")?;
    client.log_in(uri, deadline)?;
    let tune = client.await_tune(deadline)?;
    let frame_max = if tune.frame_max == 0 {
        FRAME_MAX
    } else {
        tune.frame_max
    };
    client.frame_max = frame_max;
    // Without heartbeats: an idle connection costs nothing, and a dead broker is met by timeouts.
    let settled = TuneOk {
        channel_max: tune.channel_max,
        frame_max,
        heartbeat: 0,
    };
    client.say(0, &settled, deadline, "opening the connection")?;
    client.ask(
        0,
        &Open { vhost: &uri.vhost },
        OpenOk::IDS,
        "opening the virtual host",
    )?;
    Ok(client)
}

impl Client {
    /// A broker of another protocol answers with its own header and hangs up.
    fn speaks_amqp(&mut self, deadline: Instant) -> Result<(), Failure> {
        while !self.link.receive()? {
            link::in_time(deadline, "greeting")?;
        }
        if self.link.begins_with(b"A") {
            Err(Failure::OtherProtocol)
        } else {
            Ok(())
        }
    }

    fn log_in(&mut self, uri: &Uri, deadline: Instant) -> Result<(), Failure> {
        let response = format!("\0{}\0{}", uri.user, uri.password);
        let login = StartOk {
            client_properties: properties(),
            mechanism: "PLAIN",
            response: response.as_bytes(),
            locale: "en_US",
        };
        self.say(0, &login, deadline, "logging in")
    }

    fn await_tune(&mut self, deadline: Instant) -> Result<Tune, Failure> {
        loop {
            while let Some(frame) = self.link.next_frame()? {
                super::check(&frame)?;
                if frame.method_ids() != Some(Tune::IDS) {
                    continue;
                }
                if let Method::Connection(connection::Method::Tune(tune)) = Method::decode(frame.payload)? {
                    return Ok(tune);
                }
            }
            link::in_time(deadline, "logging in")?;
            self.link.receive()?;
        }
    }
}

fn properties() -> FieldTable {
    let capabilities = FieldTable::from_iter([
        ("publisher_confirms", FieldValue::Bool(true)),
        ("basic.nack", FieldValue::Bool(true)),
        ("consumer_cancel_notify", FieldValue::Bool(true)),
        ("connection.blocked", FieldValue::Bool(true)),
        ("authentication_failure_close", FieldValue::Bool(true)),
    ]);
    FieldTable::from_iter([
        ("product", FieldValue::from("leveret perf")),
        ("version", FieldValue::from(env!("CARGO_PKG_VERSION"))),
        ("capabilities", FieldValue::from(capabilities)),
    ])
}
