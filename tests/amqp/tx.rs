//! Class `tx`: publications and settlements that take effect together.

use leveret_protocol::method::basic::{Ack, Publish, RecoverOk};
use leveret_protocol::method::tx::{Commit, Rollback};
use leveret_protocol::method::{basic, queue};

use crate::support::content::NONE;
use crate::support::methods::{mandatory, passive};
use crate::support::{Broker, eventually};

#[test]
fn a_channel_must_be_made_transactional_first() {
    let broker = Broker::start();
    let connection = broker.connect();
    let text = "PRECONDITION_FAILED - channel is not transactional";
    connection.channel().fails(Commit {}, 406, text);
    connection.channel().fails(Rollback {}, 406, text);
}

#[test]
fn selecting_again_is_fine() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    channel.tx_select();
    channel.publish("", "q", "x");
    channel.tx_select();
    channel.commit();
    assert_eq!(channel.drain("q"), ["x"]);
}

#[test]
fn publications_appear_at_the_commit() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    channel.tx_select();
    for number in 0..100 {
        channel.publish("", "q", number.to_string());
    }
    assert_eq!(channel.ready("q"), 0);
    channel.commit();
    assert_eq!(
        channel.drain("q"),
        (0..100).map(|n| n.to_string()).collect::<Vec<_>>()
    );
}

#[test]
fn an_empty_commit_or_rollback_is_fine() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.tx_select();
    for _ in 0..3 {
        channel.commit();
        channel.rollback();
    }
}

#[test]
fn rollback_forgets_the_publications() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    channel.tx_select();
    channel.publish("", "q", "forgotten");
    channel.rollback();
    channel.publish("", "q", "kept");
    channel.commit();
    assert_eq!(channel.drain("q"), ["kept"]);
}

#[test]
fn acks_take_effect_at_the_commit() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channel = connection.channel();
    channel.declare("q");
    channel.publish("", "q", "a");
    channel.publish("", "q", "b");
    channel.tx_select();
    let (a, b) = (channel.get("q").unwrap(), channel.get("q").unwrap());
    channel.ack(a.tag);
    channel.commit();
    channel.ack(b.tag);
    channel.close();
    let other = connection.channel();
    eventually("the ack that was not committed is forgotten", || {
        other.ready("q") == 1
    });
    assert_eq!(other.drain("q"), ["b"]);
}

#[test]
fn rollback_makes_settled_deliveries_outstanding_again() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    for body in ["a", "b", "c"] {
        channel.publish("", "q", body);
    }
    channel.tx_select();
    let tags: Vec<_> = (0..3).map(|_| channel.get("q").unwrap().tag).collect();
    channel.ack(tags[0]);
    channel.requeue(tags[1]);
    channel.reject(tags[2], false);
    channel.rollback();
    assert_eq!(channel.ready("q"), 0, "nothing came back");
    channel.ack_up_to(tags[2]);
    channel.commit();
    channel.call::<RecoverOk>(basic::Recover { requeue: true });
    assert_eq!(channel.drain("q"), [""; 0]);
}

#[test]
fn nacks_and_rejects_take_effect_at_the_commit() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    for body in ["requeued", "dropped"] {
        channel.publish("", "q", body);
    }
    channel.tx_select();
    let (one, two) = (channel.get("q").unwrap(), channel.get("q").unwrap());
    channel.requeue(one.tag);
    channel.reject(two.tag, false);
    assert_eq!(channel.get("q"), None);
    channel.commit();
    assert_eq!(channel.drain("q"), ["requeued"]);
}

#[test]
fn an_unknown_tag_is_refused_at_once() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.tx_select();
    channel.fails(
        Ack {
            delivery_tag: 7,
            multiple: false,
        },
        406,
        "PRECONDITION_FAILED - unknown delivery tag 7",
    );
}

#[test]
fn a_tag_settled_in_the_transaction_is_settled() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    channel.publish("", "q", "x");
    channel.tx_select();
    let tag = channel.get("q").unwrap().tag;
    channel.ack(tag);
    channel.fails(
        Ack {
            delivery_tag: tag,
            multiple: false,
        },
        406,
        "PRECONDITION_FAILED - unknown delivery tag 1",
    );
}

#[test]
fn a_missing_exchange_is_noticed_at_the_publish() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.tx_select();
    channel.publish("missing", "", "x");
    channel.closed(
        404,
        "NOT_FOUND - no exchange 'missing' in vhost '/'",
        Publish::IDS,
    );
}

#[test]
fn the_unroutable_comes_back_before_commit_ok() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.tx_select();
    channel.publish_as(mandatory("", "nowhere"), &NONE, "x");
    channel.expect_nothing();
    channel.send(Commit {});
    assert_eq!(channel.returned().body, b"x");
    channel.expect::<leveret_protocol::method::tx::CommitOk>();
}

#[test]
fn routing_is_done_at_the_commit() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channel = connection.channel();
    channel.tx_select();
    channel.publish_as(mandatory("", "later"), &NONE, "x");
    connection.channel().declare("later");
    channel.commit();
    assert_eq!(channel.drain("later"), ["x"]);
}

#[test]
fn closing_the_channel_is_a_rollback() {
    let broker = Broker::start();
    let connection = broker.connect();
    let (one, two) = (connection.channel(), connection.channel());
    one.declare("q");
    one.tx_select();
    one.publish("", "q", "x");
    one.close();
    assert_eq!(two.ready("q"), 0);
}

#[test]
fn an_error_is_a_rollback() {
    let broker = Broker::start();
    let connection = broker.connect();
    let (one, two) = (connection.channel(), connection.channel());
    one.declare("q");
    one.publish("", "q", "held");
    one.tx_select();
    let held = one.get("q").unwrap();
    one.ack(held.tag);
    one.publish("", "q", "forgotten");
    one.fails(
        passive("missing"),
        404,
        "NOT_FOUND - no queue 'missing' in vhost '/'",
    );
    eventually("the ack is rolled back", || two.ready("q") == 1);
    assert_eq!(two.drain("q"), ["held"]);
}

#[test]
fn deliveries_go_on_inside_a_transaction() {
    let broker = Broker::start();
    let connection = broker.connect();
    let (worker, other) = (connection.channel(), connection.channel());
    worker.declare("in");
    worker.declare("out");
    worker.tx_select();
    worker.consume("in");
    for number in 0..10 {
        other.publish("", "in", number.to_string());
        let delivery = worker.delivery();
        worker.publish("", "out", &delivery.body);
        worker.ack(delivery.tag);
        worker.commit();
    }
    assert_eq!(other.drain("out").len(), 10);
    let purged = other.call::<queue::PurgeOk>(crate::support::methods::purge("in"));
    assert_eq!(purged.message_count, 0);
}
