//! Debian's RabbitMQ, run for a while: own user, own directory, own ports and own `epmd`, on loopback alone.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::interrupt;
use super::process::{LOOK, Process};

/// The start script behind Debian's wrapper, which would use the system's directories.
const SCRIPT: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// The user Debian makes for it.
const USER: &str = "rabbitmq";

const READY: Duration = Duration::from_secs(90);

/// A RabbitMQ that serves. Dropped, it is ended.
#[derive(Debug)]
pub(super) struct RabbitMq {
    // In this order: the broker asks its epmd to the end.
    server: Process,
    _epmd: Process,
    port: u16,
}

impl RabbitMq {
    /// Whether it is installed.
    pub(super) fn is_installed() -> bool {
        Path::new(SCRIPT).exists()
    }

    /// Starts it with its data in `home`, and waits until it accepts connections.
    pub(super) fn start(home: &Path) -> Result<Self, String> {
        let (port, distribution, mapper) = (free_port()?, free_port()?, free_port()?);
        let settings = Settings {
            home: home.to_owned(),
            port,
            distribution,
            mapper,
            user: own_user(),
        };
        settings.prepare()?;
        let mapper_args = ["-port".to_owned(), mapper.to_string()];
        let mut epmd = Command::new("epmd");
        epmd.args(mapper_args).args(["-address", "127.0.0.1"]);
        let epmd = Process::start(settings.apply(&mut epmd))?;
        let mut server = Process::start(settings.apply(&mut Command::new(SCRIPT)))?;
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if server.has_ended() || begun.elapsed() > READY {
                return Err("RabbitMQ did not become ready".to_owned());
            }
            interrupt::check()?;
            thread::sleep(LOOK);
        }
        Ok(Self {
            server,
            _epmd: epmd,
            port,
        })
    }

    pub(super) fn uri(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port)
    }

    pub(super) fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Ends it in order.
    pub(super) fn end(self) -> Result<(), String> {
        self.server.end()
    }
}

/// Where it keeps what, and listens.
struct Settings {
    home: PathBuf,
    port: u16,
    distribution: u16,
    mapper: u16,
    /// User and group to run it as, when this program may choose.
    user: Option<(u32, u32)>,
}

impl Settings {
    fn prepare(&self) -> Result<(), String> {
        let failed = |error| format!("cannot prepare {}: {error}", self.home.display());
        fs::create_dir_all(&self.home).map_err(failed)?;
        fs::write(self.home.join("plugins"), "[].\n").map_err(failed)?;
        if let Some((user, group)) = self.user {
            chown(&self.home, Some(user), Some(group)).map_err(failed)?;
            chown(self.home.join("plugins"), Some(user), Some(group)).map_err(failed)?;
        }
        Ok(())
    }

    fn apply<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let Self { home, mapper, .. } = self;
        command
            .current_dir(home)
            .env("HOME", home)
            .env("RABBITMQ_NODENAME", format!("lab{}@localhost", self.port))
            .env("RABBITMQ_MNESIA_BASE", home.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", home.join("log"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", home.join("plugins"))
            .env("RABBITMQ_CONFIG_FILE", home.join("none"))
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.port.to_string())
            .env("RABBITMQ_DIST_PORT", self.distribution.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", mapper.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        match self.user {
            Some((user, group)) => command.uid(user).gid(group),
            None => command,
        }
    }
}

/// RabbitMQ's own user, if we are root: it is not to run as that.
fn own_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    user_of(&fs::read_to_string("/etc/passwd").ok()?, USER)
}

/// User and group of `name` in the text of `/etc/passwd`.
fn user_of(passwd: &str, name: &str) -> Option<(u32, u32)> {
    let fields = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let entry = fields.into_iter().find(|entry| entry.first() == Some(&name))?;
    Some((entry.get(2)?.parse().ok()?, entry.get(3)?.parse().ok()?))
}

/// A port nobody listened at a moment ago.
fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let address = listener.and_then(|listener| listener.local_addr());
    address
        .map(|address| address.port())
        .map_err(|error| format!("no free port: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_name() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\nrabbitmq:x:103:106:,,,:/var/lib/rabbitmq:/usr/sbin/nologin\n";
        assert_eq!(user_of(passwd, "rabbitmq"), Some((103, 106)));
        assert_eq!(user_of(passwd, "rabbit"), None);
    }
}
