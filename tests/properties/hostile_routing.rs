//! Bindings and keys made to be hard to match cost their publisher time, and nobody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use leveret::Config;
use leveret_protocol::OwnedProperties;
use leveret_protocol::method::queue::Bind;
use leveret_protocol::types::{FieldTable, FieldValue};

use crate::support::chance::Chance;
use crate::support::methods::bind;
use crate::support::{Broker, Channel, Connection};

#[test]
fn others_are_served_between_publications_that_are_hard_to_route() {
    served_meanwhile(|channel| {
        let mut chance = Chance::new(7);
        bind_hard_patterns(channel, &mut chance);
        channel.confirm_select();
        for _ in 0..100 {
            channel.publish("amq.topic", &hard(&mut chance, &["a", "b"]), "x");
        }
        channel.acked(1, 100);
    });
}

#[test]
fn others_are_served_while_a_transaction_that_is_hard_to_route_is_committed() {
    served_meanwhile(|channel| {
        let mut chance = Chance::new(8);
        bind_hard_patterns(channel, &mut chance);
        channel.tx_select();
        // More keys than a channel remembers routes.
        for number in 0..1_100 {
            channel.publish("amq.topic", &number.to_string(), "x");
        }
        for _ in 0..60 {
            channel.publish("amq.topic", &hard(&mut chance, &["a", "b"]), "x");
        }
        channel.commit();
    });
}

/// How often the other client must be served.
const SERVED: usize = 20;
/// Floods it may take. A worker that cannot be interrupted serves it once or twice in each.
const MOST_FLOODS: usize = 5;

/// Runs floods on a broker with one worker, on which another client must be served all the time. How often it is
/// served in one depends on how busy the machine is, so there are more of them while that is not enough.
fn served_meanwhile(flood: impl Fn(&Channel)) {
    let broker = Broker::with(Config {
        workers: 1,
        ..Config::local()
    });
    let address = broker.address();
    let over = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicUsize::new(0));
    let (ends, serves) = (Arc::clone(&over), Arc::clone(&served));
    let other = thread::spawn(move || {
        let connection = Connection::over_tcp(address, "/");
        connection.open("/");
        let channel = connection.channel();
        channel.declare("quiet");
        while !ends.load(Ordering::Relaxed) {
            channel.publish("", "quiet", "x");
            assert_eq!(channel.drain("quiet"), ["x"]);
            serves.fetch_add(1, Ordering::Relaxed);
        }
    });
    for _ in 0..MOST_FLOODS {
        flood(&broker.connect().channel());
        if served.load(Ordering::Relaxed) >= SERVED {
            break;
        }
    }
    over.store(true, Ordering::Relaxed);
    other.join().expect("the other client was served");
    let served = served.load(Ordering::Relaxed);
    assert!(served >= SERVED, "{served} times");
}

fn bind_hard_patterns(channel: &Channel, chance: &mut Chance) {
    channel.declare("hard");
    for _ in 0..40 {
        channel.send(Bind {
            nowait: true,
            ..bind("hard", "amq.topic", &hard(chance, &["#", "*", "a"]))
        });
    }
    channel.ready("hard");
}

fn hard(chance: &mut Chance, words: &[&str]) -> String {
    let words: Vec<&str> = (0..100).map(|_| words[chance.below(words.len())]).collect();
    words.join(".")
}

#[test]
fn thousands_of_carbon_copies_reach_each_queue_once() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    for queue in ["one", "two"] {
        channel.declare(queue);
        for pattern in ["#", "k.*", "*.7"] {
            channel.send(Bind {
                nowait: true,
                ..bind(queue, "amq.topic", pattern)
            });
        }
    }
    let keys: Vec<FieldValue> = (0..5_000)
        .map(|n| FieldValue::from(format!("k.{n}").as_str()))
        .collect();
    let properties = OwnedProperties {
        headers: Some(FieldTable::from_iter([("CC", FieldValue::Array(keys))])),
        ..Default::default()
    };
    let copied = leveret_protocol::method::basic::Publish {
        exchange: "amq.topic",
        routing_key: "k",
        ..Default::default()
    };
    channel.publish_as(copied, &properties.encode(), "copied");
    assert_eq!(
        (channel.drain("one"), channel.drain("two")),
        (vec!["copied".to_owned()], vec!["copied".to_owned()])
    );
}
