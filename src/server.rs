//! A broker and the thread it runs on.
//!
//! The broker's actors need an actix system; giving it a thread of its own lets any program, with
//! whatever runtime or none, start and stop a broker with two calls.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use leveret_actors::broker::Broker;
use leveret_actors::journal::log::LogSettings;
use leveret_actors::node::{FreeSpace, Settings};
use tokio::sync::oneshot;

use crate::amount::Amount;
use crate::config::{Config, InvalidConfig};
use crate::data_dir::{DataDir, DataDirError};
use crate::{listeners, machine};

/// How long stopping a broker may take.
pub const STOP_DEADLINE: Duration = Duration::from_secs(10);

/// What the broker's connections get of [`STOP_DEADLINE`]; the rest is for the threads to end.
const CONNECTIONS_DEADLINE: Duration = Duration::from_secs(8);

/// Disk space left free unless told otherwise, in bytes.
const LEFT_FREE: u64 = 1 << 30;

/// The same on a disk so small that this is less.
const SMALL_DISK: Amount = Amount::Percent(5);

/// A running broker; dropping it stops it.
#[derive(Debug)]
pub struct Server {
    addresses: Vec<SocketAddr>,
    broker: Broker,
    stop: Option<oneshot::Sender<()>>,
    stopped: mpsc::Receiver<Stopped>,
    ended: oneshot::Receiver<()>,
}

/// How a broker came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Stopped {
    /// Everything was closed in order.
    Orderly {
        /// Connections that did not answer the close in time and were cut.
        connections_forced: usize,
    },
    /// The broker's thread did not end within [`STOP_DEADLINE`], or had ended by itself before.
    Abandoned,
}

/// Why a broker did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is out of bounds.
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    /// The data directory can't be used.
    #[error(transparent)]
    Data(#[from] DataDirError),
    /// An address could not be listened on.
    #[error("cannot listen on {address}: {}", explain(source))]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The broker's thread or system could not be set up.
    #[error("cannot run the broker: {0}")]
    Run(#[source] io::Error),
}

impl Server {
    /// Starts a broker and returns once it accepts connections.
    ///
    /// # Errors
    /// When a setting is out of bounds, the data directory can't be used or is used by another broker, an address
    /// cannot be listened on, or threads cannot be made.
    pub fn start(config: Config) -> Result<Self, StartError> {
        Self::start_with(config, |_| {})
    }

    /// Starts a broker with settings that only a program can give: who may do what, which virtual hosts
    /// there are, how long a handshake may take. `adjust` gets the settings that follow from `config`.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(config: Config, adjust: impl FnOnce(&mut Settings)) -> Result<Self, StartError> {
        config.check()?;
        let mut data = config
            .data_dir
            .as_deref()
            .map(|directory| DataDir::open(directory, log_settings(&config), config.journals))
            .transpose()?;
        let mut settings = settings(&config)?;
        adjust(&mut settings);
        let listeners = listeners::bind(&config.listen)
            .map_err(|(address, source)| StartError::Listen { address, source })?;
        let addresses = listeners
            .iter()
            .map(TcpListener::local_addr)
            .collect::<io::Result<Vec<_>>>()
            .map_err(StartError::Run)?;
        let (stop, stop_asked) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let (report_started, started) = mpsc::channel();
        let (report_stopped, stopped) = mpsc::channel();
        let run = move || {
            // Dropped when the thread ends, even by a panic: that is what `ended` waits for.
            let _end: oneshot::Sender<()> = end;
            let outcome = run(settings, data.as_mut(), listeners, stop_asked, &report_started);
            // Before the end is reported: then another broker may use it.
            drop(data);
            if let Some(outcome) = outcome {
                let _ = report_stopped.send(outcome);
            }
        };
        thread::Builder::new()
            .name("leveret".to_owned())
            .spawn(run)
            .map_err(StartError::Run)?;
        match started.recv() {
            Ok(Ok(broker)) => Ok(Self {
                addresses,
                broker,
                stop: Some(stop),
                stopped,
                ended,
            }),
            Ok(Err(error)) => Err(StartError::Run(error)),
            Err(mpsc::RecvError) => Err(StartError::Run(io::Error::other("its thread ended at once"))),
        }
    }

    /// The addresses connections are accepted on, in the order they were configured.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The running broker: its alarms, its virtual hosts.
    pub fn broker(&self) -> &Broker {
        &self.broker
    }

    /// Closes every connection in order and ends the broker.
    ///
    /// Blocks until that is done, for [`STOP_DEADLINE`] at most.
    pub fn stop(mut self) -> Stopped {
        self.stop_once()
    }

    /// Completes if the broker ends by itself, which it does only when it failed.
    pub async fn ended(&mut self) {
        let _ = (&mut self.ended).await;
    }

    fn stop_once(&mut self) -> Stopped {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        self.stopped
            .recv_timeout(STOP_DEADLINE)
            .unwrap_or(Stopped::Abandoned)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.stop.is_some() {
            let _ = self.stop_once();
        }
    }
}

