//! An orderly restart.

use leveret_protocol::FieldTable;
use leveret_protocol::method::exchange::{self, Declare};
use leveret_protocol::method::queue::{self, BindOk, DeclareOk, DeleteOk, UnbindOk};

use super::support::methods::{
    bind, bind_exchange, delete, delete_exchange, exchange, exclusive, passive, passive_exchange, queue,
    unbind,
};
use super::support::{Broker, Channel};
use super::{durable, durable_exchange, exists};

/// Runs one thing, restarts, runs another.
fn around_a_restart(before: impl FnOnce(&Channel), after: impl FnOnce(&Channel)) {
    let data = tempfile::tempdir().unwrap();
    let broker = Broker::on(data.path());
    before(&broker.connect().channel());
    drop(broker);
    let broker = Broker::on(data.path());
    after(&broker.connect().channel());
}

fn declare_exchange(channel: &Channel, declare: Declare<'_>) {
    channel.call::<exchange::DeclareOk>(declare);
}

#[test]
fn what_is_durable_comes_back_and_nothing_else() {
    around_a_restart(
        |channel| {
            channel.call::<DeclareOk<'_>>(durable("kept"));
            channel.call::<DeclareOk<'_>>(queue::Declare {
                auto_delete: true,
                ..durable("kept too")
            });
            channel.call::<DeclareOk<'_>>(queue("transient"));
            channel.call::<DeclareOk<'_>>(queue::Declare {
                durable: true,
                ..exclusive("exclusive")
            });
            declare_exchange(channel, durable_exchange("e", "topic"));
            declare_exchange(channel, exchange("transient", "topic"));
        },
        |channel| {
            assert!(exists(channel, "kept") && exists(channel, "kept too"));
            assert!(!exists(channel, "transient") && !exists(channel, "exclusive"));
            channel.call::<exchange::DeclareOk>(passive_exchange("e"));
            channel.fails(
                passive_exchange("transient"),
                404,
                "NOT_FOUND - no exchange 'transient' in vhost '/'",
            );
        },
    );
}

#[test]
fn bindings_between_durable_ends_route_again() {
    around_a_restart(
        |channel| {
            declare_exchange(channel, durable_exchange("first", "direct"));
            declare_exchange(channel, durable_exchange("second", "topic"));
            channel.call::<DeclareOk<'_>>(durable("q"));
            channel.call::<BindOk>(bind("q", "second", "a.*"));
            channel.call::<BindOk>(bind("q", "amq.direct", "k"));
            channel.call::<exchange::BindOk>(bind_exchange("second", "first", "a.b"));
        },
        |channel| {
            channel.publish("first", "a.b", "by two exchanges");
            channel.publish("amq.direct", "k", "by one of the broker's own");
            channel.publish("second", "b.a", "unmatched");
            channel.publish("", "q", "by name");
            assert_eq!(
                channel.drain("q"),
                ["by two exchanges", "by one of the broker's own", "by name"]
            );
        },
    );
}

#[test]
fn a_binding_with_a_transient_end_does_not_come_back() {
    around_a_restart(
        |channel| {
            declare_exchange(channel, durable_exchange("e", "fanout"));
            declare_exchange(channel, exchange("transient", "fanout"));
            channel.call::<DeclareOk<'_>>(durable("q"));
            channel.call::<DeclareOk<'_>>(queue("transient"));
            channel.call::<BindOk>(bind("q", "transient", ""));
            channel.call::<BindOk>(bind("transient", "e", ""));
        },
        |channel| {
            declare_exchange(channel, durable_exchange("transient", "fanout"));
            channel.call::<DeclareOk<'_>>(durable("transient"));
            channel.publish("transient", "", "lost");
            channel.publish("e", "", "lost");
            assert_eq!((channel.ready("q"), channel.ready("transient")), (0, 0));
        },
    );
}

#[test]
fn what_was_deleted_stays_deleted() {
    around_a_restart(
        |channel| {
            for name in ["q", "bound", "again"] {
                channel.call::<DeclareOk<'_>>(durable(name));
                channel.call::<BindOk>(bind(name, "amq.fanout", ""));
            }
            declare_exchange(channel, durable_exchange("e", "direct"));
            channel.call::<DeleteOk>(delete("q"));
            channel.call::<UnbindOk>(unbind("bound", "amq.fanout", ""));
            channel.call::<exchange::DeleteOk>(delete_exchange("e"));
            channel.call::<DeleteOk>(delete("again"));
            channel.call::<DeclareOk<'_>>(durable("again"));
        },
        |channel| {
            assert!(!exists(channel, "q"));
            channel.publish("amq.fanout", "", "nobody's");
            assert_eq!((channel.ready("bound"), channel.ready("again")), (0, 0));
            channel.fails(
                passive_exchange("e"),
                404,
                "NOT_FOUND - no exchange 'e' in vhost '/'",
            );
        },
    );
}

