//! `kill -9` while messages are dead-lettered or delayed: none is lost.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use leveret::broker::Redrive;
use leveret_actors::fault::LATE;
use leveret_protocol::method::basic::{Nack, Publish};
use leveret_protocol::method::exchange;
use leveret_protocol::method::queue::{BindOk, Declare, DeclareOk};
use leveret_protocol::{FieldTable, FieldValue, OwnedProperties};

use super::support::methods::bind;
use super::support::process::BrokerProcess;
use super::support::{Broker, Channel, PATIENCE, eventually};
use super::{PERSISTENT, durable, durable_exchange};

fn kill(mut broker: BrokerProcess) {
    broker.signal("KILL");
    broker.ended(PATIENCE);
}

/// Declares a durable queue "source" whose dead letters go to a durable queue "dead".
fn declare(channel: &Channel) {
    channel.call::<DeclareOk<'_>>(durable("dead"));
    channel.call::<DeclareOk<'_>>(Declare {
        arguments: FieldTable::from_iter([
            ("x-dead-letter-exchange", ""),
            ("x-dead-letter-routing-key", "dead"),
        ]),
        ..durable("source")
    });
}

/// Publishes persistent messages with these numbers and waits until all are confirmed.
fn publish(channel: &Channel, queue: &str, numbers: std::ops::Range<u32>) {
    channel.confirm_select();
    let count = u64::from(numbers.end - numbers.start);
    numbers.for_each(|number| channel.publish_with(queue, &PERSISTENT, number.to_string()));
    channel.acked(1, count);
}

/// Takes and acknowledges everything in a queue.
fn drain(channel: &Channel, queue: &str) -> Vec<u32> {
    let bodies = channel.drain(queue);
    bodies.iter().map(|body| body.parse().unwrap()).collect()
}

#[test]
fn a_kill_among_rejections_loses_none_of_the_rejected() {
    const MESSAGES: u32 = 3_000;
    let data = tempfile::tempdir().unwrap();
    let mut broker = BrokerProcess::start_in(data.path());
    let channel = broker.connect().channel();
    declare(&channel);
    publish(&channel, "source", 0..MESSAGES);
    let mut dead = BTreeSet::new();
    // Each round ends in the middle of what it rejects.
    for round in 1..=3 {
        let channel = broker.connect().channel();
        channel.consume("source");
        for _ in 0..MESSAGES / 5 * round / 2 {
            channel.reject(channel.delivery().tag, false);
        }
        let witness = broker.connect().channel();
        witness.consume("dead");
        for _ in 0..MESSAGES / 20 {
            let delivery = witness.delivery();
            let number: u32 = String::from_utf8(delivery.body).unwrap().parse().unwrap();
            dead.insert(number);
        }
        kill(broker);
        broker = BrokerProcess::start_in(data.path());
    }
    let channel = broker.connect().channel();
    let left = drain(&channel, "source");
    let mut all: BTreeSet<u32> = drain(&channel, "dead").into_iter().collect();
    assert!(all.is_superset(&dead), "what was seen and not settled is there");
    assert!(all.len() >= MESSAGES as usize / 20, "something was dead-lettered");
    all.extend(left);
    assert!(all.into_iter().eq(0..MESSAGES));
}

#[test]
fn a_clean_stop_among_rejections_loses_none_either() {
    const MESSAGES: u32 = 1_000;
    let data = tempfile::tempdir().unwrap();
    let mut broker = BrokerProcess::start_in(data.path());
    let channel = broker.connect().channel();
    declare(&channel);
    publish(&channel, "source", 0..MESSAGES);
    channel.consume("source");
    for _ in 0..MESSAGES {
        channel.reject(channel.delivery().tag, false);
    }
    broker.signal("TERM");
    broker.ended(PATIENCE);
    let broker = BrokerProcess::start_in(data.path());
    let channel = broker.connect().channel();
    let mut all: BTreeSet<u32> = drain(&channel, "source").into_iter().collect();
    all.extend(drain(&channel, "dead"));
    assert!(all.into_iter().eq(0..MESSAGES));
}

#[test]
fn blind_copies_are_remembered_and_hidden_across_a_kill() {
    let data = tempfile::tempdir().unwrap();
    let broker = BrokerProcess::start_in(data.path());
    let channel = broker.connect().channel();
    for name in ["dead", "blind"] {
        channel.call::<DeclareOk<'_>>(durable(name));
        channel.call::<BindOk>(bind(name, "amq.direct", name));
    }
    channel.call::<DeclareOk<'_>>(Declare {
        arguments: FieldTable::from_iter([("x-dead-letter-exchange", "amq.direct")]),
        ..durable("source")
    });
    channel.confirm_select();
    let keys = FieldValue::Array(vec!["elsewhere".into(), "blind".into()]);
    let headers = FieldTable::from_iter([("BCC", keys)]);
    let properties = OwnedProperties::new().with_headers(headers).with_delivery_mode(2);
    channel.publish_with("source", &properties.encode(), "1");
    channel.acked(1, 1);
    assert_eq!(drain(&channel, "blind"), [1]);
    kill(broker);
    let broker = BrokerProcess::start_in(data.path());
    let channel = broker.connect().channel();
    channel.consume("source");
    let delivery = channel.delivery();
    let needle = |window: &[u8]| window == b"BCC";
    assert!(!delivery.properties.windows(3).any(needle));
    channel.reject(delivery.tag, false);
    channel.consume("blind");
    assert_eq!(channel.delivery().body, b"1");
}

