//! What can be set about a broker, with its defaults and units.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::authority::{Authority, Users};
use crate::queue::options::QueueKind;

/// Disk space to be left free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreeSpace {
    /// A directory on the file system that is meant.
    pub directory: PathBuf,
    /// Bytes; publishers are held back while fewer are free.
    pub bytes: u64,
}

/// The settings of a broker.
#[derive(Clone)]
pub struct Settings {
    /// `product` in the server properties. Some clients choose their behaviour by it.
    pub product: String,
    /// `version` in the server properties; clients expect a semantic version.
    pub version: String,
    /// `cluster_name` in the server properties.
    pub cluster_name: String,
    /// Seconds between heartbeats that the broker proposes; the client's answer counts. 0 is none.
    pub heartbeat: u16,
    /// The largest frame in bytes, also proposed to clients. 0 is no limit.
    pub frame_max: u32,
    /// The largest frame in bytes before that has been negotiated.
    pub initial_frame_max: u32,
    /// The smallest frame limit a client may ask for.
    pub frame_min: u32,
    /// Channels a connection may open. 0 is no limit but the protocol's 65,535.
    pub channel_max: u16,
    /// The largest body in bytes.
    pub max_message_size: u64,
    /// Consumers a channel may have.
    pub max_consumers_per_channel: u32,
    /// The prefetch of consumers whose channel has not set one. 0 is none.
    pub default_prefetch: u16,
    /// Connections the broker may have.
    pub max_connections: Option<usize>,
    /// How long a client may take from connecting to connection.open.
    pub handshake_timeout: Duration,
    /// How long a refused login waits for its answer, so that guessing passwords is slow.
    pub refusal_delay: Duration,
    /// How long a peer has to answer connection.close.
    pub close_timeout: Duration,
    /// How long a queue that crashed again and again is left down, though it be declared again.
    pub crash_pause: Duration,
    /// Threads that carry connections and queues. At least 1.
    pub workers: usize,
    /// Connections that live on one worker before the next one gets any. A program mostly has one to publish, one to consume
    /// and perhaps one to look after things: what they tell each other wakes no other thread then, and who floods does so
    /// away from others. With 1 each goes where there are fewest, and a few that flood get more done. As long as
    /// some worker has none, all queues of one declarer live together, else so many that nobody consumes yet. See
    /// [`together`](Settings::together).
    pub connections_together: usize,
    /// Bytes of memory the process is to get by with: messages take half of it, the rest of a backlog is on the disk.
    /// Publishers are held back while it uses more.
    pub memory_limit: u64,
    /// Space to be left free on the disk that the broker writes to; `None` when it writes to none.
    pub free_space: Option<FreeSpace>,
    /// The type of a queue whose declaration asks for none, unless its virtual host says otherwise.
    pub default_queue_type: QueueKind,
    /// Whether a quorum queue may be declared again as a queue of another type: the types are not compared then.
    pub relaxed_quorum_redeclaration: bool,
    /// How long a consumer may keep a message unsettled, where neither it nor its queue nor a policy says. `None`, and zero, is
    /// as long as it likes.
    pub consumer_timeout: Option<Duration>,
    /// Virtual hosts that exist from the start.
    pub vhosts: Vec<String>,
    /// Who may do what.
    pub authority: Arc<dyn Authority>,
}

impl Settings {
    /// How many connections live together unless told otherwise: four, and fewer where eight connections would not reach every
    /// worker.
    ///
    /// What connections tell each other on one worker comes sooner and mostly costs less processor time, but one thread is all
    /// they get: on two processors two thirds of what a lone pair could get through. The more there are, the more would be
    /// idle while a broker has few connections; and one with many uses them all either way.
    pub const fn together(workers: usize) -> usize {
        match workers {
            0..=2 => 4,
            3..=4 => 2,
            _ => 1,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        Settings {
            product: "Leveret".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            cluster_name: "leveret".into(),
            heartbeat: 60,
            frame_max: 131_072,
            initial_frame_max: 8192,
            frame_min: 4096,
            channel_max: 2047,
            max_message_size: 128 * 1024 * 1024,
            max_consumers_per_channel: 65_536,
            default_prefetch: 0,
            max_connections: None,
            handshake_timeout: Duration::from_secs(10),
            refusal_delay: Duration::from_secs(3),
            close_timeout: Duration::from_secs(30),
            crash_pause: Duration::from_secs(60),
            workers,
            connections_together: Settings::together(workers),
            memory_limit: u64::MAX,
            free_space: None,
            default_queue_type: QueueKind::Classic,
            relaxed_quorum_redeclaration: false,
            consumer_timeout: None,
            vhosts: vec!["/".into()],
            authority: Arc::new(Users::default()),
        }
    }
}