#[test]
fn an_exchange_that_went_with_its_last_binding_stays_away() {
    around_a_restart(
        |channel| {
            declare_exchange(
                channel,
                Declare {
                    auto_delete: true,
                    ..durable_exchange("e", "direct")
                },
            );
            channel.call::<DeclareOk<'_>>(durable("q"));
            channel.call::<BindOk>(bind("q", "e", "k"));
            channel.call::<DeleteOk>(delete("q"));
        },
        |channel| {
            channel.fails(
                passive_exchange("e"),
                404,
                "NOT_FOUND - no exchange 'e' in vhost '/'",
            );
        },
    );
}

#[test]
fn declarations_are_compared_with_what_came_back() {
    let arguments = || FieldTable::from_iter([("x-message-ttl", 1000)]);
    let declare = |arguments| queue::Declare {
        arguments,
        ..durable("q")
    };
    around_a_restart(
        |channel| {
            channel.call::<DeclareOk<'_>>(declare(arguments()));
            declare_exchange(channel, durable_exchange("e", "direct"));
        },
        |channel| {
            channel.call::<DeclareOk<'_>>(declare(arguments()));
            let others = channel.connection().channel();
            others.fails(
                durable_exchange("e", "fanout"),
                406,
                "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'e' in vhost '/': \
                 received 'fanout' but current is 'direct'",
            );
            channel.fails(
                declare(FieldTable::from_iter([("x-message-ttl", 2000)])),
                406,
                "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': \
                 received '2000' but current is '1000'",
            );
        },
    );
}

#[test]
fn an_alternate_exchange_is_taken_again() {
    around_a_restart(
        |channel| {
            channel.call::<DeclareOk<'_>>(durable("q"));
            channel.call::<BindOk>(bind("q", "amq.fanout", ""));
            declare_exchange(
                channel,
                Declare {
                    arguments: FieldTable::from_iter([("alternate-exchange", "amq.fanout")]),
                    ..durable_exchange("e", "direct")
                },
            );
        },
        |channel| {
            channel.publish("e", "unmatched", "saved");
            assert_eq!(channel.drain("q"), ["saved"]);
        },
    );
}

#[test]
fn what_came_back_can_be_unbound_and_deleted_for_good() {
    let headers = |pairs: [(&'static str, i32); 2]| FieldTable::from_iter(pairs);
    let data = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let broker = Broker::on(data.path());
        let channel = broker.connect().channel();
        match round {
            0 => {
                channel.call::<DeclareOk<'_>>(durable("q"));
                channel.call::<BindOk>(queue::Bind {
                    arguments: headers([("a", 1), ("b", 2)]),
                    ..bind("q", "amq.headers", "")
                });
                channel.call::<BindOk>(bind("q", "amq.fanout", ""));
            }
            1 => {
                channel.call::<UnbindOk>(queue::Unbind {
                    arguments: headers([("b", 2), ("a", 1)]),
                    ..unbind("q", "amq.headers", "")
                });
                channel.publish("amq.fanout", "", "still bound");
                assert_eq!(channel.drain("q"), ["still bound"]);
                channel.call::<DeleteOk>(delete("q"));
                channel.call::<DeclareOk<'_>>(durable("q"));
            }
            _ => {
                channel.publish("amq.fanout", "", "lost");
                assert_eq!(channel.ready("q"), 0);
            }
        }
    }
}

#[test]
fn many_who_declare_the_same_at_once_get_the_same() {
    let data = tempfile::tempdir().unwrap();
    let broker = Broker::on(data.path());
    let connections: Vec<_> = (0..8).map(|_| broker.connect()).collect();
    let channels: Vec<_> = connections
        .iter()
        .map(|connection| connection.channel())
        .collect();
    for round in 0..20 {
        let name = format!("q{round}");
        channels.iter().for_each(|channel| channel.send(durable(&name)));
        for channel in &channels {
            assert_eq!(channel.expect::<DeclareOk<'_>>().queue, name);
        }
    }
    drop((channels, connections, broker));
    let broker = Broker::on(data.path());
    let channel = broker.connect().channel();
    (0..20).for_each(|round| assert!(exists(&channel, &format!("q{round}"))));
}

#[test]
fn without_a_data_directory_nothing_comes_back() {
    let broker = Broker::with(leveret::Config::local());
    broker.connect().channel().call::<DeclareOk<'_>>(durable("q"));
    drop(broker);
    let broker = Broker::with(leveret::Config::local());
    broker
        .connect()
        .channel()
        .fails(passive("q"), 404, "NOT_FOUND - no queue 'q' in vhost '/'");
}
