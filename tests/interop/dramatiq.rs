//! dramatiq: real workers that run the actors of `dramatiq/`, and the tests that send them messages.

use std::process::Command;

use tempfile::TempDir;

use crate::support::Broker;
use crate::support::program::Program;
use crate::support::python::Python;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/dramatiq");

static PYTHON: Python = Python::with(&["dramatiq==2.2.1", "pika==1.4.4"]);

#[test]
fn messages_are_processed_at_once_or_later_and_again() {
    let dramatiq = Dramatiq::new();
    let _worker = dramatiq.worker(2);
    dramatiq.client("working.Working").finish();
}

#[test]
fn messages_that_fail_too_often_are_dead_letters() {
    let dramatiq = Dramatiq::new();
    let _worker = dramatiq.worker(1);
    dramatiq.client("working.DeadLetters").finish();
}

#[test]
fn urgent_messages_are_processed_first() {
    let dramatiq = Dramatiq::new();
    dramatiq.client("working.Asking").finish();
    let _worker = dramatiq.worker(1);
    dramatiq.client("working.Doing").finish();
}

#[test]
fn the_message_of_a_killed_worker_is_processed_by_the_next() {
    let dramatiq = Dramatiq::new();
    let mut killed = dramatiq.worker(1);
    let client = dramatiq.client("working.Redelivery");
    killed.wait_for("stuck taken");
    drop(killed);
    let _worker = dramatiq.worker(1);
    client.finish();
}

/// A broker, and where the actors write.
struct Dramatiq {
    broker: Broker,
    folder: TempDir,
}

impl Dramatiq {
    fn new() -> Dramatiq {
        Dramatiq {
            broker: Broker::start(),
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    /// Starts a worker of one process.
    fn worker(&self, threads: u32) -> Program {
        let mut dramatiq = PYTHON.command();
        dramatiq.args(["-m", "dramatiq", "actors", "--path=.", "--processes=1"]);
        dramatiq.arg(format!("--threads={threads}"));
        Program::start_group(self.at_home(&mut dramatiq))
    }

    /// Starts tests that send messages.
    fn client(&self, tests: &str) -> Program {
        let mut unittest = PYTHON.unittest(tests);
        Program::start(self.at_home(&mut unittest))
    }

    fn at_home<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command
            .env("AMQP_URL", self.broker.url())
            .env("FOLDER", self.folder.path())
            .current_dir(FOLDER)
    }
}