#[test]
fn delayed_messages_keep_their_time_across_a_kill() {
    const MESSAGES: u32 = 500;
    let data = tempfile::tempdir().unwrap();
    let broker = BrokerProcess::start_in(data.path());
    let channel = broker.connect().channel();
    channel.call::<exchange::DeclareOk>(exchange::Declare {
        arguments: FieldTable::from_iter([("x-delayed-type", "direct")]),
        ..durable_exchange("later", "x-delayed-message")
    });
    channel.call::<DeclareOk<'_>>(durable("q"));
    channel.call::<BindOk>(bind("q", "later", "k"));
    channel.confirm_select();
    for number in 0..MESSAGES {
        let headers = FieldTable::from_iter([("x-delay", 1_500 - number)]);
        let properties = OwnedProperties::new().with_headers(headers).with_delivery_mode(2);
        let publish = Publish {
            exchange: "later",
            routing_key: "k",
            ..Default::default()
        };
        channel.publish_as(publish, &properties.encode(), number.to_string());
    }
    channel.acked(1, MESSAGES.into());
    kill(broker);
    let broker = BrokerProcess::start_in(data.path());
    let channel = broker.connect().channel();
    channel.consume("q");
    let mut got = BTreeSet::new();
    while got.len() < MESSAGES as usize {
        let delivery = channel.delivery();
        let number: u32 = String::from_utf8(delivery.body).unwrap().parse().unwrap();
        got.insert(number);
        channel.ack(delivery.tag);
    }
    assert!(got.into_iter().eq(0..MESSAGES));
}

/// Says where the data are to the process that redrives them and is killed.
const REDRIVES: &str = "LEVERET_TEST_REDRIVES";

/// Redrives what is in "dead" in a broker of this process, says when some of it is back, and waits until it is killed.
fn redrive_until_killed(data: &Path) -> ! {
    let broker = Broker::on(data);
    let channel = broker.connect().channel();
    let before = channel.ready("source");
    let api = broker.server().broker();
    std::thread::scope(|scope| {
        scope.spawn(move || redrive(api));
        eventually("some are back", || channel.ready("source") > before);
        eprintln!("{REDRIVES}");
        loop {
            std::thread::park();
        }
    })
}

fn redrive(broker: &leveret::broker::Broker) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let redrive = Redrive::default();
    let redriven = broker.redrive("/", "dead", &redrive);
    runtime.block_on(redriven).unwrap();
}

#[test]
fn a_kill_while_dead_letters_are_redriven_loses_none_of_them() {
    const MESSAGES: u32 = 6_000;
    if let Some(data) = std::env::var_os(REDRIVES) {
        redrive_until_killed(data.as_ref());
    }
    let data = tempfile::tempdir().unwrap();
    let broker = Broker::on(data.path());
    let channel = broker.connect().channel();
    declare(&channel);
    publish(&channel, "source", 0..MESSAGES);
    channel.consume("source");
    channel.deliveries(MESSAGES as usize);
    channel.send(Nack {
        delivery_tag: 0,
        multiple: true,
        requeue: false,
    });
    eventually("all are dead", || channel.ready("dead") == MESSAGES);
    drop((channel, broker));
    let name = "dead_letters::a_kill_while_dead_letters_are_redriven_loses_none_of_them";
    let mut rounds = 0;
    // The last rounds may find nothing that is left to be redriven.
    for _ in 0..3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(REDRIVES, data.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let told = BufReader::new(child.stderr.take().unwrap()).lines();
        let midway = told.map_while(Result::ok).any(|line| line == REDRIVES);
        child.kill().unwrap();
        child.wait().unwrap();
        rounds += u32::from(midway);
    }
    assert!(rounds > 0);
    let broker = Broker::on(data.path());
    let channel = broker.connect().channel();
    let (left, back) = (channel.ready("dead"), channel.ready("source"));
    assert!(left + back >= MESSAGES, "{left} and {back}");
    redrive(broker.server().broker());
    eventually("all are back", || channel.ready("dead") == 0);
    let all: BTreeSet<u32> = drain(&channel, "source").into_iter().collect();
    assert!(all.into_iter().eq(0..MESSAGES));
}

#[test]
fn what_expired_while_the_broker_was_down_finds_exchanges_that_come_back_after_its_queue() {
    /// So many that every worker has some.
    const QUEUES: u32 = 50;
    let data = tempfile::tempdir().unwrap();
    let broker = BrokerProcess::start_in(data.path());
    let channel = broker.connect().channel();
    channel.call::<exchange::DeclareOk>(durable_exchange(LATE, "topic"));
    channel.call::<DeclareOk<'_>>(durable("dead"));
    channel.call::<BindOk>(bind("dead", LATE, "#"));
    for number in 0..QUEUES {
        channel.call::<DeclareOk<'_>>(Declare {
            arguments: FieldTable::from_iter([("x-dead-letter-exchange", LATE)]),
            ..durable(&format!("q{number}"))
        });
    }
    channel.confirm_select();
    let short = OwnedProperties::new()
        .with_expiration("1000")
        .with_delivery_mode(2);
    for number in 0..QUEUES {
        channel.publish_with(&format!("q{number}"), &short.encode(), number.to_string());
    }
    channel.acked(1, QUEUES.into());
    kill(broker);
    // It is time that has to pass, and nothing tells of that.
    std::thread::sleep(Duration::from_millis(1_050));
    let broker = BrokerProcess::start_in(data.path());
    let channel = broker.connect().channel();
    let mut come = BTreeSet::new();
    channel.consume("dead");
    while come.len() < QUEUES as usize {
        let delivery = channel.delivery();
        let number: u32 = String::from_utf8(delivery.body).unwrap().parse().unwrap();
        come.insert(number);
    }
}
