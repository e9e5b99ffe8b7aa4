//! `kill -9` again and again while long messages expire, are dead-lettered to two queues, or delayed: their bodies are written once.
//! None is lost, each queue has them in order, and nothing on the disk is damaged.
//!
//! `LEVERET_CRASH_ROUNDS=60 cargo test --release --test recovery forwarded::` is the long form.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use leveret_protocol::method::basic::Publish;
use leveret_protocol::method::exchange;
use leveret_protocol::method::queue::{BindOk, Declare, DeclareOk};
use leveret_protocol::{FieldTable, FieldValue, OwnedProperties};

use super::check;
use super::support::chance::Chance;
use super::support::messages::Confirm;
use super::support::methods::bind;
use super::support::process::BrokerProcess;
use super::support::{Channel, PATIENCE, eventually};
use super::{durable, durable_exchange};

/// Where messages get to.
const QUEUES: [&str; 3] = ["dead-1", "dead-2", "late"];
/// Messages of a round.
const MESSAGES: u32 = 300;
/// One of so many is never acknowledged.
const KEPT: u32 = 40;
/// The longest body.
const LONGEST: usize = 150_000;

#[test]
fn none_is_lost_though_a_body_is_written_once() {
    rounds(&[], 1);
}

#[test]
fn none_is_lost_with_several_logs() {
    rounds(&["--journals", "3"], 2);
}

fn rounds(arguments: &[&str], seed: u64) {
    let wanted = std::env::var("LEVERET_CRASH_ROUNDS").map_or(6, |text| text.parse().expect("a number"));
    let mut chance = Chance::new(seed);
    let data = tempfile::tempdir().unwrap();
    let mut broker = start(data.path(), arguments);
    declare(&broker.connect().channel());
    let mut got = QUEUES.map(|_| Got::default());
    let (mut next, mut borrowed) = (0, 0);
    for _ in 0..wanted {
        let publisher = broker.connect().channel();
        publisher.confirm_select();
        let readers = QUEUES.map(|queue| reader(&broker, queue));
        for (got, reader) in got.iter_mut().zip(&readers) {
            got.read_owed(reader);
        }
        (next..next + MESSAGES).for_each(|number| publish(&publisher, number));
        let confirmed = confirmed(&publisher, next, 1 + chance.below(MESSAGES as usize));
        for ((got, reader), queue) in got.iter_mut().zip(&readers).zip(QUEUES) {
            let here = confirmed.iter().filter(|number| goes_to(**number, queue));
            let here: Vec<u32> = here.copied().collect();
            let read = chance.below(here.len() + 1);
            got.owed.extend(here);
            for _ in 0..read {
                got.read(reader);
            }
        }
        next += MESSAGES;
        broker.signal("KILL");
        broker.ended(PATIENCE);
        borrowed += borrowers(data.path());
        broker = start(data.path(), arguments);
    }
    assert!(borrowed > 0, "no body was elsewhere");
    for (got, queue) in got.iter_mut().zip(QUEUES) {
        got.read_owed(&reader(&broker, queue));
    }
    end(broker, data.path(), arguments, &got);
}

/// What waits at the end is what was not acknowledged, and it is whole.
fn end(mut broker: BrokerProcess, data: &Path, arguments: &[&str], got: &[Got]) {
    let channel = broker.connect().channel();
    eventually("all have died", || channel.ready("source") == 0);
    broker.signal("TERM");
    broker.ended(PATIENCE);
    let waiting = check::waiting(&check::report(data, 0));
    let broker = start(data, arguments);
    let channel = broker.connect().channel();
    for (got, queue) in got.iter().zip(QUEUES) {
        let left: Vec<u32> = super::all(&channel, queue)
            .iter()
            .map(|got| number(&got.body))
            .collect();
        assert_eq!(waiting[queue], left.len() as u64, "{queue}");
        let left = BTreeSet::from_iter(left);
        let kept = got.seen.iter().filter(|number| number.is_multiple_of(KEPT));
        assert!(kept.copied().all(|number| left.contains(&number)), "{queue}");
    }
}

/// What a queue gave.
#[derive(Default)]
struct Got {
    seen: BTreeSet<u32>,
    /// What was confirmed, and was not seen when this was looked at last.
    owed: BTreeSet<u32>,
}

