//! `leveret perf sink`: a broker that discards everything.
//!
//! With `--echo` it copies messages to who consumes them, and is the most a broker could do.
//! It greets, answers what wants an answer, confirms what wants to be confirmed, and keeps nothing: what a
//! load reaches here is what this program can do at most.

mod echo;

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use leveret_protocol::method::basic::{self, Ack, Consume, Publish};
use leveret_protocol::method::{channel, confirm, connection, exchange, queue};
use leveret_protocol::{Chunk, EncodeMethod, FieldTable, FieldValue, Method};

use echo::{Echo, Subscribers};

use super::client::frame::Arrived;
use super::client::link::Link;
use super::failure::Failure;
use crate::cli::output;

const HEADER_LEN: usize = 8;
const FRAME_MAX: u32 = 128 << 10;
const CHANNEL_MAX: u16 = 2047;
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Where to be a sink.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Where to accept connections; port 0 takes a free port
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0", value_parser = crate::cli::serve::address)]
    listen: SocketAddr,
    /// Copy messages for the default exchange to the consumers of the queue they name
    #[arg(long)]
    echo: bool,
}

/// Serves until the program is ended.
pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let listen =
        TcpListener::bind(options.listen).and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, listener) =
        listen.map_err(|error| Failure::Run(format!("cannot listen on {}: {error}", options.listen)))?;
    let subscribers = options.echo.then(Arc::<Subscribers>::default);
    output::line(format_args!("leveret sink ready amqp={address}")).map_err(Failure::Run)?;
    for stream in listener.incoming() {
        let stream = stream.map_err(|source| Failure::Broken {
            during: "accepting",
            source,
        })?;
        let echo = subscribers.clone().map(Echo::new);
        thread::Builder::new()
            .name("sink".to_owned())
            .spawn(move || match Sink::serve(stream, echo) {
                Ok(()) | Err(Failure::HungUp(_)) => {}
                Err(failure) => eprintln!("leveret: {failure}"),
            })
            .map_err(Failure::Thread)?;
    }
    Ok(())
}

/// One connection to the sink.
struct Sink {
    link: Link,
    out: Chunk,
    /// Messages published on the channels that want confirms: all of them, and those confirmed.
    confirming: HashMap<u16, Published>,
    echo: Option<Echo>,
    closed: bool,
}

#[derive(Default)]
struct Published {
    all: u64,
    confirmed: u64,
}

impl Sink {
    fn serve(stream: TcpStream, echo: Option<Echo>) -> Result<(), Failure> {
        let link = Link::new(stream).map_err(|source| Failure::Broken {
            during: "accepting",
            source,
        })?;
        let mut sink = Self {
            link,
            out: Chunk::new(),
            confirming: HashMap::new(),
            echo,
            closed: false,
        };
        while sink.link.take(HEADER_LEN).is_none() {
            sink.link.receive()?;
        }
        sink.out.method(0, &start());
        while !sink.closed {
            sink.confirm();
            if !sink.out.is_empty() {
                sink.send()?;
            }
            if let Some(echo) = &mut sink.echo {
                echo.subscribe(&sink.link)?;
            }
            sink.link.receive()?;
            sink.absorb_arrived()?;
        }
        sink.send()
    }

    fn send(&mut self) -> Result<(), Failure> {
        let out = std::mem::take(&mut self.out).into_bytes();
        self.link
            .send_all(&out, Instant::now() + SEND_TIMEOUT, "answering")
    }

    fn absorb_arrived(&mut self) -> Result<(), Failure> {
        let Self {
            link,
            out,
            confirming,
            echo,
            closed,
        } = self;
        while let Some(frame) = link.next_frame()? {
            match frame.method_ids() {
                None => {
                    if let Some(echo) = echo {
                        echo.copy(&frame);
                    }
                }
                Some(Publish::IDS) => {
                    if let Some(echo) = echo {
                        echo.publish(frame.payload)?;
                    }
                    if let Some(published) = confirming.get_mut(&frame.channel) {
                        published.all += 1;
                    }
                }
                Some(confirm::Select::IDS) => {
                    confirming.insert(frame.channel, Published::default());
                    out.method(frame.channel, &confirm::SelectOk {});
                }
                Some(connection::Close::IDS) => {
                    out.method(0, &connection::CloseOk {});
                    *closed = true;
                }
                Some(Consume::IDS) => {
                    answer(&frame, out)?;
                    if let Some(echo) = echo {
                        echo.announce(frame.channel, frame.payload);
                    }
                }
                Some(_) => answer(&frame, out)?,
            }
        }
        if let Some(echo) = echo {
            echo.end_of_read();
        }
        Ok(())
    }

    fn confirm(&mut self) {
        for (&channel, published) in &mut self.confirming {
            if published.all > published.confirmed {
                published.confirmed = published.all;
                self.out.method(
                    channel,
                    &Ack {
                        delivery_tag: published.all,
                        multiple: true,
                    },
                );
            }
        }
    }
}

fn start() -> impl EncodeMethod {
    let capabilities = FieldTable::from_iter([("publisher_confirms", FieldValue::Bool(true))]);
    let server_properties = FieldTable::from_iter([
        ("product", FieldValue::from("leveret sink")),
        ("capabilities", FieldValue::from(capabilities)),
    ]);
    connection::Start {
        version_major: 0,
        version_minor: 9,
        server_properties,
        mechanisms: b"PLAIN",
        locales: b"en_US",
    }
}

/// Says yes to whatever is asked.
fn answer(frame: &Arrived<'_>, out: &mut Chunk) -> Result<(), Failure> {
    let mut say = |method: Method<'_>| out.method(frame.channel, &method);
    match Method::decode(frame.payload)? {
        Method::Connection(connection::Method::StartOk(_)) => {
            say(connection::Tune {
                channel_max: CHANNEL_MAX,
                frame_max: FRAME_MAX,
                heartbeat: 0,
            }
            .into());
        }
        Method::Connection(connection::Method::Open(_)) => say(connection::OpenOk {}.into()),
        Method::Channel(channel::Method::Open(_)) => say(channel::OpenOk {}.into()),
        Method::Channel(channel::Method::Close(_)) => say(channel::CloseOk {}.into()),
        Method::Exchange(exchange::Method::Declare(_)) => say(exchange::DeclareOk {}.into()),
        Method::Exchange(exchange::Method::Delete(_)) => say(exchange::DeleteOk {}.into()),
        Method::Queue(queue::Method::Declare(declare)) => {
            say(queue::DeclareOk {
                queue: declare.queue,
                message_count: 0,
                consumer_count: 0,
            }
            .into());
        }
        Method::Queue(queue::Method::Bind(_)) => say(queue::BindOk {}.into()),
        Method::Queue(queue::Method::Purge(_)) => say(queue::PurgeOk { message_count: 0 }.into()),
        Method::Queue(queue::Method::Delete(_)) => say(queue::DeleteOk { message_count: 0 }.into()),
        Method::Basic(basic::Method::Qos(_)) => say(basic::QosOk {}.into()),
        Method::Basic(basic::Method::Consume(consume)) => {
            say(basic::ConsumeOk {
                consumer_tag: consume.consumer_tag,
            }
            .into());
        }
        Method::Basic(basic::Method::Cancel(cancel)) => {
            say(basic::CancelOk {
                consumer_tag: cancel.consumer_tag,
            }
            .into());
        }
        Method::Basic(basic::Method::Get(_)) => say(basic::GetEmpty {}.into()),
        _ => {}
    }
    Ok(())
}
