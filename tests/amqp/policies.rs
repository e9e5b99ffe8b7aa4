//! Policies: set and cleared by the program that embeds the broker, seen by clients.

use leveret::broker::PolicyError;
use leveret::node::Settings;
use leveret::policy::{ApplyTo, Policy, PolicyClass};
use leveret_protocol::method::{basic, exchange as exchanges, queue as queues};
use leveret_protocol::types::{FieldTable, FieldValue};

use crate::support::messages::Confirm;
use crate::support::methods::{bind, exchange, queue};
use crate::support::{Broker, Channel};

/// Waits for an answer of the broker.
pub(crate) fn answer<T>(asked: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(asked)
}

fn policy(name: &str, pattern: &str, definition: FieldTable) -> Policy {
    Policy {
        name: name.into(),
        pattern: pattern.to_owned(),
        definition,
        priority: 0,
        apply_to: ApplyTo::All,
    }
}

fn alternate(name: &str, pattern: &str, exchange: &str) -> Policy {
    policy(
        name,
        pattern,
        FieldTable::from_iter([("alternate-exchange", exchange)]),
    )
}

fn set(broker: &Broker, policy: Policy) {
    let set = broker
        .server()
        .broker()
        .set_policy("/", PolicyClass::Ordinary, policy);
    answer(set).unwrap();
}

fn clear(broker: &Broker, name: &str) -> bool {
    let cleared = broker
        .server()
        .broker()
        .clear_policy("/", PolicyClass::Ordinary, name);
    answer(cleared).unwrap()
}

fn own() -> Broker {
    Broker::adjusted(|_: &mut Settings| ())
}

/// A queue that takes what goes to an exchange of its name.
fn net(channel: &Channel, name: &str) {
    channel.call::<exchanges::DeclareOk>(exchange(name, "fanout"));
    channel.call::<queues::DeclareOk<'_>>(queue(name));
    channel.call::<queues::BindOk>(bind(name, name, ""));
}

#[test]
fn an_alternate_exchange_comes_and_goes_with_its_policy() {
    let broker = own();
    let channel = broker.connect().channel();
    net(&channel, "one");
    net(&channel, "two");
    channel.call::<exchanges::DeclareOk>(exchange("source", "direct"));
    // An answer on the channel tells that the publication before it was routed.
    let publish = |exchange: &str, body: &str| {
        channel.publish(exchange, "nowhere", body);
        channel.ready("one");
    };
    publish("source", "before");
    set(&broker, alternate("p", "^sou", "one"));
    publish("source", "to one");
    set(&broker, alternate("p", "^sou", "two"));
    publish("source", "to two");
    channel.call::<exchanges::DeclareOk>(exchange("source later", "direct"));
    publish("source later", "later to two");
    assert!(clear(&broker, "p"));
    assert!(!clear(&broker, "p"));
    publish("source", "after");
    assert_eq!(channel.drain("one"), ["to one"]);
    assert_eq!(channel.drain("two"), ["to two", "later to two"]);
}

#[test]
fn a_declared_alternate_exchange_goes_before_a_policy() {
    let broker = own();
    let channel = broker.connect().channel();
    net(&channel, "declared");
    net(&channel, "of policy");
    set(&broker, alternate("p", "", "of policy"));
    channel.call::<exchanges::DeclareOk>(exchanges::Declare {
        arguments: FieldTable::from_iter([("alternate-exchange", "declared")]),
        ..exchange("source", "direct")
    });
    channel.publish("source", "nowhere", "x");
    assert_eq!(channel.drain("declared"), ["x"]);
    assert_eq!(channel.drain("of policy"), Vec::<String>::new());
}

/// Waits until a queue has so many messages.
#[track_caller]
fn shrinks(channel: &Channel, queue: &str, ready: u32) {
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while channel.ready(queue) != ready {
        assert!(std::time::Instant::now() < deadline, "{}", channel.ready(queue));
        std::thread::yield_now();
    }
}

