//! pika's own view: each file of `python/` is a set of tests.

use crate::support::Broker;
use crate::support::program::Program;
use crate::support::python::python;

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

/// Runs the tests of one Python file.
fn run(file: &str) {
    let broker = Broker::start();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/python");
    let mut unittest = python();
    unittest.args(["-W", "ignore::ResourceWarning", "-m", "unittest", file]);
    Program::start(unittest.env("AMQP_URL", broker.url()).current_dir(folder)).finish();
}
