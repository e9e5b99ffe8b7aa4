//! `leveret perf ping`: one message at a time from one connection to another, each published once the one before was delivered.

use std::time::{Duration, Instant};

use clap::Args;
use leveret_protocol::method::queue;
use leveret_protocol::{BodyRef, Chunk};

use super::client::{ANSWER_TIMEOUT, CHANNEL, Client, link};
use super::crew::{self, Step};
use super::failure::Failure;
use super::peer::Peer;
use super::{BrokerArgs, clock};

/// How many messages are on their way, and how large they are.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    broker: BrokerArgs,
    /// Pairs of connections, each with a message on its way through a queue of its own
    #[arg(long, value_name = "N", default_value_t = 1)]
    pairs: usize,
    /// Bytes in the body of a message
    #[arg(long, short, value_name = "BYTES", default_value_t = 16,
          value_parser = clap::value_parser!(u64).range(NUMBER as u64..))]
    size: u64,
    /// Stop after so many seconds
    #[arg(long, short = 'z', value_name = "SECONDS", default_value_t = 10)]
    duration: u64,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// A body begins with the number of its message, in so many bytes.
const NUMBER: usize = size_of::<u64>();

pub(super) fn run(options: &Options) -> Result<Vec<String>, Failure> {
    let duration = Some(Duration::from_secs(options.duration));
    let tally = crew::run(options.pairs, duration, options.broker.pid, |index| {
        let mut pair = Pair::open(options, index)?;
        Ok(move || pair.ping().map(|()| Step::Done))
    })?;
    super::print(&tally, options.json)?;
    Ok(tally.errors)
}

/// Two connections with a queue between them.
struct Pair {
    publisher: Client,
    consumer: Peer,
    queue: String,
    sent: u64,
    body: Vec<u8>,
}

impl Pair {
    fn open(options: &Options, index: usize) -> Result<Self, Failure> {
        let queue = format!("leveret-ping-{}-{index}", clock::now());
        let mut consumer = Client::open_with_channel(&options.broker.uri)?;
        let declare = queue::Declare {
            queue: &queue,
            auto_delete: true,
            ..Default::default()
        };
        consumer.ask(CHANNEL, &declare, queue::DeclareOk::IDS, "declaring a queue")?;
        let size = usize::try_from(options.size).unwrap_or(usize::MAX);
        Ok(Self {
            publisher: Client::open_with_channel(&options.broker.uri)?,
            consumer: Peer::consume(consumer, &queue)?,
            queue,
            sent: 0,
            body: vec![b'x'; size],
        })
    }

    /// Publishes a message and waits until it is delivered.
    fn ping(&mut self) -> Result<(), Failure> {
        self.sent += 1;
        if let Some(number) = self.body.first_chunk_mut::<NUMBER>() {
            *number = self.sent.to_be_bytes();
        }
        let mut chunk = Chunk::new();
        let (body, frame_max) = (BodyRef::Slice(&self.body), self.publisher.frame_max);
        chunk.publish(CHANNEL, "", &self.queue, &[], body, frame_max);
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        self.publisher
            .link
            .send_all(&chunk.into_bytes(), deadline, "publishing")?;
        while !self.consumer.receive()? {
            link::in_time(deadline, "waiting for a delivery")?;
        }
        if self.consumer.body == self.body {
            return Ok(());
        }
        Err(Failure::Run(format!(
            "message {} was published, and another was delivered",
            self.sent
        )))
    }
}
