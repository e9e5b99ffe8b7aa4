//! The brokers that are measured: where they are, and how those of this host are started and ended.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::process::{self, Process};
use super::rabbitmq::RabbitMq;
use crate::cli::perf::usage::Gauge;

/// How long a broker of ours may take until it serves; recovery has a bound of its own.
const READY: Duration = Duration::from_secs(60);

/// Which broker to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// This program, serving.
    Leveret,
    /// Debian's `rabbitmq-server`.
    RabbitMq,
    /// No broker: what it is sent it copies to whoever consumes, or discards.
    Limit,
    /// One that somebody else started.
    Other {
        name: String,
        uri: String,
        pid: Option<u32>,
    },
}

impl Kind {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Leveret => "Leveret",
            Self::RabbitMq => "RabbitMQ",
            Self::Limit => "limit",
            Self::Other { name, .. } => name,
        }
    }
}

/// Reads `NAME=URI` or `NAME=URI,PID`.
pub(super) fn other(text: &str) -> Result<Kind, String> {
    let (name, rest) = text.split_once('=').ok_or("expected NAME=URI or NAME=URI,PID")?;
    let (uri, pid) = match rest.rsplit_once(',') {
        Some((uri, pid)) => {
            let pid = pid.parse().map_err(|_| format!("'{pid}' is not a process"))?;
            (uri, Some(pid))
        }
        None => (rest, None),
    };
    uri.parse::<crate::cli::perf::uri::Uri>()?;
    Ok(Kind::Other {
        name: name.to_owned(),
        uri: uri.to_owned(),
        pid,
    })
}

/// A broker that serves.
#[derive(Debug)]
pub(super) struct Broker {
    pub(super) kind: Kind,
    pub(super) uri: String,
    /// The process to measure, if it is on this host.
    pub(super) pid: Option<u32>,
    /// Where it keeps its data, if it is ours.
    pub(super) data: PathBuf,
    running: Running,
}

#[derive(Debug)]
enum Running {
    Ours(Process),
    RabbitMq(Box<RabbitMq>),
    Elsewhere,
}

impl Broker {
    /// Starts a broker with nothing in it, below `work`; one that is elsewhere is taken as it is.
    pub(super) fn start(kind: &Kind, work: &Path) -> Result<Self, String> {
        let data = work.join(kind.name().to_lowercase());
        if matches!(kind, Kind::Leveret | Kind::RabbitMq | Kind::Limit) {
            remove(&data)?;
            make(&data)?;
        }
        Self::start_in(kind, data)
    }

    fn start_in(kind: &Kind, data: PathBuf) -> Result<Self, String> {
        let (uri, pid, running) = match kind {
            Kind::Leveret => {
                let options = ["--listen", "127.0.0.1:0", "--log", "warn", "--data-dir"];
                ours(program()?.args(options).arg(data.join("data")), &data)?
            }
            Kind::Limit => ours(program()?.args(["perf", "sink", "--echo"]), &data)?,
            Kind::RabbitMq => {
                let rabbit = RabbitMq::start(&data)?;
                (
                    rabbit.uri(),
                    Some(rabbit.pid()),
                    Running::RabbitMq(Box::new(rabbit)),
                )
            }
            Kind::Other { uri, pid, .. } => (uri.clone(), *pid, Running::Elsewhere),
        };
        Ok(Self {
            kind: kind.clone(),
            uri,
            pid,
            data,
            running,
        })
    }

    /// Ends it and starts it with nothing in it; one that is elsewhere stays as it is.
    pub(super) fn renew(&mut self, work: &Path) -> Result<(), String> {
        std::mem::replace(&mut self.running, Running::Elsewhere).end()?;
        *self = Self::start(&self.kind, work)?;
        Ok(())
    }

    /// Kills a Leveret as a crash would, starts it on what it left behind, and waits until it serves.
    pub(super) fn crash_and_start(&mut self) -> Result<(), String> {
        if let Running::Ours(process) = std::mem::replace(&mut self.running, Running::Elsewhere) {
            process.kill();
        }
        *self = Self::start_in(&self.kind, self.data.clone())?;
        Ok(())
    }

    /// Resident memory, in bytes, if its process is known.
    pub(super) fn resident(&self) -> Option<f64> {
        let usage = Gauge::start(self.pid).ok()?.read()?;
        Some(usage.resident as f64)
    }

    /// Ends it in order; one that is elsewhere stays.
    pub(super) fn end(self) -> Result<(), String> {
        self.running.end()
    }
}

impl Running {
    fn end(self) -> Result<(), String> {
        match self {
            Self::Ours(process) => process.end(),
            Self::RabbitMq(rabbit) => rabbit.end(),
            Self::Elsewhere => Ok(()),
        }
    }
}

/// This program, to be started once more.
pub(super) fn program() -> Result<Command, String> {
    let program = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    Ok(Command::new(program))
}

fn ours(command: &mut Command, data: &Path) -> Result<(String, Option<u32>, Running), String> {
    let log = data.join("log");
    let log = File::create(&log).map_err(|error| format!("cannot write {}: {error}", log.display()))?;
    let (process, line) = process::start_until_ready(command, log, "leveret ", READY)?;
    let address = line
        .split_once("amqp=")
        .and_then(|(_, rest)| rest.split_whitespace().next());
    let address = address.ok_or_else(|| format!("cannot read '{line}'"))?;
    let uri = format!("amqp://guest:guest@{address}/%2f");
    Ok((uri, Some(process.pid()), Running::Ours(process)))
}

pub(super) fn make(directory: &Path) -> Result<(), String> {
    fs::create_dir_all(directory).map_err(|error| format!("cannot make {}: {error}", directory.display()))
}

/// Removes a directory of the laboratory's own, if it is there.
pub(super) fn remove(directory: &Path) -> Result<(), String> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("cannot remove {}: {error}", directory.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_broker_is_a_name_an_address_and_perhaps_a_process() {
        let lavin = other("LavinMQ=amqp://u:p@127.0.0.1:5673/%2f,77").unwrap();
        let Kind::Other { name, uri, pid } = lavin else {
            panic!("another broker")
        };
        assert_eq!((name.as_str(), pid), ("LavinMQ", Some(77)));
        assert_eq!(uri, "amqp://u:p@127.0.0.1:5673/%2f");
        assert!(other("amqp://localhost").is_err());
        assert!(other("x=amqp://localhost,me").unwrap_err().contains("'me'"));
    }
}
