//! `leveret`: run the broker.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;
use rustix::process::{Resource, getrlimit, setrlimit};

/// What the broker is told on its command line.
#[derive(Debug, Args)]
pub(super) struct Options {}

/// Serves.
pub(super) fn run(_options: Options) -> Result<ExitCode, String> {
    Err("this build does not serve yet; see leveret perf --help".to_owned())
}

/// Each connection is an open file: takes all the files this process is entitled to.
pub(super) fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        eprintln!("leveret: cannot raise the limit of open files: {error}");
    }
}

/// Reads `ADDR:PORT`.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.trim()
        .parse()
        .map_err(|_| "expected an IP address and a port, such as 127.0.0.1:5672 or [::1]:5672".to_owned())
}
