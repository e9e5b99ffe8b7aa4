//! `x-max-length`, `x-max-length-bytes` and `x-overflow`.

use leveret_protocol::method::basic::{CancelOk, Consume, ConsumeOk};
use leveret_protocol::method::queue::{Declare, DeclareOk, DeleteOk};
use leveret_protocol::method::tx::{Commit, CommitOk};
use leveret_protocol::{FieldTable, FieldValue, OwnedProperties, Properties};

use crate::support::methods::{cancel, consume, delete, queue};
use crate::support::{Broker, Channel};

#[test]
fn the_oldest_make_room() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(&channel, [("x-max-length", 3.into())]);
    channel.confirm_select();
    for body in ["a", "b", "c", "d", "e"] {
        channel.publish("", "q", body);
    }
    channel.acked(1, 5);
    assert_eq!(channel.drain("q"), ["c", "d", "e"]);
}

#[test]
fn bodies_count_and_nothing_else_of_a_message() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(&channel, [("x-max-length-bytes", 10.into())]);
    let long = OwnedProperties::new()
        .with_correlation_id("a".repeat(200))
        .encode();
    for body in ["aaaa", "bbbb", "cc", "", "d"] {
        channel.publish_with("q", &long, body);
    }
    assert_eq!(channel.drain("q"), ["bbbb", "cc", "", "d"]);
    channel.publish("", "q", "1234567890");
    channel.publish("", "q", "12345678901");
    assert_eq!(channel.ready("q"), 0, "it is too large alone");
    channel.publish("", "q", "1234567890");
    assert_eq!(channel.drain("q"), ["1234567890"]);
}

#[test]
fn the_stricter_limit_counts() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(
        &channel,
        [("x-max-length", 3.into()), ("x-max-length-bytes", 10.into())],
    );
    ["aaaaaa", "bbbbbb"]
        .iter()
        .for_each(|body| channel.publish("", "q", body));
    assert_eq!(channel.ready("q"), 1);
    ["c", "d", "e", "f"]
        .iter()
        .for_each(|body| channel.publish("", "q", body));
    assert_eq!(channel.drain("q"), ["d", "e", "f"]);
}

#[test]
fn with_no_length_a_message_is_delivered_at_once_or_not_at_all() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(&channel, [("x-max-length", 0.into())]);
    channel.publish("", "q", "nobody is there");
    assert_eq!(channel.ready("q"), 0);
    channel.consume("q");
    channel.publish("", "q", "somebody is there");
    assert_eq!(channel.delivered(1), ["somebody is there"]);
}

#[test]
fn what_is_unsettled_does_not_count_until_it_comes_back() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(&channel, [("x-max-length", 2.into())]);
    ["a", "b"].iter().for_each(|body| channel.publish("", "q", body));
    let consumer = channel.consume("q");
    let tags: Vec<u64> = channel
        .deliveries(2)
        .iter()
        .map(|delivery| delivery.tag)
        .collect();
    channel.call::<CancelOk<'_>>(cancel(&consumer));
    ["c", "d"].iter().for_each(|body| channel.publish("", "q", body));
    assert_eq!(channel.ready("q"), 2);
    channel.requeue(tags[1]);
    assert_eq!(channel.drain("q"), ["c", "d"], "the oldest had to go");
}

#[test]
fn a_full_queue_refuses_what_is_one_too_many() {
    let broker = Broker::start();
    let connection = broker.connect();
    for overflow in ["reject-publish", "reject-publish-dlx"] {
        let channel = connection.channel();
        declare(
            &channel,
            [("x-max-length", 3.into()), ("x-overflow", overflow.into())],
        );
        channel.publish("", "q", "before");
        channel.confirm_select();
        for number in 1..=5 {
            channel.publish("", "q", number.to_string());
        }
        let (acked, nacked) = channel.answers(5);
        assert_eq!((acked, nacked), (vec![1, 2], vec![3, 4, 5]));
        assert_eq!(channel.drain("q"), ["before", "1", "2"]);
        channel.call::<DeleteOk>(delete("q"));
    }
}

