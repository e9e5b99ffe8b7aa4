//! Exchanges of further types, after a restart.

use leveret_protocol::FieldTable;
use leveret_protocol::method::exchange::{Declare, DeclareOk};
use leveret_protocol::method::queue::{Bind, BindOk};

use super::support::methods::bind;
use super::support::{Broker, Channel};
use super::{all, declare_durable, durable_exchange};

/// Where each of these keys goes.
fn chosen(channel: &Channel, queues: &[&str]) -> Vec<String> {
    for key in 0..50 {
        channel.publish("hash", &format!("key{key}"), key.to_string());
    }
    let mut chosen: Vec<(u32, String)> = Vec::new();
    for queue in queues {
        for got in all(channel, queue) {
            let key = String::from_utf8(got.body).unwrap();
            chosen.push((key.parse().unwrap(), (*queue).to_owned()));
        }
    }
    chosen.sort();
    chosen.into_iter().map(|(_, queue)| queue).collect()
}

#[test]
fn durable_exchanges_of_every_type_come_back_and_choose_as_before() {
    let data = tempfile::tempdir().unwrap();
    let broker = Broker::on(data.path());
    let channel = broker.connect().channel();
    let kinds = [
        ("hash", "x-consistent-hash"),
        ("modulus", "x-modulus-hash"),
        ("random", "x-random"),
        ("local", "x-local-random"),
        ("reverse", "x-rtopic"),
        ("jms", "x-jms-topic"),
    ];
    for (name, kind) in kinds {
        channel.call::<DeclareOk>(durable_exchange(name, kind));
    }
    let recent = || Declare {
        arguments: FieldTable::from_iter([("x-recent-history-length", 1)]),
        ..durable_exchange("recent", "x-recent-history")
    };
    let once = || Declare {
        arguments: FieldTable::from_iter([("x-cache-size", 5)]),
        ..durable_exchange("once", "x-message-deduplication")
    };
    channel.call::<DeclareOk>(recent());
    channel.call::<DeclareOk>(once());
    let queues = ["a", "b", "c"];
    for (queue, weight) in queues.iter().zip(["1", "2", "3"]) {
        declare_durable(&channel, queue);
        channel.call::<BindOk>(bind(queue, "hash", weight));
    }
    declare_durable(&channel, "all");
    channel.call::<BindOk>(Bind {
        arguments: FieldTable::from_iter([("rjms_erlang_selector", "true.")]),
        ..bind("all", "jms", "")
    });
    let before = chosen(&channel, &queues);
    assert_eq!(before.len(), 50);
    drop((channel, broker));
    let broker = Broker::on(data.path());
    let channel = broker.connect().channel();
    for (name, kind) in kinds {
        channel.call::<DeclareOk>(durable_exchange(name, kind));
    }
    channel.call::<DeclareOk>(recent());
    channel.call::<DeclareOk>(once());
    assert_eq!(chosen(&channel, &queues), before);
    channel.publish("jms", "", "any");
    assert_eq!(channel.drain("all"), ["any"]);
    declare_durable(&channel, "late");
    channel.publish("recent", "", "one");
    channel.publish("recent", "", "two");
    channel.call::<BindOk>(bind("late", "recent", ""));
    assert_eq!(channel.drain("late"), ["two"]);
}
