//! What is left for later versions: something of everything that a data directory may hold.

use std::path::Path;
use std::time::Duration;

use leveret_protocol::method::queue::{BindOk, DeclareOk, DeleteOk};
use leveret_protocol::method::{basic, exchange, queue};
use leveret_protocol::{FieldTable, FieldValue, OwnedProperties};

use crate::support::process::BrokerProcess;
use crate::support::{Channel, PATIENCE, eventually, methods};
use crate::{PERSISTENT, declare_durable};

/// The queues that there were at any time.
pub(super) const QUEUES: [&str; 12] = [
    "plain", "large", "fan-1", "fan-2", "seen", "limited", "empty", "gone", "expiring", "counted", "lender",
    "borrower",
];

/// Gets what had died in a queue that was deleted, and is full when that is: one message is in the way.
pub(super) const MOURNER: &str = "mourner";

/// How long those messages live that expire: none does before the brokers that write have ended, all do before one looks.
pub(super) const EXPIRATION: Duration = Duration::from_secs(20);

/// The exchanges.
pub(super) const EXCHANGES: [(&str, Kind); 5] = [
    ("fan", Kind("fanout", false)),
    ("topics", Kind("topic", false)),
    ("matching", Kind("headers", false)),
    ("within", Kind("direct", true)),
    ("directly", Kind("direct", false)),
];

/// The type of an exchange, and whether it is internal.
#[derive(Clone, Copy)]
pub(super) struct Kind(&'static str, bool);

/// Delivery mode 2, and a header `kind` of the value `a`.
const PERSISTENT_AND_HEADER: &[u8] = b"\x30\0\0\0\0\x0b\x04kindS\0\0\0\x01a\x02";

impl Kind {
    pub(super) fn declaration<'a>(&'a self, name: &'a str) -> exchange::Declare<'a> {
        exchange::Declare {
            exchange: name,
            kind: self.0,
            internal: self.1,
            durable: true,
            ..Default::default()
        }
    }
}

/// A queue with arguments.
pub(super) fn limited() -> queue::Declare<'static> {
    queue::Declare {
        durable: true,
        auto_delete: true,
        arguments: FieldTable::from_iter([("x-max-length", FieldValue::I32(1000))]),
        ..methods::queue("limited")
    }
}

/// A queue that counts how often messages come back.
fn counted() -> queue::Declare<'static> {
    queue::Declare {
        durable: true,
        arguments: FieldTable::from_iter([("x-queue-type", FieldValue::from("quorum"))]),
        ..methods::queue("counted")
    }
}

fn mourner() -> queue::Declare<'static> {
    queue::Declare {
        durable: true,
        arguments: FieldTable::from_iter([
            ("x-max-length", FieldValue::from(1)),
            ("x-overflow", "reject-publish".into()),
        ]),
        ..methods::queue(MOURNER)
    }
}

/// A queue whose dead letters have the bodies of what died in it.
fn lender() -> queue::Declare<'static> {
    queue::Declare {
        durable: true,
        arguments: FieldTable::from_iter([
            ("x-dead-letter-exchange", ""),
            ("x-dead-letter-routing-key", "borrower"),
        ]),
        ..methods::queue("lender")
    }
}

/// Three of four long messages die. One of the dead letters is settled, and what that was, too.
fn lend(channel: &Channel) {
    channel.confirm_select();
    (0..4).for_each(|number| persistent(channel, "", "lender", format!("{number:0600}")));
    channel.acked(1, 4);
    for _ in 0..3 {
        let tag = channel.get("lender").unwrap().tag;
        channel.reject(tag, false);
    }
    eventually("they are dead letters", || channel.ready("borrower") == 3);
    let tag = channel.get("borrower").unwrap().tag;
    channel.ack(tag);
    // Takes with it to the disk what was settled.
    persistent(channel, "", "lender", "short");
    channel.acked(5, 5);
}

/// A queue in which two of three messages die, and that is deleted then.
fn depart(channel: &Channel) {
    channel.call::<DeclareOk<'_>>(mourner());
    channel.call::<DeclareOk<'_>>(queue::Declare {
        durable: true,
        arguments: FieldTable::from_iter([
            ("x-max-length", FieldValue::from(1)),
            ("x-dead-letter-exchange", "".into()),
            ("x-dead-letter-routing-key", MOURNER.into()),
        ]),
        ..methods::queue("mourned")
    });
    persistent(channel, "", MOURNER, "in the way");
    channel.acked(11, 11);
    (0..3).for_each(|number| persistent(channel, "", "mourned", format!("mourned {number}")));
    channel.acked(12, 14);
    channel.call::<DeleteOk>(methods::delete("mourned"));
}

