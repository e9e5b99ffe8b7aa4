//! `leveret perf churn`: open and close over and over.

use std::time::Duration;

use clap::{Args, ValueEnum};
use leveret_protocol::method::queue;

use super::client::{CHANNEL, Client};
use super::crew::{self, Step};
use super::failure::Failure;
use super::{BrokerArgs, clock};

/// What to open and close.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    broker: BrokerArgs,
    /// What to open and close
    #[arg(long, value_name = "WHAT", default_value = "connection")]
    what: Churned,
    /// Stop after so many seconds
    #[arg(long, short = 'z', value_name = "SECONDS", default_value_t = 10)]
    duration: u64,
    /// How many do it at the same time
    #[arg(long, value_name = "N", default_value_t = 1)]
    concurrency: usize,
    /// Declare durable queues
    #[arg(long, short)]
    durable: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// What can be opened and closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Churned {
    /// Connect, open a channel, close the connection
    Connection,
    /// Open and close a channel of one connection
    Channel,
    /// Declare and delete a queue
    Queue,
}

pub(super) fn run(options: &Options) -> Result<Vec<String>, Failure> {
    let duration = Some(Duration::from_secs(options.duration));
    let (uri, pid) = (&options.broker.uri, options.broker.pid);
    let tally = match options.what {
        Churned::Connection => crew::run(options.concurrency, duration, pid, |_| {
            Ok(|| {
                Client::open_with_channel(uri)?.close()?;
                Ok(Step::Done)
            })
        }),
        Churned::Channel => crew::run(options.concurrency, duration, pid, |_| {
            let mut client = Client::open(uri)?;
            Ok(move || {
                client.open_channel(CHANNEL)?;
                client.close_channel(CHANNEL)?;
                Ok(Step::Done)
            })
        }),
        Churned::Queue => crew::run(options.concurrency, duration, pid, |index| {
            let mut client = Client::open_with_channel(uri)?;
            let name = format!("leveret-churn-{}-{index}", clock::now());
            Ok(move || churn_queue(&mut client, &name, options.durable))
        }),
    }?;
    super::print(&tally, options.json)?;
    Ok(tally.errors)
}

fn churn_queue(client: &mut Client, name: &str, durable: bool) -> Result<Step, Failure> {
    let declare = queue::Declare {
        queue: name,
        durable,
        ..Default::default()
    };
    client.ask(CHANNEL, &declare, queue::DeclareOk::IDS, "declaring a queue")?;
    let delete = queue::Delete {
        queue: name,
        ..Default::default()
    };
    client.ask(CHANNEL, &delete, queue::DeleteOk::IDS, "deleting a queue")?;
    Ok(Step::Done)
}
