//! `leveret perf`: load and measurements for any AMQP 0-9-1 broker.

mod churn;
mod client;
mod clock;
mod connections;
mod crew;
mod failure;
mod latency;
mod peer;
mod ping;
mod rpc;
mod sink;
mod throughput;
pub(super) mod uri;
pub(super) mod usage;

use std::fmt::Display;
use std::process::ExitCode;
use std::thread::{self, Scope};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::output;
use failure::Failure;
use uri::Uri;

/// What a thread with one connection needs for its stack, in bytes.
const STACK: usize = 256 << 10;

/// The command line of `leveret perf`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Perf {
    #[command(flatten)]
    load: throughput::args::Load,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Publish and consume (the default)
    Throughput(Box<throughput::args::Load>),
    /// Open many connections and hold them
    Connections(connections::Options),
    /// Open and close connections, channels or queues over and over
    Churn(churn::Options),
    /// Publish one message at a time and wait until it is delivered
    Ping(ping::Options),
    /// Send requests and wait for their replies
    Rpc(rpc::Options),
    /// Be a broker that discards everything, to measure this program by
    Sink(sink::Options),
}

/// Which broker to measure.
#[derive(Debug, Clone, Args)]
pub(crate) struct BrokerArgs {
    /// The broker
    #[arg(
        long,
        short = 'u',
        value_name = "URI",
        env = "LEVERET_PERF_URI",
        default_value = "amqp://guest:guest@127.0.0.1:5672/%2f"
    )]
    pub(crate) uri: Uri,
    /// The broker's process on this host: tell what it and those below it use meanwhile
    #[arg(long, value_name = "PID")]
    pub(crate) pid: Option<u32>,
}

/// Measures what the command line asks for, and prints the result.
pub(super) fn run(perf: Perf) -> Result<ExitCode, String> {
    super::serve::raise_open_files();
    match perf.what {
        None => measure_throughput(&perf.load),
        Some(What::Throughput(load)) => measure_throughput(&load),
        Some(What::Connections(options)) => connections::run(&options),
        Some(What::Churn(options)) => churn::run(&options),
        Some(What::Ping(options)) => ping::run(&options),
        Some(What::Rpc(options)) => rpc::run(&options),
        Some(What::Sink(options)) => sink::run(&options).map(|()| Vec::new()),
    }
    .map(|errors| tell_errors(&errors))
    .map_err(|failure| failure.to_string())
}

fn measure_throughput(load: &throughput::args::Load) -> Result<Vec<String>, Failure> {
    let summary = throughput::run(load)?;
    print(&summary, load.json)?;
    Ok(summary.errors)
}

/// Prints a result on standard output.
fn print(result: &(impl Display + Serialize), json: bool) -> Result<(), Failure> {
    let printed = if json {
        let text = serde_json::to_string(result).map_err(|error| Failure::Run(error.to_string()))?;
        output::line(text)
    } else {
        output::line(result)
    };
    printed.map_err(Failure::Run)
}

/// A measurement that went wrong in part has a result all the same, and a code that says so.
fn tell_errors(errors: &[String]) -> ExitCode {
    for error in errors {
        eprintln!("leveret: {error}");
    }
    if errors.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Starts a thread for one connection.
fn spawn<'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: String,
    body: impl FnOnce() + Send + 'scope,
) -> Result<(), Failure> {
    thread::Builder::new()
        .name(name)
        .stack_size(STACK)
        .spawn_scoped(scope, body)
        .map(drop)
        .map_err(Failure::Thread)
}
