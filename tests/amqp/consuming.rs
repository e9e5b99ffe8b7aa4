//! `basic.consume`, `basic.get` and `basic.cancel`: who gets a message.

use leveret_protocol::method::basic::{CancelOk, Consume, ConsumeOk, Get};
use leveret_protocol::method::queue::{Declare, DeclareOk, DeleteOk};
use leveret_protocol::types::{FieldTable, FieldValue};

use crate::support::methods::{cancel, consume, delete, get, queue};
use crate::support::{Broker, Channel, eventually};

#[test]
fn consume_ok_gives_the_tag_and_precedes_the_first_delivery() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    channel.publish("", "q", "waiting");
    let consume = Consume {
        consumer_tag: "mine",
        ..consume("q")
    };
    channel.send(consume);
    assert_eq!(channel.expect::<ConsumeOk<'_>>().consumer_tag, "mine");
    let delivery = channel.delivery();
    assert_eq!(
        (delivery.consumer_tag.as_str(), delivery.tag, delivery.redelivered),
        ("mine", 1, false)
    );
    assert_eq!(
        (delivery.exchange.as_str(), delivery.routing_key.as_str()),
        ("", "q")
    );
    assert_eq!(delivery.body, b"waiting");
}

#[test]
fn the_broker_makes_up_a_tag_when_there_is_none() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    let (one, two) = (channel.consume("q"), channel.consume("q"));
    assert_ne!(one, two);
    for tag in [one, two] {
        let suffix = tag.strip_prefix("amq.ctag-").expect("a tag of the broker");
        assert_eq!(suffix.len(), 22, "{tag}");
    }
}

#[test]
fn a_tag_is_used_once_on_a_channel() {
    let broker = Broker::start();
    let connection = broker.connect();
    let (one, two) = (connection.channel(), connection.channel());
    one.declare("q");
    let mine = || Consume {
        consumer_tag: "t",
        ..consume("q")
    };
    one.consume_as(mine());
    two.consume_as(mine());
    one.call::<CancelOk<'_>>(cancel("t"));
    one.consume_as(mine());
    one.fails_connection(mine(), 530, "NOT_ALLOWED - attempt to reuse consumer tag 't'");
}

#[test]
fn delivery_tags_count_up_over_consumers_and_gets() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    for queue in ["a", "b", "c"] {
        channel.declare(queue);
        channel.publish("", queue, "x");
    }
    assert_eq!(channel.get("a").unwrap().tag, 1);
    channel.consume("b");
    assert_eq!(channel.delivery().tag, 2);
    assert_eq!(
        channel
            .get_as(Get {
                no_ack: true,
                ..get("c")
            })
            .unwrap()
            .tag,
        3
    );
    channel.publish("", "b", "x");
    assert_eq!(channel.delivery().tag, 4);
}

#[test]
fn get_says_how_many_are_left() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    assert_eq!(channel.get("q"), None);
    for _ in 0..3 {
        channel.publish("", "q", "x");
    }
    let left: Vec<_> = (0..3).map(|_| channel.get("q").unwrap().message_count).collect();
    assert_eq!(left, [2, 1, 0]);
    assert_eq!(channel.get("q"), None);
}

#[test]
fn deliveries_come_in_the_order_of_publication() {
    let broker = Broker::start();
    let connection = broker.connect();
    let (publisher, consumer) = (connection.channel(), connection.channel());
    publisher.declare("q");
    for number in 0..500 {
        publisher.publish("", "q", number.to_string());
    }
    consumer.consume("q");
    for number in 500..1000 {
        publisher.publish("", "q", number.to_string());
    }
    assert_eq!(
        consumer.delivered(1000),
        (0..1000).map(|n| n.to_string()).collect::<Vec<_>>()
    );
}

#[test]
fn a_message_delivered_without_acknowledgement_is_gone() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channel = connection.channel();
    channel.declare("q");
    channel.consume_as(Consume {
        no_ack: true,
        ..consume("q")
    });
    for _ in 0..10 {
        channel.publish("", "q", "x");
    }
    channel.deliveries(10);
    channel.close();
    assert_eq!(connection.channel().ready("q"), 0);
}

#[test]
fn cancel_stops_the_deliveries_and_keeps_the_unsettled() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    channel.publish("", "q", "held");
    let tag = channel.consume("q");
    let held = channel.delivery();
    assert_eq!(channel.call::<CancelOk<'_>>(cancel(&tag)).consumer_tag, tag);
    channel.publish("", "q", "later");
    channel.expect_nothing();
    assert_eq!(channel.ready("q"), 1, "the unsettled one was not requeued");
    channel.ack(held.tag);
    assert_eq!(channel.drain("q"), ["later"]);
}

