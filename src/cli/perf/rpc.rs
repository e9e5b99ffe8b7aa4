//! `leveret perf rpc`: requests and replies, one at a time for each requester.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use leveret_protocol::method::queue;
use leveret_protocol::{BodyRef, Chunk, OwnedProperties};

use super::client::{ANSWER_TIMEOUT, CHANNEL, Client, link};
use super::crew::{self, Step, Tally};
use super::failure::Failure;
use super::peer::Peer;
use super::{BrokerArgs, clock, spawn};

/// The pseudo-queue whose replies need no queue of their own.
const DIRECT_REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// Who asks and who answers.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    broker: BrokerArgs,
    /// Connections that send requests
    #[arg(long, value_name = "N", default_value_t = 1)]
    requesters: usize,
    /// Connections that reply
    #[arg(long, value_name = "N", default_value_t = 1)]
    repliers: usize,
    /// How replies come back
    #[arg(long, value_name = "HOW", default_value = "direct")]
    reply_to: ReplyTo,
    /// Bytes in the body of requests and replies
    #[arg(long, short, value_name = "BYTES", default_value_t = 16)]
    size: usize,
    /// Stop after so many seconds
    #[arg(long, short = 'z', value_name = "SECONDS", default_value_t = 10)]
    duration: u64,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// How replies come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ReplyTo {
    /// Through amq.rabbitmq.reply-to
    Direct,
    /// Through an exclusive queue of the requester
    Exclusive,
}

pub(super) fn run(options: &Options) -> Result<Vec<String>, Failure> {
    let requests = format!("leveret-rpc-{}", clock::now());
    let mut control = Client::open_with_channel(&options.broker.uri)?;
    let declare = queue::Declare {
        queue: &requests,
        ..Default::default()
    };
    control.ask(
        CHANNEL,
        &declare,
        queue::DeclareOk::IDS,
        "declaring the queue of requests",
    )?;
    let measured = measure(options, &requests);
    let delete = queue::Delete {
        queue: &requests,
        ..Default::default()
    };
    control.ask(
        CHANNEL,
        &delete,
        queue::DeleteOk::IDS,
        "deleting the queue of requests",
    )?;
    control.close()?;
    let tally = measured?;
    super::print(&tally, options.json)?;
    Ok(tally.errors)
}

fn measure(options: &Options, requests: &str) -> Result<Tally, Failure> {
    let open = AtomicBool::new(true);
    let (open, uri) = (&open, &options.broker.uri);
    thread::scope(|scope| {
        let started = (0..options.repliers).try_for_each(|index| {
            let mut replier = Peer::open(uri, requests)?;
            spawn(scope, format!("replier {index}"), move || {
                if let Err(failure) = reply_while(&mut replier, open) {
                    eprintln!("leveret: replier {index}: {failure}");
                }
            })
        });
        let duration = Some(Duration::from_secs(options.duration));
        let tally = started.and_then(|()| {
            crew::run(options.requesters, duration, options.broker.pid, |index| {
                let mut requester = Requester::open(options, requests, index)?;
                Ok(move || requester.request().map(|()| Step::Done))
            })
        });
        open.store(false, Ordering::Relaxed);
        tally
    })
}

/// A connection that asks.
struct Requester {
    peer: Peer,
    request: Vec<u8>,
}

impl Requester {
    fn open(options: &Options, requests: &str, index: usize) -> Result<Self, Failure> {
        let own = format!("{requests}-reply-{index}");
        let mut client = Client::open_with_channel(&options.broker.uri)?;
        let reply_to = match options.reply_to {
            ReplyTo::Direct => DIRECT_REPLY_TO,
            ReplyTo::Exclusive => {
                let declare = queue::Declare {
                    queue: &own,
                    exclusive: true,
                    ..Default::default()
                };
                client.ask(
                    CHANNEL,
                    &declare,
                    queue::DeclareOk::IDS,
                    "declaring a queue for replies",
                )?;
                &own
            }
        };
        let properties = OwnedProperties::new().with_reply_to(reply_to).encode();
        let body = vec![b'x'; options.size];
        let mut chunk = Chunk::new();
        chunk.publish(
            CHANNEL,
            "",
            requests,
            &properties,
            BodyRef::Slice(&body),
            client.frame_max,
        );
        Ok(Self {
            peer: Peer::consume(client, reply_to)?,
            request: chunk.into_bytes().to_vec(),
        })
    }

    /// Sends a request and waits for its reply.
    fn request(&mut self) -> Result<(), Failure> {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        self.peer
            .client
            .link
            .send_all(&self.request, deadline, "sending a request")?;
        while !self.peer.receive()? {
            link::in_time(deadline, "waiting for a reply")?;
        }
        Ok(())
    }
}

/// Sends each request's body back, until it is told not to.
fn reply_while(replier: &mut Peer, open: &AtomicBool) -> Result<(), Failure> {
    while open.load(Ordering::Relaxed) {
        if replier.receive()? {
            let mut chunk = Chunk::new();
            let (key, body) = (&replier.reply_to, BodyRef::Slice(&replier.body));
            chunk.publish(CHANNEL, "", key, &[], body, replier.client.frame_max);
            let deadline = Instant::now() + ANSWER_TIMEOUT;
            replier
                .client
                .link
                .send_all(&chunk.into_bytes(), deadline, "sending a reply")?;
        }
    }
    Ok(())
}
