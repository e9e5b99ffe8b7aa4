//! The broker as a process of its own, for what can only be seen from outside: its memory, its end.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use rustix::process::Pid;
use tempfile::TempDir;

use super::connection::Connection;
use super::program::Program;

/// A running `leveret`; killed when dropped.
pub(crate) struct BrokerProcess {
    program: Program,
    address: SocketAddr,
    /// Its data directory, unless the test has given it one.
    _data: Option<TempDir>,
}

impl BrokerProcess {
    /// Starts the program on a free port and waits until it is ready.
    #[track_caller]
    pub(crate) fn start() -> BrokerProcess {
        let data = tempfile::tempdir().expect("a data directory");
        let mut broker = BrokerProcess::start_in(data.path());
        broker._data = Some(data);
        broker
    }

    /// Starts the program with this data directory.
    #[track_caller]
    pub(crate) fn start_in(data: &Path) -> BrokerProcess {
        BrokerProcess::start_by(Command::new(env!("CARGO_BIN_EXE_leveret")), data)
    }

    /// Starts the program by a command that ends with it.
    #[track_caller]
    pub(crate) fn start_by(mut command: Command, data: &Path) -> BrokerProcess {
        let mut program = Program::start(command.args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(data));
        let ready = program.wait_for("leveret ready");
        let address = ready.split_once("amqp=").expect("the AMQP address").1;
        let address = address.split_whitespace().next().unwrap_or_default();
        BrokerProcess {
            address: address.parse().expect("an address"),
            program,
            _data: None,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// An open connection of `guest`.
    #[track_caller]
    pub(crate) fn connect(&self) -> Connection {
        let connection = Connection::over_tcp(self.address, "/");
        connection.open("/");
        connection
    }

    /// The memory it has in use, in bytes.
    pub(crate) fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.program.id())).expect("it runs");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("a resident size");
        line.trim()
            .trim_end_matches(" kB")
            .parse::<usize>()
            .expect("a number")
            * 1024
    }

    /// How many sockets it has open.
    pub(crate) fn sockets(&self) -> usize {
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.program.id()));
        let names = files
            .expect("it runs")
            .flatten()
            .flat_map(|file| file.path().read_link());
        names
            .filter(|name| name.to_string_lossy().starts_with("socket:"))
            .count()
    }

    /// Its process number.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.program.id().cast_signed()).expect("a process")
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        self.program.signal(name);
    }

    /// Waits for the process to end.
    #[track_caller]
    pub(crate) fn ended(&mut self, patience: Duration) -> ExitStatus {
        self.program.ended(patience)
    }
}
