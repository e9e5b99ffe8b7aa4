//! pika's own view: each file of `python/` is a set of tests.

use leveret::node::Alarm;

use crate::support::Broker;
use crate::support::program::Program;
use crate::support::python::{PIKA, python};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/python");

#[test]
fn a_blocking_connection_declares_gets_consumes_and_closes() {
    run("blocking");
}

#[test]
fn a_publisher_gets_confirms_returns_and_transactions() {
    run("publishing");
}

#[test]
fn every_kind_of_exchange_routes() {
    run("exchanges");
}

#[test]
fn questions_are_answered() {
    run("calling");
}

#[test]
fn a_select_connection_does_everything_by_callback() {
    run("select_connection");
}

#[test]
fn idle_connections_live_and_silent_ones_go() {
    run("liveness");
}

#[test]
fn a_publisher_held_back_by_an_alarm_is_told_and_kept() {
    let broker = Broker::with(leveret::Config::local());
    let set_alarm = |raised| broker.server().broker().set_alarm(Alarm::Memory, raised);
    let mut blocked = python();
    blocked
        .arg("blocked.py")
        .env("AMQP_URL", broker.url())
        .current_dir(FOLDER);
    let mut publisher = Program::start(&mut blocked);
    assert_eq!(publisher.line(), "publishing");
    set_alarm(true);
    assert_eq!(publisher.line(), "low on memory");
    assert_eq!(publisher.line(), "still there");
    set_alarm(false);
    assert_eq!(publisher.line(), "unblocked");
    assert_eq!(publisher.line(), "last");
    publisher.finish();
}

/// Runs the tests of one Python file.
fn run(file: &str) {
    let broker = Broker::start();
    let mut unittest = PIKA.unittest(file);
    Program::start(unittest.env("AMQP_URL", broker.url()).current_dir(FOLDER)).finish();
}