/// Messages whose ways tell which bindings there are: exchange, routing key, properties.
pub(super) fn probes() -> Vec<(&'static str, &'static str, &'static [u8])> {
    vec![
        ("fan", "", &[0, 0]),
        ("topics", "a.b", &[0, 0]),
        ("topics", "b.c", &[0, 0]),
        ("matching", "", PERSISTENT_AND_HEADER),
        ("matching", "", &[0, 0]),
        ("directly", "k", &[0, 0]),
        ("amq.direct", "k", &[0, 0]),
    ]
}

/// Leaves a directory that two brokers have worked in, one after the other; the last one ends by this signal.
pub(super) fn write(data: &Path, signal: &str) {
    let mut broker = BrokerProcess::start_in(data);
    let channel = broker.connect().channel();
    declare(&channel);
    channel.confirm_select();
    publish(&channel);
    // Settled: one stretch, and one message beyond it.
    let tags: Vec<u64> = (0..6).map(|_| channel.get("fan-1").unwrap().tag).collect();
    channel.ack_up_to(tags[2]);
    channel.ack(tags[4]);
    // Delivered, and not settled.
    (0..2).for_each(|_| drop(channel.get("seen")));
    give_back(&channel);
    channel.call::<DeleteOk>(methods::delete("gone"));
    broker.signal("TERM");
    broker.ended(PATIENCE);

    let mut broker = BrokerProcess::start_in(data);
    let channel = broker.connect().channel();
    channel.confirm_select();
    (0..3).for_each(|number| persistent(&channel, "fan", "", format!("later {number}")));
    channel.acked(1, 3);
    let tag = channel.get("fan-2").unwrap().tag;
    channel.reject(tag, false);
    // Takes with it to the disk what was settled.
    persistent(&channel, "", "fan-2", "last");
    channel.acked(4, 4);
    give_back(&channel);
    for number in 0..6 {
        let properties = OwnedProperties::new().with_delivery_mode(2);
        let properties = match number % 2 {
            0 => properties.with_expiration(EXPIRATION.as_millis().to_string().as_str()),
            _ => properties,
        };
        channel.publish_with("expiring", &properties.encode(), format!("expiring {number}"));
    }
    channel.acked(5, 10);
    depart(&channel);
    lend(&broker.connect().channel());
    broker.signal(signal);
    broker.ended(PATIENCE);
}

fn declare(channel: &Channel) {
    for name in QUEUES {
        match name {
            "limited" => drop(channel.call::<DeclareOk<'_>>(limited())),
            "lender" => drop(channel.call::<DeclareOk<'_>>(lender())),
            "counted" => drop(channel.call::<DeclareOk<'_>>(counted())),
            name => declare_durable(channel, name),
        }
    }
    for (name, kind) in EXCHANGES {
        channel.call::<exchange::DeclareOk>(kind.declaration(name));
    }
    for queue in ["fan-1", "fan-2", "gone"] {
        channel.call::<BindOk>(methods::bind(queue, "fan", ""));
    }
    channel.call::<BindOk>(methods::bind("plain", "topics", "a.*"));
    channel.call::<BindOk>(methods::bind("empty", "topics", "#"));
    channel.call::<BindOk>(methods::bind("seen", "within", "k"));
    channel.call::<BindOk>(methods::bind("plain", "amq.direct", "k"));
    channel.call::<exchange::BindOk>(methods::bind_exchange("within", "directly", "k"));
    let text = |text: &'static str| FieldValue::LongString(text.as_bytes().into());
    channel.call::<BindOk>(queue::Bind {
        arguments: FieldTable::from_iter([("x-match", text("all")), ("kind", text("a"))]),
        ..methods::bind("limited", "matching", "")
    });
}

fn publish(channel: &Channel) {
    (0..8).for_each(|number| persistent(channel, "fan", "key", format!("fanned out {number}")));
    (0..4).for_each(|number| persistent(channel, "directly", "k", format!("delivered {number}")));
    (0..3).for_each(|number| persistent(channel, "topics", "a.b", format!("plain {number}")));
    channel.publish("", "plain", "transient");
    channel.publish_with("limited", PERSISTENT_AND_HEADER, "with a header");
    // Equal bytes, so that it is small when it is packed.
    channel.publish_with("large", &PERSISTENT, vec![b'x'; 400_000]);
    (0..2).for_each(|number| persistent(channel, "", "counted", format!("counted {number}")));
    channel.acked(1, 20);
    // What was for the binding of all.
    channel.drain("empty");
}

/// The first message that is counted comes back.
fn give_back(channel: &Channel) {
    let tag = channel.get("counted").unwrap().tag;
    channel.reject(tag, true);
}

fn persistent(channel: &Channel, exchange: &str, routing_key: &str, body: impl AsRef<[u8]>) {
    let publish = basic::Publish {
        exchange,
        routing_key,
        ..Default::default()
    };
    channel.publish_as(publish, &PERSISTENT, body);
}
