//! `leveret`: run the broker until told to stop.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use leveret::broker::QueueKind;
use leveret::{Amount, Config, DataDirError, Durability, Server, StartError, Stopped};
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::shutdown::{Reason, Signals};
use crate::telemetry::{self, LogFilter};

/// What the broker is told on its command line or by its environment.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Where to accept connections; may be repeated, port 0 takes a free port
    /// [default: port 5672 of every interface]
    #[arg(long, value_name = "ADDR:PORT", env = "LEVERET_LISTEN", value_delimiter = ',', value_parser = address)]
    listen: Vec<SocketAddr>,
    /// Directory for what must survive a restart; made when it is not there
    #[arg(
        long,
        value_name = "DIR",
        env = "LEVERET_DATA_DIR",
        default_value = "leveret-data"
    )]
    data_dir: PathBuf,
    /// When persistent messages are confirmed: fsync, when the disk has them, or os, when the operating system does and a
    /// power cut can lose them
    #[arg(long, value_name = "WHEN", env = "LEVERET_DURABILITY", default_value = "fsync", value_parser = durability)]
    durability: Durability,
    /// Logs that share the persistent messages, 1 to 64: more help where one thread is the limit, not the disk
    #[arg(long, value_name = "N", env = "LEVERET_JOURNALS", default_value_t = 1)]
    journals: usize,
    /// Memory to get by with, in bytes (2GiB, 512MB) or as a share of what the process may use (40%): messages get half of
    /// it, and above all of it publishers are held back
    #[arg(
        long,
        value_name = "AMOUNT",
        env = "LEVERET_MEMORY_LIMIT",
        default_value = "40%"
    )]
    memory_limit: Amount,
    /// Disk space to be left free, in bytes or as a share of the file system: publishers are held back while there is less;
    /// 0 for no limit [default: 1GiB, or 5% when that is less]
    #[arg(long, value_name = "AMOUNT", env = "LEVERET_DISK_FREE_LIMIT")]
    disk_free_limit: Option<Amount>,
    /// How long a client may take to log in and open its connection, in seconds
    #[arg(
        long,
        value_name = "SECONDS",
        env = "LEVERET_HANDSHAKE_TIMEOUT",
        default_value_t = 10
    )]
    handshake_timeout: u16,
    /// Worker threads [default: one per core]
    #[arg(long, value_name = "N", env = "LEVERET_WORKERS")]
    workers: Option<usize>,
    /// Connections that share a worker thread before the next thread gets any, and queues likewise; 1 spreads them evenly, for
    /// a few that are to carry as much as the machine can [default: 4 with one or two workers, 2 with three or four, else 1]
    #[arg(long, value_name = "N", env = "LEVERET_CONNECTIONS_TOGETHER")]
    connections_together: Option<usize>,
    /// Type of the queues whose declaration asks for none: classic or quorum; only a durable, shared, lasting and named
    /// queue can be a quorum queue
    #[arg(long, value_name = "TYPE", env = "LEVERET_DEFAULT_QUEUE_TYPE", default_value = "classic", value_parser = queue_type)]
    default_queue_type: QueueKind,
    /// Let a quorum queue be declared again as one of another type, by programs that can't be changed yet
    #[arg(long, env = "LEVERET_RELAXED_QUORUM_REDECLARATION")]
    relaxed_quorum_redeclaration: bool,
    /// How long a consumer may keep a message unsettled, in seconds, where neither it nor its queue nor a policy says; 0 for as
    /// long as it likes
    #[arg(
        long,
        value_name = "SECONDS",
        env = "LEVERET_CONSUMER_TIMEOUT",
        default_value_t = 0
    )]
    consumer_timeout: u32,
    /// What to log: off, error, warn, info, debug, trace, or TARGET=LEVEL,...
    #[arg(long, value_name = "FILTER", env = "LEVERET_LOG", default_value = "info", value_parser = LogFilter::parse)]
    log: LogFilter,
    /// Product named to clients
    #[arg(long, value_name = "NAME", env = "LEVERET_PRODUCT")]
    product: Option<String>,
    /// Product version named to clients
    #[arg(long, value_name = "V", env = "LEVERET_PRODUCT_VERSION")]
    product_version: Option<String>,
    /// Heartbeat proposed to clients, in seconds; 0 for none
    #[arg(long, value_name = "SECONDS", env = "LEVERET_HEARTBEAT")]
    heartbeat: Option<u16>,
    /// Largest frame offered to clients; 0 for no limit, else at least 4096
    #[arg(long, value_name = "BYTES", env = "LEVERET_FRAME_MAX")]
    frame_max: Option<u32>,
    /// Most channels of one connection; 0 for no limit
    #[arg(long, value_name = "N", env = "LEVERET_CHANNEL_MAX")]
    channel_max: Option<u16>,
    /// Largest message body accepted
    #[arg(long, value_name = "BYTES", env = "LEVERET_MAX_MESSAGE_SIZE")]
    max_message_size: Option<u64>,
}

