//! The examples in Python.

use std::path::Path;

use crate::support::Broker;
use crate::support::program::Program;
use crate::support::python::python;

#[test]
fn hello_is_received() {
    let broker = Broker::start();
    assert_eq!(
        start(&broker, "hello_send.py", &[]).finish(),
        ["sent Hello World!"]
    );
    let mut receiver = start(&broker, "hello_receive.py", &[]);
    assert_eq!(receiver.line(), "waiting for messages, Ctrl-C ends");
    assert_eq!(receiver.line(), "received Hello World!");
    receiver.signal("INT");
    receiver.finish();
}

#[test]
fn tasks_are_shared_among_workers() {
    let broker = Broker::start();
    let mut workers = [
        start(&broker, "work_do.py", &[]),
        start(&broker, "work_do.py", &[]),
    ];
    for worker in &mut workers {
        worker.wait_for("waiting for tasks");
    }
    start(&broker, "work_add.py", &["one.", "two."]).finish();
    let mut done = workers.each_mut().map(Program::line);
    done.sort();
    assert_eq!(done, ["did one.", "did two."]);
}

#[test]
fn news_reach_every_listener() {
    let broker = Broker::start();
    let mut listeners = [
        start(&broker, "news_listen.py", &[]),
        start(&broker, "news_listen.py", &[]),
    ];
    for listener in &mut listeners {
        listener.wait_for("listening");
    }
    assert_eq!(
        start(&broker, "news_publish.py", &["it", "rained"]).finish(),
        ["published it rained"]
    );
    for listener in &mut listeners {
        assert_eq!(listener.line(), "heard it rained");
    }
}

#[test]
fn the_log_is_read_by_severity() {
    let broker = Broker::start();
    let mut reader = start(&broker, "log_read.py", &["error"]);
    reader.wait_for("reading");
    start(&broker, "log_write.py", &["info", "started"]).finish();
    start(&broker, "log_write.py", &["error", "disk", "full"]).finish();
    assert_eq!(reader.line(), "[error] disk full");
}

#[test]
fn the_world_is_followed_by_pattern() {
    let broker = Broker::start();
    let mut follower = start(&broker, "world_follow.py", &["europe.#", "*.trains"]);
    follower.wait_for("following");
    start(&broker, "world_report.py", &["asia.weather", "hot"]).finish();
    start(&broker, "world_report.py", &["asia.trains", "late"]).finish();
    start(&broker, "world_report.py", &["europe.weather.today", "mild"]).finish();
    assert_eq!(follower.line(), "asia.trains: late");
    assert_eq!(follower.line(), "europe.weather.today: mild");
}

#[test]
fn questions_are_answered() {
    let broker = Broker::start();
    let mut server = start(&broker, "rpc_serve.py", &[]);
    server.wait_for("waiting for questions");
    assert_eq!(
        start(&broker, "rpc_ask.py", &["3", "12"]).finish(),
        ["3 squared is 9", "12 squared is 144"]
    );
}

#[test]
fn orders_are_confirmed_or_returned() {
    let broker = Broker::start();
    assert_eq!(
        start(&broker, "confirms.py", &[]).finish(),
        ["100 orders confirmed", "returned: NO_ROUTE"]
    );
}

fn start(broker: &Broker, file: &str, arguments: &[&str]) -> Program {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples/python")
        .join(file);
    Program::start(python().arg(source).args(arguments).env("AMQP_URL", broker.url()))
}