/// The life of the broker's thread; `None` when the broker did not start, or failed.
fn run(
    settings: Settings,
    data: Option<&mut DataDir>,
    listeners: Vec<TcpListener>,
    stop_asked: oneshot::Receiver<()>,
    started: &mpsc::Sender<io::Result<Broker>>,
) -> Option<Stopped> {
    let system = actix::System::new();
    let outcome = system.block_on(async {
        let broker = match Broker::launch(settings, data.and_then(DataDir::stores)) {
            Ok(broker) => broker,
            Err(error) => {
                let _ = started.send(Err(error));
                return None;
            }
        };
        for listener in listeners {
            if let Err(error) = broker.listen(listener).await {
                let _ = started.send(Err(error));
                return None;
            }
        }
        let _ = started.send(Ok(broker.clone()));
        tokio::select! {
            // A dropped sender asks for the end too: the server's owner is gone.
            _ = stop_asked => {
                let stopped = broker.stop("shutdown", CONNECTIONS_DEADLINE).await;
                Some(Stopped::Orderly {
                    connections_forced: stopped.connections_forced,
                })
            }
            failure = broker.failed() => {
                tracing::error!(%failure, "the broker ends");
                broker.stop("failure", CONNECTIONS_DEADLINE).await;
                None
            }
        }
    });
    actix::System::current().stop();
    if let Err(error) = system.run() {
        tracing::error!(%error, "the broker's system ended with an error");
    }
    outcome
}

fn log_settings(config: &Config) -> LogSettings {
    LogSettings {
        durability: config.durability,
        ..LogSettings::default()
    }
}

fn settings(config: &Config) -> Result<Settings, DataDirError> {
    Ok(Settings {
        product: config.product.clone(),
        version: config.product_version.clone(),
        heartbeat: config.heartbeat,
        frame_max: config.frame_max,
        channel_max: config.channel_max,
        max_message_size: config.max_message_size,
        handshake_timeout: config.handshake_timeout,
        default_queue_type: config.default_queue_type,
        relaxed_quorum_redeclaration: config.relaxed_quorum_redeclaration,
        consumer_timeout: config.consumer_timeout,
        workers: config.workers,
        connections_together: config
            .connections_together
            .unwrap_or(Settings::together(config.workers)),
        memory_limit: config.memory_limit.of(machine::memory().unwrap_or(u64::MAX)),
        free_space: free_space(config)?,
        ..Settings::default()
    })
}

/// What is to be left free on the disk of the data directory, which is there by now.
fn free_space(config: &Config) -> Result<Option<FreeSpace>, DataDirError> {
    let Some(directory) = config.data_dir.clone() else {
        return Ok(None);
    };
    let bytes = match config.disk_free_limit {
        Some(Amount::Bytes(bytes)) => Ok(bytes),
        Some(share) => machine::file_system(&directory).map(|size| share.of(size)),
        None => machine::file_system(&directory).map(|size| SMALL_DISK.of(size).min(LEFT_FREE)),
    };
    match bytes {
        Ok(bytes) => Ok(Some(FreeSpace { directory, bytes })),
        Err(source) => Err(DataDirError::Unusable { directory, source }),
    }
}

/// The causes people meet, with what to do about them.
fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "the port is taken by another program".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this host does not have that address".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied (ports below 1024 need privileges)".to_owned(),
        _ => error.to_string(),
    }
}
