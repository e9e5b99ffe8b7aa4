//! Celery: each file of `celery/` is an application with its tasks, which real workers run, and the tests that call
//! them.

use std::process::Command;

use tempfile::TempDir;

use leveret::Config;

use crate::support::Broker;
use crate::support::program::Program;
use crate::support::python::Python;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/celery");

/// Celery and kombu, on which it is built.
pub(crate) static PYTHON: Python = Python::with(&[
    "celery==5.7.0",
    "amqp==5.4.2",
    "billiard==4.3.2",
    "click==8.5.1",
    "click-didyoumean==0.3.1",
    "click-plugins==1.1.1.2",
    "click-repl==0.4.1",
    "kombu==5.7.0",
    "prompt_toolkit==3.0.53",
    "python-dateutil==2.9.0.post0",
    "six==1.17.0",
    "tzlocal==5.4.5",
    "vine==5.1.0",
    "wcwidth==0.9.4",
]);

/// A pool that needs no further processes.
const SOLO: &[&str] = &["--pool=solo"];
/// A pool of one thread, beside which the worker stays responsive.
const ONE_THREAD: &[&str] = &["--pool=threads", "--concurrency=1"];
/// A pool of one process, which may be killed.
const ONE_PROCESS: &[&str] = &["--pool=prefork", "--concurrency=1"];

#[test]
fn results_come_back_over_amqp() {
    let celery = Celery::new("results");
    let _worker = celery.worker("one", &["--pool=prefork", "--concurrency=2"]);
    celery.test();
}

#[test]
fn failed_tasks_are_tried_again() {
    let celery = Celery::new("retries");
    let _worker = celery.worker("one", SOLO);
    celery.test();
}

#[test]
fn tasks_for_later_are_held_until_their_time() {
    let celery = Celery::new("later");
    let _worker = celery.worker("one", SOLO);
    celery.test();
}

#[test]
fn the_body_of_a_chord_runs_after_its_header() {
    let celery = Celery::new("chords");
    let _worker = celery.worker("one", SOLO);
    celery.test();
}

#[test]
fn tasks_go_where_they_are_routed() {
    let celery = Celery::new("routes");
    let _one = celery.worker("one", &[SOLO, &["--queues=celery,video,everyone"]].concat());
    let _two = celery.worker("two", &[SOLO, &["--queues=image,everyone"]].concat());
    celery.test();
}

#[test]
fn workers_answer_remote_control() {
    let celery = Celery::new("control");
    let _one = celery.worker("one", ONE_PROCESS);
    let _two = celery.worker("two", ONE_PROCESS);
    celery.test();
}

#[test]
fn workers_tell_what_happens() {
    let celery = Celery::new("events");
    let mut dump = celery.start(&["events", "--dump"]);
    dump.wait_for("-> evdump: starting capture");
    let _worker = celery.worker("one", &[ONE_THREAD, &["--task-events"]].concat());
    celery.test();
    while !dump.line().contains("task succeeded: events.second_time_lucky") {}
}

#[test]
fn beat_sends_tasks_when_they_are_due() {
    let celery = Celery::new("schedule");
    let schedule = celery.folder.path().join("schedule");
    let schedule = schedule.to_str().expect("a path of text");
    let _beat = celery.start(&["beat", "--schedule", schedule]);
    let _worker = celery.worker("one", SOLO);
    celery.test();
}

#[test]
fn the_tasks_of_a_killed_worker_are_done_by_another() {
    let celery = Celery::new("redelivery");
    let mut one = celery.worker("one", SOLO);
    let client = celery.client("redelivery");
    one.wait_for("Task redelivery.stuck_on_one");
    drop(one);
    let _two = celery.worker("two", SOLO);
    client.finish();
}

#[test]
fn the_tasks_that_a_stopping_worker_held_are_done_by_another() {
    let celery = Celery::new("stopping");
    let mut one = celery.worker("one", SOLO);
    let client = celery.client("stopping");
    one.wait_for("Task stopping.nap");
    one.signal("TERM");
    one.finish();
    let _two = celery.worker("two", SOLO);
    client.finish();
}

#[test]
fn no_task_waits_while_a_worker_is_idle() {
    let celery = Celery::new("sharing");
    let _one = celery.worker("one", ONE_THREAD);
    let _two = celery.worker("two", ONE_THREAD);
    celery.test();
}

#[test]
fn rejected_tasks_come_again_or_are_dead_letters() {
    let celery = Celery::new("rejecting");
    let _worker = celery.worker("one", SOLO);
    celery.test();
}

#[test]
fn urgent_tasks_are_run_first() {
    let celery = Celery::new("urgency");
    celery.client("urgency.Asking").finish();
    let _worker = celery.worker("one", SOLO);
    celery.client("urgency.Doing").finish();
}

#[test]
fn quorum_queues_hold_tasks_for_later_themselves() {
    let celery = Celery::new("quorum");
    let _worker = celery.worker("one", SOLO);
    celery.test();
}

#[test]
fn a_worker_outlives_its_broker() {
    let mut celery = Celery::new("restart");
    let data = tempfile::tempdir().expect("a data directory");
    celery.broker = Broker::with(Config {
        data_dir: Some(data.path().into()),
        ..Config::local()
    });
    let address = celery.broker.address();
    let mut worker = celery.worker("one", SOLO);
    celery.client("restart.Before").finish();
    drop(celery.broker);
    worker.wait_for("consumer: Connection to broker lost");
    celery.broker = Broker::with(Config {
        data_dir: Some(data.path().into()),
        listen: vec![address],
        ..Config::local()
    });
    worker.wait_for("Connected to amqp://");
    celery.client("restart.After").finish();
}

/// A broker and an application that uses it.
struct Celery {
    broker: Broker,
    application: &'static str,
    /// For what its programs leave behind.
    folder: TempDir,
}

impl Celery {
    fn new(application: &'static str) -> Celery {
        Celery {
            broker: Broker::start(),
            application,
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    /// Starts a worker and waits until it takes tasks.
    #[track_caller]
    fn worker(&self, name: &str, arguments: &[&str]) -> Program {
        let node = format!("--hostname={name}@here");
        let mut worker = self.start(&[&["worker", "--loglevel=INFO", &node], arguments].concat());
        worker.wait_for(&format!("{name}@here ready."));
        worker
    }

    /// Starts one of Celery's own programs.
    fn start(&self, arguments: &[&str]) -> Program {
        let mut celery = PYTHON.command();
        celery.args(["-W", "ignore", "-m", "celery", "--app", self.application]);
        Program::start_group(self.at_home(celery.args(arguments)))
    }

    /// Runs the application's tests.
    #[track_caller]
    fn test(&self) {
        self.client(self.application).finish();
    }

    /// Starts tests of the application: all of its module, or a class of them.
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