#[test]
fn a_message_that_was_under_way_to_a_cancelled_consumer_is_not_lost() {
    let broker = Broker::start();
    let connection = broker.connect();
    let (publisher, consumer) = (connection.channel(), connection.channel());
    publisher.declare("q");
    let mut seen = 0;
    for round in 0..50 {
        let tag = consumer.consume("q");
        for _ in 0..20 {
            publisher.publish("", "q", round.to_string());
        }
        consumer.send(cancel(&tag));
        loop {
            match consumer.method() {
                leveret_protocol::Method::Basic(leveret_protocol::method::basic::Method::Deliver(
                    deliver,
                )) => {
                    crate::support::content::read(&consumer);
                    consumer.ack(deliver.delivery_tag);
                    seen += 1;
                }
                method => break assert_eq!(method.name(), "basic.cancel-ok"),
            }
        }
        seen += consumer.drain("q").len();
    }
    eventually("everything has come", || {
        seen += consumer.drain("q").len();
        seen == 1000
    });
}

#[test]
fn cancelling_an_unknown_tag_is_fine() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    assert_eq!(
        channel.call::<CancelOk<'_>>(cancel("unknown")).consumer_tag,
        "unknown"
    );
}

#[test]
fn consumers_of_a_queue_take_turns() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channels: Vec<Channel> = (0..3).map(|_| connection.channel()).collect();
    channels[0].declare("q");
    for channel in &channels {
        channel.consume("q");
    }
    for number in 0..300 {
        channels[0].publish("", "q", number.to_string());
    }
    for channel in &channels {
        assert_eq!(channel.deliveries(100).len(), 100);
    }
    channels[0].expect_nothing();
}

#[test]
fn an_exclusive_consumer_shares_with_nobody() {
    let broker = Broker::start();
    let connection = broker.connect();
    let holder = connection.channel();
    holder.declare("q");
    let alone = || Consume {
        exclusive: true,
        ..consume("q")
    };
    let tag = holder.consume_as(alone());
    let text = "ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use";
    connection.channel().fails(consume("q"), 403, text);
    connection.channel().fails(alone(), 403, text);
    let channel = connection.channel();
    assert_eq!(channel.get("q"), None, "a get is allowed");
    holder.call::<CancelOk<'_>>(cancel(&tag));
    channel.consume("q");
    connection.channel().fails(alone(), 403, text);
}

#[test]
fn higher_priorities_are_served_first() {
    let broker = Broker::start();
    let connection = broker.connect();
    let (low, middle, high) = (connection.channel(), connection.channel(), connection.channel());
    low.declare("q");
    high.prefetch(2);
    middle.prefetch(3);
    low.consume_as(with_priority("q", FieldValue::from(-5)));
    middle.consume("q");
    high.consume_as(with_priority("q", FieldValue::I16(10)));
    for number in 0..8 {
        low.publish("", "q", number.to_string());
    }
    assert_eq!(high.delivered(2), ["0", "1"]);
    assert_eq!(middle.delivered(3), ["2", "3", "4"]);
    assert_eq!(low.delivered(3), ["5", "6", "7"]);
}

#[test]
fn a_priority_must_be_a_number() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    let text = "PRECONDITION_FAILED - invalid arg 'x-priority' for queue 'q' in vhost '/': \"expected integer, got longstr\"";
    channel.fails(with_priority("q", FieldValue::from("high")), 406, text);
}

#[test]
fn only_streams_are_consumed_from_an_offset() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    let from_offset = Consume {
        arguments: FieldTable::from_iter([("x-stream-offset", "first")]),
        ..consume("q")
    };
    let text = "PRECONDITION_FAILED - invalid arg 'x-stream-offset' for queue 'q' in vhost '/' of queue type rabbit_classic_queue";
    channel.fails(from_offset, 406, text);
}

#[test]
fn a_single_active_consumer_gets_everything_until_it_goes() {
    let broker = Broker::start();
    let connection = broker.connect();
    let (first, second, third) = (connection.channel(), connection.channel(), connection.channel());
    let arguments = FieldTable::from_iter([("x-single-active-consumer", true)]);
    first.call::<DeclareOk<'_>>(Declare {
        arguments,
        ..queue("q")
    });
    let tag = first.consume("q");
    second.consume("q");
    third.consume("q");
    for body in ["a", "b"] {
        first.publish("", "q", body);
    }
    assert_eq!(first.delivered(2), ["a", "b"]);
    first.call::<CancelOk<'_>>(cancel(&tag));
    first.publish("", "q", "c");
    assert_eq!(second.delivered(1), ["c"]);
    second.close();
    assert_eq!(third.delivered(1), ["c"], "returned by the channel that closed");
    first.publish("", "q", "d");
    assert_eq!(third.delivered(1), ["d"]);
}

#[test]
fn the_next_active_consumer_is_that_of_the_highest_priority() {
    let broker = Broker::start();
    let connection = broker.connect();
    let (active, low, high) = (connection.channel(), connection.channel(), connection.channel());
    let arguments = FieldTable::from_iter([("x-single-active-consumer", true)]);
    active.call::<DeclareOk<'_>>(Declare {
        arguments,
        ..queue("q")
    });
    let tag = active.consume("q");
    low.consume("q");
    high.consume_as(with_priority("q", FieldValue::from(10)));
    active.publish("", "q", "a");
    assert_eq!(
        active.delivered(1),
        ["a"],
        "a newcomer does not push out the active one"
    );
    active.call::<CancelOk<'_>>(cancel(&tag));
    active.publish("", "q", "b");
    assert_eq!(high.delivered(1), ["b"]);
}

