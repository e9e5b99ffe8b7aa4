//! 6. A crash is an event: what depends on the crashed actor is told or closed, and nothing else notices.

use std::time::Duration;

use leveret_actors::broker::{Failure, Stopped};
use leveret_actors::fault::Fault;
use leveret_protocol::method::{basic, exchange, queue, tx};

use super::ring::Ring;
use super::support::messages::Confirm;
use super::support::methods::{
    bind, consume, delete, delete_exchange, exchange, exclusive, get, mandatory, passive, purge, unbind,
};
use super::support::{Channel, Connection, eventually};

/// The answer a client gets that asked a crashed actor, or whose channel depended on one.
const INTERNAL_ERROR: u16 = 541;

fn on_one_and_two_workers(test: impl Fn(Ring)) {
    test(Ring::with_workers(1));
    test(Ring::with_workers(2));
}

/// A queue on a worker that can stand still while this connection's goes on.
fn a_queue_apart(ring: &Ring) -> (Connection, Channel, &'static str) {
    let name = ring.queue_on_another_worker();
    let connection = ring.connect();
    let channel = connection.channel();
    (connection, channel, name)
}

/// What was sent on other channels before is in the mailboxes now.
fn settle(connection: &Connection) {
    connection.channel();
}

/// Waits for the end of an exclusive queue of another connection.
#[track_caller]
fn is_gone(queue: &str, channel: &Channel) {
    eventually("the exclusive queue is gone", || {
        channel.send(passive(queue));
        let code = refused(channel);
        channel.open();
        code == 404
    });
}

#[track_caller]
fn refused(channel: &Channel) -> u16 {
    channel.expect_close().reply_code
}

#[test]
fn a_crashed_queue_is_started_anew_with_its_name_and_bindings() {
    on_one_and_two_workers(|ring| {
        let connection = ring.connect();
        let publisher = connection.channel();
        publisher.declare("q");
        publisher.call::<queue::BindOk>(bind("q", "amq.direct", "key"));
        publisher.confirm_select();
        let consumer = ring.connect().channel();
        let tag = consumer.consume("q");
        publisher.publish("amq.direct", "key", "lost");
        publisher.acked(1, 1);
        let lost = consumer.delivery();

        ring.inject(Fault::Queue("/", "q"));
        assert_eq!(consumer.expect::<basic::Cancel<'_>>().consumer_tag, tag);
        assert_eq!((publisher.ready("q"), publisher.consumers("q")), (0, 0));
        publisher.publish("amq.direct", "key", "kept");
        publisher.acked(2, 2);

        consumer.ack(lost.tag);
        consumer.consume("q");
        let kept = consumer.delivery();
        assert_eq!((kept.body.as_slice(), kept.redelivered), (&b"kept"[..], false));
        consumer.ack(kept.tag);
        assert_eq!(consumer.ready("q"), 0);
    });
}

#[test]
fn a_crashed_durable_queue_has_lost_nothing_that_was_confirmed() {
    const PERSISTENT: [u8; 3] = [0x10, 0, 2];
    let directory = tempfile::tempdir().unwrap();
    let ring = Ring::in_directory(directory.path());
    let channel = ring.connect().channel();
    channel.call::<queue::DeclareOk<'_>>(queue::Declare {
        queue: "q",
        durable: true,
        ..Default::default()
    });
    channel.confirm_select();
    for round in 0..3u8 {
        for number in 0..10u8 {
            channel.publish_with("q", &PERSISTENT, [round, number]);
        }
        channel.acked(u64::from(round) * 10 + 1, u64::from(round) * 10 + 10);
        let first = channel.get("q").unwrap();
        channel.ack(first.tag);
        assert_eq!(channel.ready("q"), 9, "the ack has arrived before others come");
        let consumer = ring.connect().channel();
        consumer.prefetch(1);
        consumer.consume("q");
        consumer.delivery();
        ring.inject(Fault::Queue("/", "q"));
        consumer.expect::<basic::Cancel<'_>>();
        assert_eq!(channel.ready("q"), 9);
        for number in 1..10u8 {
            let kept = channel.get("q").unwrap();
            assert_eq!((kept.body, kept.redelivered), (vec![round, number], true));
            channel.ack(kept.tag);
        }
        assert_eq!(channel.ready("q"), 0);
    }
}