#[test]
fn a_policy_limits_queues_that_exist_and_those_to_come() {
    let broker = own();
    let channel = broker.connect().channel();
    channel.declare("jobs");
    channel.declare("others");
    for number in 0..10 {
        channel.publish("", "jobs", number.to_string());
        channel.publish("", "others", number.to_string());
    }
    assert_eq!((channel.ready("jobs"), channel.ready("others")), (10, 10));
    let limit = |length: i32| policy("p", "^jobs", FieldTable::from_iter([("max-length", length)]));
    set(&broker, limit(4));
    shrinks(&channel, "jobs", 4);
    channel.declare("jobs later");
    for number in 0..10 {
        channel.publish("", "jobs later", number.to_string());
    }
    assert_eq!(channel.drain("jobs later"), ["6", "7", "8", "9"]);
    set(&broker, limit(2));
    shrinks(&channel, "jobs", 2);
    clear(&broker, "p");
    channel.publish("", "jobs", "10");
    assert_eq!(channel.drain("jobs"), ["8", "9", "10"]);
    assert_eq!(channel.ready("others"), 10);
}

#[test]
fn a_time_to_live_set_later_holds_for_what_comes_later() {
    let broker = own();
    let channel = broker.connect().channel();
    channel.declare("q");
    let ttl = |ms: i32| policy("p", "^q$", FieldTable::from_iter([("message-ttl", ms)]));
    channel.publish("", "q", "without");
    channel.ready("q");
    set(&broker, ttl(3_600_000));
    channel.publish("", "q", "an hour");
    channel.ready("q");
    set(&broker, ttl(50));
    channel.publish("", "q", "no time");
    shrinks(&channel, "q", 2);
    assert_eq!(channel.drain("q"), ["without", "an hour"]);
}

#[test]
fn dead_letters_go_where_a_policy_says() {
    let broker = own();
    let channel = broker.connect().channel();
    net(&channel, "graveyard");
    channel.declare("q");
    let buried = FieldTable::from_iter([
        ("dead-letter-exchange", FieldValue::from("graveyard")),
        ("message-ttl", 0.into()),
    ]);
    set(&broker, policy("p", "^q$", buried));
    channel.publish("", "q", "short-lived");
    shrinks(&channel, "graveyard", 1);
    assert_eq!(channel.drain("graveyard"), ["short-lived"]);
    assert!(clear(&broker, "p"));
    channel.publish("", "q", "lasting");
    assert_eq!(channel.drain("q"), ["lasting"]);
}

#[test]
fn what_a_full_queue_does_changes_with_its_policy() {
    let broker = own();
    let channel = broker.connect().channel();
    channel.declare("q");
    let full = |overflow: &str| {
        let definition =
            FieldTable::from_iter([("max-length", FieldValue::from(1)), ("overflow", overflow.into())]);
        set(&broker, policy("p", "^q$", definition));
    };
    channel.confirm_select();
    full("reject-publish");
    channel.publish("", "q", "a");
    channel.publish("", "q", "b");
    assert_eq!(channel.answers(2), (vec![1], vec![2]));
    full("drop-head");
    channel.publish("", "q", "c");
    channel.acked(3, 3);
    shrinks(&channel, "q", 1);
    full("reject-publish");
    channel.publish("", "q", "d");
    assert!(matches!(channel.confirm(), Confirm::Nack { tag: 4, .. }));
    assert_eq!(channel.drain("q"), ["c"]);
}

#[test]
fn how_often_and_when_a_message_comes_back_changes_with_its_policy() {
    let broker = own();
    let channel = broker.connect().channel();
    channel.declare("q");
    net(&channel, "given up");
    channel.publish("", "q", "x");
    // The answer tells that it is back.
    let come_back = || {
        channel.requeue(channel.get("q").unwrap().tag);
        channel.ready("q")
    };
    assert_eq!([come_back(), come_back(), come_back()], [1; 3], "nobody counts");
    let resting = FieldTable::from_iter([("delayed-retry-min", 500)]);
    set(&broker, policy("p", "^q$", resting));
    assert_eq!(come_back(), 0, "it rests");
    shrinks(&channel, "q", 1);
    let limited = FieldTable::from_iter([
        ("delivery-limit", FieldValue::from(2)),
        ("dead-letter-exchange", "given up".into()),
    ]);
    set(&broker, policy("p", "^q$", limited));
    assert_eq!(come_back(), 1, "it does not rest any more");
    assert_eq!(come_back(), 0, "it came back three times");
    shrinks(&channel, "given up", 1);
}