/// Serves until a signal, or until the broker fails.
pub(super) fn run(options: Options) -> Result<ExitCode, String> {
    telemetry::start(&options.log);
    raise_open_files();
    // Before the ready line: whoever reads it may send the signal at once.
    let mut signals = Signals::catch().map_err(|error| format!("cannot catch signals: {error}"))?;
    let mut server = Server::start(options.config()).map_err(|error| explain(&error))?;
    announce(server.addresses()).map_err(|error| format!("cannot write to standard output: {error}"))?;
    if signals.wait(&mut server) == Reason::BrokerFailed {
        return Err("the broker failed; its log tells why".to_owned());
    }
    tracing::info!("stopping");
    match signals.stop(server) {
        Stopped::Orderly { connections_forced } => {
            tracing::info!(connections_forced, "stopped");
            Ok(ExitCode::SUCCESS)
        }
        Stopped::Abandoned => Err("the broker did not stop in time".to_owned()),
    }
}

impl Options {
    fn config(self) -> Config {
        let default = Config::default();
        Config {
            listen: self.listen,
            data_dir: Some(self.data_dir),
            durability: self.durability,
            journals: self.journals,
            memory_limit: self.memory_limit,
            disk_free_limit: self.disk_free_limit,
            handshake_timeout: Duration::from_secs(self.handshake_timeout.into()),
            workers: self.workers.unwrap_or(default.workers),
            connections_together: self.connections_together,
            default_queue_type: self.default_queue_type,
            relaxed_quorum_redeclaration: self.relaxed_quorum_redeclaration,
            consumer_timeout: (self.consumer_timeout > 0)
                .then(|| Duration::from_secs(self.consumer_timeout.into())),
            product: self.product.unwrap_or(default.product),
            product_version: self.product_version.unwrap_or(default.product_version),
            heartbeat: self.heartbeat.unwrap_or(default.heartbeat),
            frame_max: self.frame_max.unwrap_or(default.frame_max),
            channel_max: self.channel_max.unwrap_or(default.channel_max),
            max_message_size: self.max_message_size.unwrap_or(default.max_message_size),
        }
    }
}

fn durability(text: &str) -> Result<Durability, &'static str> {
    match text {
        "fsync" => Ok(Durability::Fsync),
        "os" => Ok(Durability::Os),
        _ => Err("it must be fsync or os"),
    }
}

fn queue_type(text: &str) -> Result<QueueKind, &'static str> {
    QueueKind::parse(text).ok_or("it must be classic or quorum")
}

/// What went wrong, and where there is one, the flag that helps.
fn explain(error: &StartError) -> String {
    match error {
        StartError::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
            format!("{error}; choose another with --listen ADDR:PORT")
        }
        StartError::Data(DataDirError::InUse { .. }) => {
            format!("{error}; stop that one, or choose another directory with --data-dir DIR")
        }
        _ => error.to_string(),
    }
}

/// Tells whoever started the program that clients can connect, and where.
fn announce(addresses: &[SocketAddr]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    write!(out, "leveret ready")?;
    for address in addresses {
        write!(out, " amqp={address}")?;
    }
    writeln!(out)?;
    out.flush()
}

/// Each connection is an open file: takes all the files this process is entitled to.
pub(super) fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}

/// Reads `ADDR:PORT`.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.trim()
        .parse()
        .map_err(|_| "expected an IP address and a port, such as 127.0.0.1:5672 or [::1]:5672".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_a_port() {
        assert!(address("127.0.0.1:5672").is_ok());
        assert!(address("[::1]:0").is_ok());
        assert!(
            address("127.0.0.1")
                .unwrap_err()
                .contains("such as 127.0.0.1:5672")
        );
        assert!(address("localhost:5672").is_err());
    }
}
