//! From a socket to an open virtual host.

use std::time::Instant;

use leveret_protocol::method::connection::{self, Open, OpenOk, Start, StartOk, TuneOk};
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
        product: String::new(),
    };
    let deadline = Instant::now() + ANSWER_TIMEOUT;
    let mut greeting = Chunk::new();
    greeting.protocol_header();
    client
        .link
        .send_all(&greeting.into_bytes(), deadline, "greeting")?;
    client.speaks_amqp(deadline)?;
    client.product = client.await_method(deadline, "greeting", |method| match method {
        connection::Method::Start(Start {
            server_properties, ..
        }) => Some(product(&server_properties)),
        _ => None,
    })?;
    client.log_in(uri, deadline)?;
    let tune = client.await_method(deadline, "logging in", |method| match method {
        connection::Method::Tune(tune) => Some(tune),
        _ => None,
    })?;
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

    /// What `take` makes of the first method that it wants.
    fn await_method<T>(
        &mut self,
        deadline: Instant,
        during: &'static str,
        take: impl Fn(connection::Method<'_>) -> Option<T>,
    ) -> Result<T, Failure> {
        self.await_frame(deadline, during, |frame| {
            if frame.method_ids().is_none() {
                return Ok(None);
            }
            Ok(match Method::decode(frame.payload)? {
                Method::Connection(method) => take(method),
                _ => None,
            })
        })
    }
}

/// What the broker calls itself, and when it takes messages for safe, if it says so.
fn product(properties: &FieldTable) -> String {
    let text = |name| properties.get(name).and_then(FieldValue::as_str);
    let mut product = [text("product"), text("version")]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ");
    if let Some(durability) = text("durability") {
        product = format!("{product}, durability {durability}");
    }
    // It is printed, and a broker may call itself anything.
    product.chars().filter(|c| !c.is_control()).take(100).collect()
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
