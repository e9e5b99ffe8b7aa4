//! `kill -9` right after an answer: what was answered is on the disk.

use leveret_protocol::method::exchange;
use leveret_protocol::method::queue::{BindOk, DeclareOk, DeleteOk, UnbindOk};

use super::support::PATIENCE;
use super::support::methods::{bind, delete, delete_exchange, passive_exchange, unbind};
use super::support::process::BrokerProcess;
use super::{durable, durable_exchange, exists};

/// Ends the program without a warning.
fn kill(mut broker: BrokerProcess) {
    broker.signal("KILL");
    broker.ended(PATIENCE);
}

#[test]
fn what_was_answered_before_a_kill_is_so_afterwards() {
    let data = tempfile::tempdir().unwrap();
    let mut broker = BrokerProcess::start_in(data.path());
    for round in 0..6 {
        let (new, old) = (format!("q{round}"), format!("q{}", round - 1));
        let channel = broker.connect().channel();
        channel.call::<DeclareOk<'_>>(durable(&new));
        channel.call::<BindOk>(bind(&new, "amq.fanout", ""));
        if round > 0 {
            channel.call::<DeleteOk>(delete(&old));
        }
        kill(broker);
        broker = BrokerProcess::start_in(data.path());
        let channel = broker.connect().channel();
        assert!(exists(&channel, &new), "round {round}");
        assert!(!exists(&channel, &old), "round {round}");
        channel.publish("amq.fanout", "", "bound");
        assert_eq!(channel.drain(&new), ["bound"], "round {round}");
    }
}

#[test]
fn what_was_taken_back_before_a_kill_stays_away() {
    let data = tempfile::tempdir().unwrap();
    let broker = BrokerProcess::start_in(data.path());
    let channel = broker.connect().channel();
    channel.call::<exchange::DeclareOk>(durable_exchange("gone", "direct"));
    channel.call::<DeclareOk<'_>>(durable("q"));
    channel.call::<BindOk>(bind("q", "amq.fanout", ""));
    channel.call::<UnbindOk>(unbind("q", "amq.fanout", ""));
    channel.call::<exchange::DeleteOk>(delete_exchange("gone"));
    kill(broker);
    let broker = BrokerProcess::start_in(data.path());
    let channel = broker.connect().channel();
    channel.publish("amq.fanout", "", "lost");
    assert_eq!(channel.ready("q"), 0);
    channel.fails(
        passive_exchange("gone"),
        404,
        "NOT_FOUND - no exchange 'gone' in vhost '/'",
    );
}

#[test]
fn a_kill_among_many_declarations_loses_none_that_was_answered() {
    let data = tempfile::tempdir().unwrap();
    let broker = BrokerProcess::start_in(data.path());
    let connection = broker.connect();
    let channels: Vec<_> = (0..16).map(|_| connection.channel()).collect();
    let name = |number: usize, round: usize| format!("q{number}-{round}");
    for (number, channel) in channels.iter().enumerate() {
        (0..50).for_each(|round| channel.send(durable(&name(number, round))));
    }
    // Half of the answers are awaited; then it ends, with as many under way.
    for channel in &channels {
        (0..25).for_each(|_| assert!(!channel.expect::<DeclareOk<'_>>().queue.is_empty()));
    }
    kill(broker);
    let broker = BrokerProcess::start_in(data.path());
    let connection = broker.connect();
    let channel = connection.channel();
    for number in 0..channels.len() {
        for round in 0..25 {
            channel.call::<DeclareOk<'_>>(super::support::methods::passive(&name(number, round)));
        }
    }
}
