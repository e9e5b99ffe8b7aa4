//! Policies that change while messages flow: each message is consumed or dies, and none does both.

use leveret::policy::{ApplyTo, Policy, PolicyClass};
use leveret_protocol::FieldTable;
use leveret_protocol::method::basic::Get;
use leveret_protocol::types::FieldValue;

use crate::support::methods::get;
use crate::support::{Broker, Channel, eventually};

const MESSAGES: u32 = 10_000;
/// Publications between two changes.
const WINDOW: u32 = 100;

/// The limits that hold in turn.
const LIMITS: [[(&str, i32); 2]; 4] = [
    [("max-length", 50), ("message-ttl", 60_000)],
    [("max-length", 100_000), ("message-ttl", 20)],
    [("max-length", 100_000), ("max-length-bytes", 300)],
    [("max-length", 100_000), ("expires", 600_000)],
];

#[test]
fn what_flows_while_policies_change_is_consumed_or_dies() {
    let broker = Broker::with(leveret::Config::local());
    let consumer = broker.connect().channel();
    consumer.declare("q");
    consumer.declare("dead");
    set(&broker, &[]);
    let publisher = broker.connect().channel();
    publisher.confirm_select();
    let mut seen = Vec::new();
    for (first, limits) in (0..MESSAGES).step_by(WINDOW as usize).zip(LIMITS.iter().cycle()) {
        let numbers = first..first + WINDOW;
        numbers.for_each(|number| publisher.publish("", "q", number.to_string()));
        set(&broker, limits);
        seen.extend((0..WINDOW / 4).filter_map(|_| take(&consumer)));
        publisher.acked(u64::from(first) + 1, u64::from(first + WINDOW));
    }
    set(&broker, &[]);
    eventually("all are there", || {
        let left = ["q", "dead"].map(|queue| consumer.drain(queue)).concat();
        seen.extend(left.iter().map(|body| number(body.as_bytes())));
        seen.len() >= MESSAGES as usize
    });
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..MESSAGES));
}

/// Sets the only policy: these limits, and that what dies of them goes to `dead`.
fn set(broker: &Broker, limits: &[(&str, i32)]) {
    let mut definition = FieldTable::from_iter([
        ("dead-letter-exchange", FieldValue::from("")),
        ("dead-letter-routing-key", "dead".into()),
    ]);
    for &(key, value) in limits {
        definition.insert(key, value);
    }
    let policy = Policy {
        name: "limits".into(),
        pattern: "^q$".to_owned(),
        definition,
        priority: 0,
        apply_to: ApplyTo::All,
    };
    let api = broker.server().broker();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let set = runtime.block_on(api.set_policy("/", PolicyClass::Ordinary, policy));
    set.unwrap();
}

/// Takes a message, if one is there.
fn take(channel: &Channel) -> Option<u32> {
    let got = channel.get_as(Get {
        no_ack: true,
        ..get("q")
    });
    got.map(|got| number(&got.body))
}

fn number(body: &[u8]) -> u32 {
    str::from_utf8(body).unwrap().parse().unwrap()
}