#[test]
fn at_a_quorum_queue_a_higher_priority_takes_over_when_all_is_settled() {
    let broker = Broker::start();
    let connection = broker.connect();
    let (active, low, high) = (connection.channel(), connection.channel(), connection.channel());
    active.call::<DeclareOk<'_>>(Declare {
        durable: true,
        arguments: FieldTable::from_iter([
            ("x-single-active-consumer", FieldValue::from(true)),
            ("x-queue-type", "quorum".into()),
        ]),
        ..queue("q")
    });
    active.consume("q");
    active.publish("", "q", "a");
    active.publish("", "q", "b");
    let held = [active.delivery(), active.delivery()];
    low.consume("q");
    high.consume_as(with_priority("q", FieldValue::from(10)));
    active.publish("", "q", "c");
    active.ack(held[0].tag);
    active.expect_nothing();
    high.expect_nothing();
    active.ack(held[1].tag);
    let taken = high.delivery();
    assert_eq!(taken.body, b"c");
    active.publish("", "q", "d");
    assert_eq!(high.delivered(1), ["d"]);
    high.close();
    assert_eq!(
        active.delivered(2),
        ["c", "d"],
        "the oldest of the others is next"
    );
}

#[test]
fn at_a_quorum_queue_what_others_left_unsettled_on_its_channel_keeps_nobody_active() {
    let broker = Broker::start();
    let connection = broker.connect();
    let (both, high) = (connection.channel(), connection.channel());
    both.call::<DeclareOk<'_>>(Declare {
        durable: true,
        arguments: FieldTable::from_iter([
            ("x-single-active-consumer", FieldValue::from(true)),
            ("x-queue-type", "quorum".into()),
        ]),
        ..queue("q")
    });
    let first = both.consume("q");
    both.publish("", "q", "left");
    let left = both.delivery();
    both.consume("q");
    both.call::<CancelOk<'_>>(cancel(&first));
    both.publish("", "q", "own");
    let own = both.delivery();
    high.consume_as(with_priority("q", FieldValue::from(10)));
    both.publish("", "q", "next");
    high.expect_nothing();
    both.ack(own.tag);
    assert_eq!(high.delivered(1), ["next"]);
    both.requeue(left.tag);
    assert_eq!(high.delivered(1), ["left"]);
}

#[test]
fn no_get_at_a_quorum_queue_where_one_is_active_at_a_time() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.call::<DeclareOk<'_>>(Declare {
        durable: true,
        arguments: FieldTable::from_iter([
            ("x-single-active-consumer", FieldValue::from(true)),
            ("x-queue-type", "quorum".into()),
        ]),
        ..queue("q")
    });
    let text = "RESOURCE_LOCKED - cannot obtain access to locked queue 'q' in vhost '/'. basic.get operations are not \
                supported by quorum queues with single active consumer";
    channel.fails(crate::support::methods::get("q"), 405, text);
}

#[test]
fn no_exclusive_consumer_where_one_is_active_at_a_time() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    let arguments = FieldTable::from_iter([("x-single-active-consumer", true)]);
    channel.call::<DeclareOk<'_>>(Declare {
        arguments,
        ..queue("q")
    });
    channel.send(Consume {
        exclusive: true,
        ..consume("q")
    });
    assert_eq!(channel.expect_close().reply_code, 403);
}

#[test]
fn no_local_is_taken_and_ignored() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    channel.consume_as(Consume {
        no_local: true,
        ..consume("q")
    });
    channel.publish("", "q", "my own");
    assert_eq!(channel.delivered(1), ["my own"]);
}

#[test]
fn a_client_that_cannot_take_a_cancel_is_not_sent_one() {
    let broker = Broker::start();
    let connection = broker.connect_as(FieldTable::new());
    let channel = connection.channel();
    channel.declare("q");
    channel.consume("q");
    connection.channel().call::<DeleteOk>(delete("q"));
    channel.expect_nothing();
}

#[test]
fn a_consumer_sees_messages_of_every_size_in_order() {
    let broker = Broker::start();
    let connection = broker.connect();
    let (publisher, consumer) = (connection.channel(), connection.channel());
    publisher.declare("q");
    consumer.consume("q");
    let sizes = [0, 1, 100, 4088, 40_000, 131_064, 131_065, 700_000, 3];
    for size in sizes {
        publisher.publish("", "q", vec![b'z'; size]);
    }
    let received: Vec<_> = consumer
        .deliveries(sizes.len())
        .iter()
        .map(|d| d.body.len())
        .collect();
    assert_eq!(received, sizes);
}

fn with_priority(queue: &str, priority: FieldValue) -> Consume<'_> {
    Consume {
        arguments: FieldTable::from_iter([("x-priority", priority)]),
        ..consume(queue)
    }
}