#[test]
fn what_a_full_queue_refuses_may_go_to_its_dead_letter_exchange() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("refused");
    declare(
        &channel,
        [
            ("x-max-length", 1.into()),
            ("x-overflow", "reject-publish-dlx".into()),
            ("x-dead-letter-exchange", FieldValue::from("")),
            ("x-dead-letter-routing-key", "refused".into()),
        ],
    );
    channel.confirm_select();
    channel.publish("", "q", "taken");
    channel.publish("", "q", "one too many");
    assert_eq!(channel.answers(2), (vec![1], vec![2]));
    channel.consume("refused");
    let dead = channel.delivery();
    assert_eq!(dead.body, b"one too many");
    let headers = Properties::parse(&dead.properties).unwrap().headers();
    let headers = headers.unwrap().unwrap();
    assert_eq!(headers.get("x-first-death-reason"), Some(&"maxlen".into()));
    assert_eq!(channel.drain("q"), ["taken"]);
}

#[test]
fn by_bytes_each_message_is_judged_alone() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(
        &channel,
        [
            ("x-max-length-bytes", 10.into()),
            ("x-overflow", "reject-publish".into()),
        ],
    );
    channel.confirm_select();
    for body in ["12345", "123456", "123", "123", "12", "1", ""] {
        channel.publish("", "q", body);
    }
    assert_eq!(channel.answers(7), (vec![1, 3, 5, 7], vec![2, 4, 6]));
    assert_eq!(channel.drain("q"), ["12345", "123", "12", ""]);
}

#[test]
fn what_consumers_take_at_once_makes_room() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(
        &channel,
        [
            ("x-max-length", 1.into()),
            ("x-overflow", "reject-publish".into()),
        ],
    );
    channel.call::<ConsumeOk<'_>>(Consume {
        no_ack: true,
        ..consume("q")
    });
    channel.publish("", "q", "first");
    assert_eq!(channel.delivered(1), ["first"]);
    let publisher = channel.connection().channel();
    publisher.confirm_select();
    for number in 1..=100 {
        publisher.publish("", "q", number.to_string());
    }
    publisher.acked(1, 100);
    let expected: Vec<String> = (1..=100).map(|number| number.to_string()).collect();
    assert_eq!(channel.delivered(100), expected);
}

#[test]
fn a_commit_with_a_refused_message_is_partial() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(
        &channel,
        [
            ("x-max-length", 2.into()),
            ("x-overflow", "reject-publish".into()),
        ],
    );
    let committing = channel.connection().channel();
    committing.tx_select();
    committing.publish("", "q", "a");
    committing.publish("", "q", "b");
    committing.call::<CommitOk>(Commit {});
    committing.publish("", "q", "c");
    committing.fails(Commit {}, 406, "PRECONDITION_FAILED - partial tx completion");
    assert_eq!(channel.drain("q"), ["a", "b"]);
}

#[test]
fn the_lowest_priority_makes_room_first() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(
        &channel,
        [("x-max-length", 3.into()), ("x-max-priority", 9.into())],
    );
    for (body, priority) in [
        ("a", 5),
        ("b", 1),
        ("c", 1),
        ("d", 9),
        ("e", 9),
        ("f", 9),
        ("g", 0),
    ] {
        let properties = OwnedProperties::new().with_priority(priority).encode();
        channel.publish_with("q", &properties, body);
    }
    assert_eq!(channel.drain("q"), ["d", "e", "f"]);
}

fn declare<const N: usize>(channel: &Channel, arguments: [(&str, FieldValue); N]) {
    channel.call::<DeclareOk<'_>>(Declare {
        arguments: FieldTable::from_iter(arguments),
        exclusive: true,
        ..queue("q")
    });
}
