//! The broker as a process of its own, for what can only be seen from outside: its memory, its end.

use std::net::SocketAddr;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use super::connection::Connection;
use super::program::Program;

/// A running `leveret`; killed when dropped.
pub(crate) struct BrokerProcess {
    program: Program,
    address: SocketAddr,
}

impl BrokerProcess {
    /// Starts the program on a free port and waits until it is ready.
    #[track_caller]
    pub(crate) fn start() -> BrokerProcess {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
        let mut program = Program::start(command.args(["--listen", "127.0.0.1:0"]));
        let ready = program.wait_for("leveret ready");
        let address = ready.split_once("amqp=").expect("the AMQP address").1;
        let address = address.split_whitespace().next().unwrap_or_default();
        BrokerProcess {
            address: address.parse().expect("an address"),
            program,
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

    /// How many files, sockets among them, it has open.
    pub(crate) fn sockets(&self) -> usize {
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.program.id()));
        files.expect("it runs").count()
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
