//! What a broker can be told before it starts.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use leveret_actors::broker::QueueKind;
use leveret_actors::journal::log::Durability;

use crate::amount::Amount;

/// The port AMQP clients expect a broker at.
pub const AMQP_PORT: u16 = 5672;

/// The smallest frame size the AMQP 0-9-1 specification lets peers agree on, in bytes.
pub const FRAME_MIN_SIZE: u32 = 4096;

/// The largest message body a broker can be configured to take, in bytes.
pub const LARGEST_MESSAGE: u64 = 512 << 20;

const MOST_WORKERS: usize = 1024;

const MOST_JOURNALS: usize = 64;

/// The settings of one broker.
///
/// ```
/// use leveret::Config;
///
/// let config = Config { workers: 1, heartbeat: 10, ..Config::local() };
/// assert!(config.check().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where to accept AMQP connections; port 0 takes any free port.
    ///
    /// Empty means port 5672 of every interface: `0.0.0.0` and, where the host speaks IPv6, `[::]`.
    pub listen: Vec<SocketAddr>,
    /// The directory for what must survive a restart; made when it is not there. One broker at a time can use it.
    ///
    /// `None` keeps everything in memory: it ends with the broker.
    pub data_dir: Option<PathBuf>,
    /// When a persistent message on a durable queue is safe, and may be confirmed. Without a data directory nothing ever is.
    pub durability: Durability,
    /// Logs that share the persistent messages, 1 to 64, each with a thread and syncs of its own. Another number than the
    /// last time is fine: a queue stays with the log that has its messages.
    pub journals: usize,
    /// The memory the process is to get by with, as a share of what it may use: of the RAM, or of the limit a container or
    /// service sets. Messages get half of it; above all of it, publishers are held back until it is below again.
    ///
    /// In a program with other uses of memory these count too.
    pub memory_limit: Amount,
    /// The disk space to be left free, as a share of the file system that holds the data directory: publishers are held back
    /// while there is less. Nothing (`Bytes(0)`) is no limit. `None` is 1 GiB, or 5 % of the file system when that is less.
    pub disk_free_limit: Option<Amount>,
    /// How long a client may take from connecting to connection.open.
    pub handshake_timeout: Duration,
    /// Worker threads, 1 to 1024; connections and queues are spread over them.
    pub workers: usize,
    /// Connections that share a worker thread before the next thread gets any, at least 1: with 1 each goes where there are
    /// fewest. `None` is 4 with one or two workers, 2 with three or four, and 1 with more; the reasons are told at
    /// [`Settings::together`](leveret_actors::node::Settings::together).
    pub connections_together: Option<usize>,
    /// The type of a queue whose declaration has no `x-queue-type`, if it can be of that type: durable, shared, lasting and
    /// named, for a quorum queue. A virtual host may say otherwise.
    pub default_queue_type: QueueKind,
    /// Whether a quorum queue may be declared again as a queue of another type, by programs that can't be changed yet.
    pub relaxed_quorum_redeclaration: bool,
    /// How long a consumer may keep a message unsettled, where neither it nor its queue nor a policy says; `None` for as long as
    /// it likes.
    pub consumer_timeout: Option<Duration>,
    /// The product named in the server properties; some clients choose their dialect by it.
    pub product: String,
    /// The version named in the server properties.
    pub product_version: String,
    /// The heartbeat interval proposed to clients, in seconds; 0 proposes none.
    pub heartbeat: u16,
    /// The largest frame, in bytes, offered to clients: 0 for no limit, else at least 4096.
    pub frame_max: u32,
    /// The most channels of one connection; 0 for as many as there are channel numbers.
    pub channel_max: u16,
    /// The largest message body accepted, in bytes; at most 512 MiB.
    pub max_message_size: u64,
}

impl Config {
    /// A broker for this host alone, on a free port: what tests and embedding programs want.
    pub fn local() -> Self {
        Self {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
            ..Self::default()
        }
    }

