//! `leveret perf connections`: open many connections, and hold them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use clap::Args;

use super::BrokerArgs;
use super::client::Client;
use super::crew::{self, Step};
use super::failure::Failure;

/// How many to open.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    broker: BrokerArgs,
    /// Connections to open
    #[arg(long, short = 'C', value_name = "N", default_value_t = 1000)]
    count: u64,
    /// Channels to open on each
    #[arg(long, value_name = "N", default_value_t = 1)]
    channels: u16,
    /// Hold them so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    hold: u64,
    /// How many to open at the same time
    #[arg(long, value_name = "N", default_value_t = 8)]
    concurrency: usize,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options) -> Result<Vec<String>, Failure> {
    let held = Mutex::new(Vec::new());
    let left = AtomicU64::new(options.count);
    let take = |left: u64| left.checked_sub(1);
    let tally = crew::run(options.concurrency, None, options.broker.pid, |_| {
        Ok(|| {
            if left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                .is_err()
            {
                return Ok(Step::NothingLeft);
            }
            let client = open(options)?;
            held.lock().unwrap_or_else(PoisonError::into_inner).push(client);
            Ok(Step::Done)
        })
    })?;
    super::print(&tally, options.json)?;
    let held = held.into_inner().unwrap_or_else(PoisonError::into_inner);
    if options.hold > 0 {
        eprintln!("holding {} connections for {} s", held.len(), options.hold);
        thread::sleep(Duration::from_secs(options.hold));
    }
    let mut errors = tally.errors;
    errors.extend(
        held.into_iter()
            .filter_map(|client| client.close().err())
            .map(|failure| failure.to_string()),
    );
    errors.dedup();
    Ok(errors)
}

fn open(options: &Options) -> Result<Client, Failure> {
    Client::open_with_channels(&options.broker.uri, options.channels)
}