#[test]
fn what_a_crashed_queue_never_took_is_nacked() {
    let ring = Ring::with_workers(2);
    let (connection, known, q) = a_queue_apart(&ring);
    let stranger = connection.channel();
    for channel in [&known, &stranger] {
        channel.confirm_select();
    }
    known.publish("", q, "taken");
    known.acked(1, 1);

    let gate = ring.inject_behind_gate(Fault::Queue("/", q));
    for channel in [&known, &stranger] {
        channel.publish("", q, "behind the fault");
    }
    settle(&connection);
    drop(gate);
    let nack = |tag| Confirm::Nack { tag, multiple: false };
    assert_eq!((known.confirm(), stranger.confirm()), (nack(2), nack(1)));

    assert_eq!(known.ready(q), 0);
    for (channel, tag) in [(&known, 3), (&stranger, 2)] {
        channel.publish("", q, "taken");
        channel.acked(tag, tag);
    }
    assert_eq!(known.ready(q), 2);
}

#[test]
fn a_question_that_may_be_asked_twice_is_answered_by_the_queue_started_anew() {
    let ring = Ring::with_workers(2);
    let (connection, channel, q) = a_queue_apart(&ring);
    let [declaring, looking, purging, deleting] = std::array::from_fn(|_| connection.channel());
    channel.publish("", q, "lost");
    assert_eq!(channel.ready(q), 1);

    let gate = ring.inject_behind_gate(Fault::Queue("/", q));
    declaring.declare_without_waiting(q);
    looking.send(passive(q));
    purging.send(purge(q));
    settle(&connection);
    drop(gate);
    assert_eq!(looking.expect::<queue::DeclareOk<'_>>().message_count, 0);
    assert_eq!(purging.expect::<queue::PurgeOk>().message_count, 0);
    assert_eq!(declaring.ready(q), 0);

    let gate = ring.inject_behind_gate(Fault::Queue("/", q));
    deleting.send(delete(q));
    settle(&connection);
    drop(gate);
    deleting.expect::<queue::DeleteOk>();
    looking.send(passive(q));
    assert_eq!(
        refused(&looking),
        404,
        "the new one was deleted, not the crashed one"
    );
}

#[test]
fn a_question_that_may_not_be_asked_twice_closes_its_channel() {
    let ring = Ring::with_workers(2);
    let (connection, channel, q) = a_queue_apart(&ring);
    let [getting, consuming] = std::array::from_fn(|_| connection.channel());
    let gate = ring.inject_behind_gate(Fault::Queue("/", q));
    getting.send(get(q));
    consuming.send(consume(q));
    settle(&connection);
    drop(gate);
    assert_eq!(
        (refused(&getting), refused(&consuming)),
        (INTERNAL_ERROR, INTERNAL_ERROR)
    );
    assert_eq!(channel.consumers(q), 0);
    getting.open();
    assert_eq!(getting.get(q), None);
}

#[test]
fn an_exclusive_queue_that_crashed_still_goes_with_its_connection() {
    on_one_and_two_workers(|ring| {
        let (owner, other) = (ring.connect(), ring.connect().channel());
        let channel = owner.channel();
        channel.call::<queue::DeclareOk<'_>>(exclusive("mine"));
        ring.inject(Fault::Queue("/", "mine"));
        assert_eq!(channel.ready("mine"), 0);
        other.send(passive("mine"));
        assert_eq!(refused(&other), 405);
        owner.close();
        other.open();
        other.send(passive("mine"));
        assert_eq!(refused(&other), 404);
    });
}

#[test]
fn a_crashed_channel_is_closed_and_what_it_held_goes_back_at_once() {
    on_one_and_two_workers(|ring| {
        let (client, other) = (ring.connect(), ring.connect().channel());
        let (crashing, beside) = (client.channel(), client.channel());
        other.declare("q");
        crashing.consume("q");
        for body in ["1", "2"] {
            other.publish("", "q", body);
        }
        crashing.deliveries(2);

        ring.inject(Fault::Channel(client.local_address(), crashing.number()));
        assert_eq!(refused(&crashing), INTERNAL_ERROR);
        let back: Vec<_> = std::iter::from_fn(|| other.get("q"))
            .map(|got| (got.body, got.redelivered))
            .collect();
        assert_eq!(back, [(b"1".to_vec(), true), (b"2".to_vec(), true)]);
        assert_eq!(beside.consumers("q"), 0);

        crashing.open();
        other.publish("", "q", "3");
        assert_eq!(other.ready("q"), 1);
        assert!(crashing.get("q").is_some(), "its number is free again");
    });
}

#[test]
fn a_crashed_consumer_closes_its_channel_alone() {
    on_one_and_two_workers(|ring| {
        let (client, other) = (ring.connect(), ring.connect().channel());
        let (channel, beside) = (client.channel(), client.channel());
        other.declare("q");
        beside.declare("p");
        let tag = channel.consume("q");
        channel.consume("p");
        other.publish("", "q", "1");
        channel.delivery();

        ring.inject(Fault::Consumer(client.local_address(), channel.number(), tag));
        assert_eq!(refused(&channel), INTERNAL_ERROR);
        assert_eq!((beside.consumers("q"), beside.consumers("p")), (0, 0));
        let got = other.get("q").expect("it was put back");
        assert!(got.redelivered);
        channel.open();
    });
}

#[test]
fn a_crashed_exchange_keeps_its_bindings() {
    on_one_and_two_workers(|ring| {
        let channel = ring.connect().channel();
        for (name, kind) in [("d", "direct"), ("f", "fanout"), ("t", "topic"), ("h", "headers")] {
            channel.call::<exchange::DeclareOk>(exchange(name, kind));
            channel.declare(kind);
            channel.call::<queue::BindOk>(bind(kind, name, "a.b"));
            ring.inject(Fault::Exchange("/", name));
        }
        for (name, kind) in [("d", "direct"), ("f", "fanout"), ("t", "topic"), ("h", "headers")] {
            channel.publish(name, "a.b", kind);
            assert_eq!(channel.drain(kind), [kind]);
            channel.declare("later");
            channel.call::<queue::BindOk>(bind("later", name, "c"));
            channel.publish(name, "c", "later");
            assert_eq!(channel.drain("later"), ["later"]);
            channel.call::<queue::UnbindOk>(unbind(kind, name, "a.b"));
            channel.call::<queue::DeleteOk>(delete("later"));
            channel.publish_as(mandatory(name, "a.b"), &[0, 0], "nowhere");
            assert_eq!(channel.returned().body, b"nowhere");
        }
    });
}

#[test]
fn an_exchange_catches_up_with_what_happened_while_it_crashed() {
    let ring = Ring::with_workers(2);
    let x = ring.name_on_another_worker();
    let connection = ring.connect();
    let channel = connection.channel();
    channel.call::<exchange::DeclareOk>(exchange::Declare {
        auto_delete: true,
        ..exchange(x, "direct")
    });
    // Queues of a connection live where it does: this one can be deleted meanwhile.
    channel.call::<queue::DeclareOk<'_>>(exclusive("gone"));
    channel.call::<queue::DeclareOk<'_>>(exclusive("stays"));
    channel.call::<queue::BindOk>(bind("gone", x, "key"));
    channel.call::<queue::BindOk>(bind("stays", x, "another"));
    let [binding, deleting] = std::array::from_fn(|_| connection.channel());

    let gate = ring.inject_behind_gate(Fault::Exchange("/", x));
    binding.send(bind("stays", x, "key"));
    deleting.send(delete("gone"));
    settle(&connection);
    drop(gate);
    binding.expect::<queue::BindOk>();
    deleting.expect::<queue::DeleteOk>();
    channel.call::<queue::DeclareOk<'_>>(exclusive("gone"));
    channel.publish(x, "key", "one");
    assert_eq!(channel.drain("stays"), ["one"]);
    assert_eq!(channel.ready("gone"), 0);

    for key in ["key", "another"] {
        channel.call::<queue::UnbindOk>(unbind("stays", x, key));
    }
    channel.send(exchange::Declare {
        passive: true,
        ..exchange(x, "direct")
    });
    assert_eq!(refused(&channel), 404, "its last binding took it along");
}

#[test]
fn an_exchange_that_crashes_under_its_own_deletion_is_deleted() {
    let ring = Ring::with_workers(2);
    let x = ring.name_on_another_worker();
    let connection = ring.connect();
    let channel = connection.channel();
    channel.call::<exchange::DeclareOk>(exchange(x, "direct"));
    let gate = ring.inject_behind_gate(Fault::Exchange("/", x));
    channel.send(delete_exchange(x));
    settle(&connection);
    drop(gate);
    channel.expect::<exchange::DeleteOk>();
    channel.send(exchange::Declare {
        passive: true,
        ..exchange(x, "direct")
    });
    assert_eq!(refused(&channel), 404);
}

/// A client with an unsettled message of `q`, an exclusive queue and a consumer, whose connection is then broken.
fn a_connection_ends_by(fault: impl Fn(std::net::SocketAddr) -> Fault) {
    on_one_and_two_workers(|ring| {
        let (client, other) = (ring.connect(), ring.connect().channel());
        let channel = client.channel();
        other.declare("q");
        other.publish("", "q", "1");
        channel.consume("q");
        channel.delivery();
        client.channel().call::<queue::DeclareOk<'_>>(exclusive("mine"));

        other.consume("q");
        ring.inject(fault(client.local_address()));
        client.expect_end();
        assert!(other.delivery().redelivered);
        assert_eq!(other.consumers("q"), 1);
        drop(client);
        is_gone("mine", &other.connection().channel());
        drop(other);
        let in_order = Stopped {
            connections_forced: 0,
        };
        assert_eq!(
            ring.stop(Duration::from_secs(5)),
            in_order,
            "the broker forgot it"
        );
    });
}

#[test]
fn a_crashed_connection_gives_everything_back() {
    a_connection_ends_by(Fault::Connection);
}

#[test]
fn a_crashed_writer_ends_its_connection() {
    a_connection_ends_by(Fault::Writer);
}

#[test]
fn what_a_channel_declares_after_its_connection_crashed_does_not_stay() {
    let ring = Ring::with_workers(2);
    let (connection, channel, q) = a_queue_apart(&ring);
    let other = ring.connect().channel();
    other.declare("held");
    other.publish("", "held", "m");
    assert_eq!(other.ready("held"), 1);
    assert!(channel.get("held").is_some());
    other.consume("held");

    let worker = ring.queue(q).worker();
    let standing_still = ring.hold(worker);
    channel.send(passive(q));
    channel.send(exclusive("mine"));
    settle(&connection);
    ring.inject(Fault::Connection(connection.local_address()));
    connection.expect_end();
    drop(standing_still);
    assert!(other.delivery().redelivered, "the channel goes on to its end");
    is_gone("mine", &other.connection().channel());
}

#[test]
fn a_commit_under_which_a_queue_crashes_is_refused() {
    let ring = Ring::with_workers(2);
    let (connection, channel, q) = a_queue_apart(&ring);
    channel.tx_select();
    channel.publish("", q, "m");
    let gate = ring.inject_behind_gate(Fault::Queue("/", q));
    channel.send(tx::Commit {});
    settle(&connection);
    drop(gate);
    assert_eq!(refused(&channel), 406);
    channel.open();
    assert_eq!(channel.ready(q), 0);
}

#[test]
fn a_crashed_listener_is_started_anew_on_its_socket() {
    on_one_and_two_workers(|ring| {
        let before = ring.connect();
        ring.inject(Fault::Listener);
        ring.connect().channel().declare("q");
        assert_eq!(before.channel().ready("q"), 0);
    });
}

#[test]
fn a_broker_without_its_virtual_host_ends_in_order_and_says_why() {
    on_one_and_two_workers(|ring| {
        let client = ring.connect();
        let channel = client.channel();
        ring.inject(Fault::VirtualHost("/"));
        assert_eq!(ring.failed(), Failure::VirtualHost("/".into()));
        channel.send(super::support::methods::queue("q"));
        assert_eq!(refused(&channel), INTERNAL_ERROR);
        let closing = std::thread::scope(|scope| {
            let stopping = scope.spawn(|| ring.stop(Duration::from_secs(5)));
            let closed = client.expect_close().reply_code;
            (closed, stopping.join().unwrap())
        });
        assert_eq!(
            closing,
            (
                320,
                Stopped {
                    connections_forced: 0
                }
            )
        );
    });
}

#[test]
fn a_broker_without_its_root_says_so() {
    on_one_and_two_workers(|ring| {
        let channel = ring.connect().channel();
        ring.inject(Fault::Broker);
        assert_eq!(ring.failed(), Failure::Broker);
        channel.declare("q");
        assert_eq!(ring.stop(Duration::from_secs(5)), Stopped::default());
    });
}

#[test]
fn a_broker_that_lost_sight_of_its_connections_says_so_and_counts_them() {
    on_one_and_two_workers(|ring| {
        let channel = ring.connect().channel();
        ring.inject(Fault::Reception);
        assert_eq!(ring.failed(), Failure::Broker);
        channel.declare("q");
        let stopped = ring.stop(Duration::from_secs(5));
        assert_eq!(stopped.connections_forced, 1);
    });
}
