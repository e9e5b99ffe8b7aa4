//! kombu by itself: each file of `kombu/` is a set of tests.

use crate::celery::PYTHON;
use crate::support::Broker;
use crate::support::program::Program;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/kombu");

#[test]
fn messages_are_encoded_routed_and_settled_in_every_way() {
    run("messaging");
}

#[test]
fn a_simple_queue_is_like_one_of_python_s() {
    run("simple");
}

#[test]
fn processes_are_told_and_asked_through_mailboxes() {
    run("mailbox");
}

#[test]
fn a_service_made_of_mixins_comes_back_when_its_connection_breaks() {
    run("mixins");
}

#[test]
fn broken_connections_are_made_anew_and_beating_ones_live() {
    run("revival");
}

#[test]
fn queues_do_what_their_arguments_say() {
    run("arguments");
}

/// Runs the tests of one Python file.
fn run(file: &str) {
    let broker = Broker::start();
    let mut unittest = PYTHON.unittest(file);
    Program::start(unittest.env("AMQP_URL", broker.url()).current_dir(FOLDER)).finish();
}