#[test]
fn a_consumer_timeout_set_later_holds_for_what_is_held_already() {
    let broker = own();
    let connection = broker.connect();
    let (stuck, other) = (connection.channel(), connection.channel());
    stuck.declare("q");
    stuck.publish("", "q", "x");
    let tag = stuck.consume("q");
    stuck.delivery();
    let limit = |ms: i32| policy("p", "^q$", FieldTable::from_iter([("consumer-timeout", ms)]));
    set(&broker, limit(3_600_000));
    assert_eq!(other.ready("q"), 0);
    set(&broker, limit(200));
    assert_eq!(stuck.expect::<basic::Cancel<'_>>().consumer_tag, tag);
    assert_eq!(other.drain("q"), ["x"]);
    clear(&broker, "p");
    stuck.publish("", "q", "y");
    let tag = stuck.consume("q");
    stuck.delivery();
    set(&broker, limit(200));
    assert_eq!(stuck.expect::<basic::Cancel<'_>>().consumer_tag, tag);
    assert_eq!(other.drain("q"), ["y"]);
}

#[test]
fn a_queue_without_consumers_ends_when_a_policy_lets_it_expire() {
    let broker = own();
    let connection = broker.connect();
    let channel = connection.channel();
    channel.declare("q");
    set(
        &broker,
        policy("p", "^q$", FieldTable::from_iter([("expires", 1)])),
    );
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    let directory = broker.server().broker().node().vhost("/").unwrap();
    while directory.directory.queue("q").is_some() {
        assert!(std::time::Instant::now() < deadline, "it is still there");
        std::thread::yield_now();
    }
}

#[test]
fn what_holds_for_an_object_can_be_asked() {
    let broker = own();
    let channel = broker.connect().channel();
    channel.call::<queues::DeclareOk<'_>>(queue("q"));
    set(
        &broker,
        policy("p", "^q$", FieldTable::from_iter([("max-length", 5)])),
    );
    let api = broker.server().broker();
    let bound = policy("o", "", FieldTable::from_iter([("max-length", 3)]));
    answer(api.set_policy("/", PolicyClass::Operator, bound.clone())).unwrap();
    let applied = api.policies_of_queue("/", "q").unwrap().unwrap();
    assert_eq!(applied.policy.as_deref(), Some("p"));
    assert_eq!(applied.operator_policy.as_deref(), Some("o"));
    assert_eq!(
        applied.effective_policy_definition,
        FieldTable::from_iter([("max-length", 3)])
    );
    assert_eq!(api.policies("/", PolicyClass::Operator).unwrap(), [bound]);
    assert_eq!(
        api.policies_of_exchange("/", "amq.direct")
            .unwrap()
            .unwrap()
            .policy,
        None
    );
    assert_eq!(api.policies_of_queue("/", "missing"), Ok(None));
}

#[test]
fn a_policy_that_does_not_fit_changes_nothing() {
    let broker = own();
    let api = broker.server().broker();
    let wrong = policy("p", "", FieldTable::from_iter([("max-length", -1)]));
    let refused = answer(api.set_policy("/", PolicyClass::Ordinary, wrong)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "Validation failed\n\n-1 is not a valid maximum length\n"
    );
    assert_eq!(api.policies("/", PolicyClass::Ordinary), Ok(Vec::new()));
    assert_eq!(
        api.policies("missing", PolicyClass::Ordinary),
        Err(PolicyError::NoVhost("missing".into()))
    );
}

#[test]
fn policies_survive_a_restart_and_hold_for_what_came_back() {
    let data = tempfile::tempdir().unwrap();
    let broker = Broker::on(data.path());
    let channel = broker.connect().channel();
    channel.call::<exchanges::DeclareOk>(exchanges::Declare {
        durable: true,
        ..exchange("source", "direct")
    });
    channel.call::<queues::DeclareOk<'_>>(queues::Declare {
        durable: true,
        ..queue("q")
    });
    channel.call::<queues::BindOk>(bind("q", "amq.fanout", ""));
    set(&broker, alternate("p", "^source", "amq.fanout"));
    set(&broker, alternate("gone", "^source", "amq.direct"));
    clear(&broker, "gone");
    drop((channel, broker));
    let broker = Broker::on(data.path());
    let channel = broker.connect().channel();
    channel.publish("source", "nowhere", "x");
    assert_eq!(channel.drain("q"), ["x"]);
    let policies = broker.server().broker().policies("/", PolicyClass::Ordinary);
    assert_eq!(policies.unwrap().len(), 1);
}