impl Got {
    /// Reads until all that was confirmed has come.
    fn read_owed(&mut self, reader: &Channel) {
        self.owed.retain(|number| !self.seen.contains(number));
        while !self.owed.is_empty() {
            let number = self.read(reader);
            self.owed.remove(&number);
        }
    }

    /// Takes a delivery, and mostly acknowledges it. One that comes for the first time was published after all that did before.
    fn read(&mut self, reader: &Channel) -> u32 {
        let delivery = reader.delivery();
        let number = number(&delivery.body);
        if self.seen.insert(number) {
            assert_eq!(self.seen.last(), Some(&number), "it comes after a later one");
        }
        if !number.is_multiple_of(KEPT) {
            reader.ack(delivery.tag);
        }
        number
    }
}

fn start(data: &Path, arguments: &[&str]) -> BrokerProcess {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
    command.args(arguments);
    BrokerProcess::start_by(command, data)
}

/// A queue whose messages die at once and go to two queues, and an exchange that delays those for a third.
fn declare(channel: &Channel) {
    channel.call::<exchange::DeclareOk>(durable_exchange("dying", "fanout"));
    channel.call::<exchange::DeclareOk>(exchange::Declare {
        arguments: FieldTable::from_iter([("x-delayed-type", "direct")]),
        ..durable_exchange("later", "x-delayed-message")
    });
    for queue in QUEUES {
        channel.call::<DeclareOk<'_>>(durable(queue));
    }
    for queue in ["dead-1", "dead-2"] {
        channel.call::<BindOk>(bind(queue, "dying", ""));
    }
    channel.call::<BindOk>(bind("late", "later", "source"));
    channel.call::<DeclareOk<'_>>(Declare {
        arguments: FieldTable::from_iter([
            ("x-dead-letter-exchange", FieldValue::from("dying")),
            ("x-message-ttl", FieldValue::I32(20)),
        ]),
        ..durable("source")
    });
}

fn reader(broker: &BrokerProcess, queue: &str) -> Channel {
    let channel = broker.connect().channel();
    channel.consume(queue);
    channel
}

/// One of three messages is delayed, the others die.
fn goes_to(number: u32, queue: &str) -> bool {
    number.is_multiple_of(3) == (queue == "late")
}

fn publish(channel: &Channel, number: u32) {
    let headers = FieldTable::from_iter([("x-delay", 50)]);
    let properties = OwnedProperties::new().with_headers(headers).with_delivery_mode(2);
    let publish = Publish {
        exchange: if goes_to(number, "late") { "later" } else { "" },
        routing_key: "source",
        ..Default::default()
    };
    channel.publish_as(publish, &properties.encode(), body(number));
}

/// Waits until so many messages of a round are confirmed, which begins with this number, and returns those that are.
fn confirmed(channel: &Channel, first: u32, wanted: usize) -> BTreeSet<u32> {
    let mut confirmed = BTreeSet::new();
    while confirmed.len() < wanted {
        match channel.confirm() {
            Confirm::Ack { tag, multiple } => {
                let last = first + tag as u32 - 1;
                confirmed.extend(if multiple { first } else { last }..=last);
            }
            nack => panic!("{nack:?}"),
        }
    }
    confirmed
}

/// Short, long and very long ones.
fn body(number: u32) -> Vec<u8> {
    let length = match number % 7 {
        0 => 10,
        1..5 => 400 + number as usize % 5_000,
        _ => LONGEST - number as usize % 50_000,
    };
    let mut body = number.to_le_bytes().to_vec();
    body.resize(4 + length, number as u8);
    body
}

/// The number in a body, which must be whole.
#[track_caller]
fn number(bytes: &[u8]) -> u32 {
    let number = u32::from_le_bytes(bytes[..4].try_into().unwrap());
    assert!(bytes == body(number), "{number} has another body");
    number
}

/// How many publications without a body the journals have. Nothing in them is damaged.
fn borrowers(data: &Path) -> u64 {
    let report = check::report(data, 0);
    let journals = report["journals"].as_array().unwrap().iter();
    let segments = journals.flat_map(|journal| journal["segments"].as_array().unwrap());
    segments
        .map(|segment| segment["records"]["borrowers"].as_u64().unwrap())
        .sum()
}