    /// Says what is out of bounds, if anything is.
    ///
    /// # Errors
    /// The first setting found outside its documented bounds.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        if !(1..=MOST_WORKERS).contains(&self.workers) {
            return Err(InvalidConfig::Workers(self.workers));
        }
        if self.connections_together == Some(0) {
            return Err(InvalidConfig::ConnectionsTogether);
        }
        if matches!(self.memory_limit, Amount::Bytes(0) | Amount::Percent(0 | 101..)) {
            return Err(InvalidConfig::MemoryLimit(self.memory_limit));
        }
        if let Some(limit @ Amount::Percent(101..)) = self.disk_free_limit {
            return Err(InvalidConfig::DiskFreeLimit(limit));
        }
        if self.handshake_timeout.is_zero() {
            return Err(InvalidConfig::HandshakeTimeout);
        }
        if !(1..=MOST_JOURNALS).contains(&self.journals) {
            return Err(InvalidConfig::Journals(self.journals));
        }
        if self.frame_max != 0 && self.frame_max < FRAME_MIN_SIZE {
            return Err(InvalidConfig::FrameMax(self.frame_max));
        }
        if self.max_message_size > LARGEST_MESSAGE {
            return Err(InvalidConfig::MaxMessageSize(self.max_message_size));
        }
        for (name, text) in [
            ("product", &self.product),
            ("product version", &self.product_version),
        ] {
            if text.is_empty() || text.len() > 255 {
                return Err(InvalidConfig::Text {
                    name,
                    len: text.len(),
                });
            }
        }
        Ok(())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            data_dir: None,
            durability: Durability::default(),
            journals: 1,
            memory_limit: Amount::Percent(40),
            disk_free_limit: None,
            handshake_timeout: Duration::from_secs(10),
            workers: thread::available_parallelism()
                .map_or(1, usize::from)
                .min(MOST_WORKERS),
            connections_together: None,
            default_queue_type: QueueKind::Classic,
            relaxed_quorum_redeclaration: false,
            consumer_timeout: None,
            product: "Leveret".to_owned(),
            product_version: env!("CARGO_PKG_VERSION").to_owned(),
            heartbeat: 60,
            frame_max: 128 << 10,
            channel_max: 2047,
            max_message_size: 128 << 20,
        }
    }
}

/// A setting outside its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConfig {
    /// The number of worker threads.
    #[error("workers is {0}: it must be from 1 to {MOST_WORKERS}")]
    Workers(usize),
    /// The number of connections that share a worker.
    #[error("connections-together is 0: it must be 1, for each connection where there are fewest, or more")]
    ConnectionsTogether,
    /// The limit of memory.
    #[error("memory-limit is {0}: it must be more than nothing, and at most 100%")]
    MemoryLimit(Amount),
    /// The disk space to be left free.
    #[error("disk-free-limit is {0}: it must be at most 100%")]
    DiskFreeLimit(Amount),
    /// The time a handshake may take.
    #[error("handshake-timeout is 0: nobody could connect")]
    HandshakeTimeout,
    /// The number of journals.
    #[error("journals is {0}: it must be from 1 to {MOST_JOURNALS}")]
    Journals(usize),
    /// The frame size.
    #[error("frame-max is {0}: it must be 0 (no limit) or at least {FRAME_MIN_SIZE} bytes")]
    FrameMax(u32),
    /// The size of a message body.
    #[error("max-message-size is {0}: it must be at most {LARGEST_MESSAGE} bytes (512 MiB)")]
    MaxMessageSize(u64),
    /// The product's name or version, told to clients as a short string.
    #[error("the {name} is {len} bytes long: it must be 1 to 255")]
    Text {
        /// Which of the two.
        name: &'static str,
        /// Its length in bytes.
        len: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_bounds() {
        assert_eq!(Config::default().check(), Ok(()));
        assert_eq!(Config::local().check(), Ok(()));
    }

    #[test]
    fn a_local_broker_is_reachable_from_this_host_only() {
        let config = Config::local();
        assert!(
            config
                .listen
                .iter()
                .all(|address| address.ip().is_loopback() && address.port() == 0)
        );
    }

    #[test]
    fn a_frame_size_below_the_specified_minimum_is_refused() {
        let config = |frame_max| Config {
            frame_max,
            ..Config::default()
        };
        assert_eq!(config(4095).check(), Err(InvalidConfig::FrameMax(4095)));
        assert_eq!(config(4096).check(), Ok(()));
        assert_eq!(config(0).check(), Ok(()));
    }

    #[test]
    fn a_broker_needs_a_worker() {
        let config = Config {
            workers: 0,
            ..Config::default()
        };
        assert_eq!(config.check(), Err(InvalidConfig::Workers(0)));
    }

    #[test]
    fn a_worker_carries_at_least_one_connection_before_the_next_does() {
        let config = |connections_together| Config {
            connections_together,
            ..Config::default()
        };
        assert_eq!(config(Some(0)).check(), Err(InvalidConfig::ConnectionsTogether));
        assert_eq!(config(Some(1)).check(), Ok(()));
    }

    #[test]
    fn there_are_one_to_sixty_four_journals() {
        let config = |journals| Config {
            journals,
            ..Config::default()
        };
        assert_eq!(config(0).check(), Err(InvalidConfig::Journals(0)));
        assert_eq!(config(64).check(), Ok(()));
        assert_eq!(config(65).check(), Err(InvalidConfig::Journals(65)));
    }

    #[test]
    fn a_message_above_the_absolute_limit_cannot_be_allowed() {
        let config = Config {
            max_message_size: LARGEST_MESSAGE + 1,
            ..Config::default()
        };
        assert!(config.check().unwrap_err().to_string().contains("512 MiB"));
    }

    #[test]
    fn a_product_must_fit_a_short_string() {
        let config = Config {
            product: "x".repeat(256),
            ..Config::default()
        };
        assert_eq!(
            config.check(),
            Err(InvalidConfig::Text {
                name: "product",
                len: 256
            })
        );
    }
}
