//! How many connections and queues a virtual host may have.

use leveret::broker::{VhostError, VhostLimits};
use leveret_protocol::method::connection::Open;
use leveret_protocol::method::queue::{Declare, DeclareOk, Delete, DeleteOk};
use leveret_protocol::method::{self, Method, exchange};
use leveret_protocol::types::FieldTable;

use crate::policies::answer;
use crate::support::methods::queue;
use crate::support::{Broker, Channel, Connection, eventually};

fn limit(broker: &Broker, name: &str, value: i64) {
    let api = broker.server().broker();
    let mut limits = api.vhost_limits("/").unwrap();
    limits.set(name, value).unwrap();
    answer(api.set_vhost_limits("/", limits)).unwrap();
    assert_eq!(api.vhost_limits("/"), Ok(limits));
}

fn declare(channel: &Channel, declare: Declare<'_>) {
    channel.call::<DeclareOk<'_>>(declare);
}

/// Declares on a new channel, which that closes.
fn refused(connection: &Connection, declare: Declare<'_>, limit: u32) {
    let name = declare.queue;
    let text = format!(
        "PRECONDITION_FAILED - cannot declare queue '{name}': queue limit in vhost '/' ({limit}) is reached"
    );
    connection.channel().fails(declare, 406, &text);
}

fn durable(name: &str) -> Declare<'_> {
    Declare {
        durable: true,
        ..queue(name)
    }
}

/// A connection that has said everything but connection.open.
fn tuned(broker: &Broker) -> Connection {
    let connection = broker.socket();
    connection.log_in();
    connection.tune_as_usual();
    connection
}

fn may_not_open(broker: &Broker, limit: u32) {
    let connection = tuned(broker);
    connection.send(Open {
        vhost: broker.vhost(),
    });
    let text = format!(
        "NOT_ALLOWED - access to vhost '/' refused for user 'guest': connection limit ({limit}) is reached"
    );
    connection.closed(530, &text, (10, 40));
}

#[test]
fn as_many_queues_as_the_limit_allows_can_be_declared() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channel = connection.channel();
    declare(&channel, queue("there"));
    limit(&broker, "max-queues", 3);
    declare(&channel, durable("two"));
    declare(
        &channel,
        Declare {
            exclusive: true,
            ..queue("three")
        },
    );
    for fourth in [queue("four"), durable("four")] {
        refused(&connection, fourth, 3);
    }
    let made_up = connection.channel();
    made_up.send(queue(""));
    let refusal = made_up.expect_close();
    assert_eq!(refusal.reply_code, 406);
    assert!(refusal.reply_text.contains("cannot declare queue 'amq.gen-"));
    declare(&channel, durable("two"));
    channel.call::<DeleteOk>(Delete {
        queue: "there",
        ..Delete::default()
    });
    declare(&channel, durable("four"));
    refused(&connection, queue("five"), 3);
    limit(&broker, "max-queues", -1);
    declare(&channel, queue("five"));
    limit(&broker, "max-queues", 0);
    refused(&connection, queue("six"), 0);
    declare(&channel, queue("five"));
}

#[test]
fn what_a_delayed_exchange_waits_in_is_no_queue_of_the_virtual_host() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channel = connection.channel();
    limit(&broker, "max-queues", 1);
    channel.call::<exchange::DeclareOk>(exchange::Declare {
        exchange: "later",
        kind: "x-delayed-message",
        arguments: FieldTable::from_iter([("x-delayed-type", "direct")]),
        ..Default::default()
    });
    declare(&channel, queue("one"));
    refused(&connection, queue("two"), 1);
}

#[test]
fn declarations_at_the_same_time_do_not_exceed_the_limit() {
    let broker = Broker::start();
    limit(&broker, "max-queues", 10);
    let connection = broker.connect();
    let names: Vec<String> = (0..40).map(|number| format!("q{number}")).collect();
    let channels: Vec<Channel> = names.iter().map(|_| connection.channel()).collect();
    for (channel, name) in channels.iter().zip(&names) {
        channel.send(durable(name));
    }
    let vhost = broker.server().broker().node().vhost("/").unwrap();
    let is_declared = |channel: &&Channel| {
        let answer = channel.method();
        matches!(answer, Method::Queue(method::queue::Method::DeclareOk(_)))
    };
    let refused = channels.len() - channels.iter().filter(is_declared).count();
    assert_eq!((refused, vhost.directory.queues().count()), (30, 10));
}

#[test]
fn as_many_connections_as_the_limit_allows_can_be_open() {
    let broker = Broker::start();
    let first = broker.connect();
    limit(&broker, "max-connections", 2);
    let second = broker.connect();
    may_not_open(&broker, 2);
    may_not_open(&broker, 2);
    second.close();
    let third = broker.connect();
    may_not_open(&broker, 2);
    drop(third);
    eventually("who hangs up makes room", || {
        let connection = tuned(&broker);
        connection.send(Open {
            vhost: broker.vhost(),
        });
        let answer = connection.method();
        matches!(answer, Method::Connection(method::connection::Method::OpenOk(_)))
    });
    first.channel();
    limit(&broker, "max-connections", 0);
    may_not_open(&broker, 0);
    first.channel();
    limit(&broker, "max-connections", -1);
    let _others: Vec<Connection> = (0..4).map(|_| broker.connect()).collect();
}

#[test]
fn limits_hold_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let broker = Broker::on(data.path());
    declare(&broker.connect().channel(), durable("one"));
    limit(&broker, "max-queues", 1);
    limit(&broker, "max-connections", 1);
    drop(broker);
    let broker = Broker::on(data.path());
    let connection = broker.connect();
    may_not_open(&broker, 1);
    refused(&connection, durable("two"), 1);
    declare(&connection.channel(), durable("one"));
    let api = broker.server().broker();
    let missing = VhostError::NoVhost("missing".into());
    assert_eq!(api.vhost_limits("missing"), Err(missing.clone()));
    let set = answer(api.set_vhost_limits("missing", VhostLimits::default()));
    assert_eq!(set, Err(missing));
}
