//! `basic.ack`, `nack`, `reject` and `recover`: what becomes of a delivery.

use leveret_protocol::method::basic::{Ack, Consume, Nack, Recover, RecoverAsync, RecoverOk, Reject};

use crate::support::methods::{cancel, consume, get};
use crate::support::{Broker, Channel};

#[test]
fn an_unknown_tag_closes_the_channel() {
    let broker = Broker::start();
    let connection = broker.connect();
    let text = "PRECONDITION_FAILED - unknown delivery tag 3";
    connection.channel().fails(
        Ack {
            delivery_tag: 3,
            multiple: false,
        },
        406,
        text,
    );
    connection.channel().fails(
        Ack {
            delivery_tag: 3,
            multiple: true,
        },
        406,
        text,
    );
    connection.channel().fails(
        Reject {
            delivery_tag: 3,
            requeue: false,
        },
        406,
        text,
    );
    connection.channel().fails(
        Nack {
            delivery_tag: 3,
            multiple: false,
            requeue: true,
        },
        406,
        text,
    );
    connection.channel().fails(
        Nack {
            delivery_tag: 3,
            multiple: true,
            requeue: true,
        },
        406,
        text,
    );
}

#[test]
fn a_tag_is_settled_once() {
    let broker = Broker::start();
    let channel = holding(&broker, 2);
    channel.ack(1);
    channel.fails(
        Ack {
            delivery_tag: 1,
            multiple: false,
        },
        406,
        "PRECONDITION_FAILED - unknown delivery tag 1",
    );
}

#[test]
fn a_tag_belongs_to_its_channel() {
    let broker = Broker::start();
    let holder = holding(&broker, 1);
    let other = holder.connection().channel();
    other.fails(
        Ack {
            delivery_tag: 1,
            multiple: false,
        },
        406,
        "PRECONDITION_FAILED - unknown delivery tag 1",
    );
}

#[test]
fn tag_zero_means_all_with_multiple_and_nothing_without() {
    let broker = Broker::start();
    let channel = holding(&broker, 3);
    channel.ack_up_to(0);
    channel.ack_up_to(0);
    channel.send(Nack {
        delivery_tag: 0,
        multiple: true,
        requeue: true,
    });
    assert_eq!(channel.ready("q"), 0);
    channel.fails(
        Ack {
            delivery_tag: 0,
            multiple: false,
        },
        406,
        "PRECONDITION_FAILED - unknown delivery tag 0",
    );
}

#[test]
fn multiple_settles_everything_up_to_the_tag() {
    let broker = Broker::start();
    let channel = holding(&broker, 5);
    channel.ack(2);
    channel.ack_up_to(4);
    channel.call::<RecoverOk>(Recover { requeue: true });
    assert_eq!(channel.drain("q"), ["5"]);
}

#[test]
fn multiple_needs_its_own_tag_outstanding() {
    let broker = Broker::start();
    let channel = holding(&broker, 3);
    channel.ack(2);
    channel.fails(
        Ack {
            delivery_tag: 2,
            multiple: true,
        },
        406,
        "PRECONDITION_FAILED - unknown delivery tag 2",
    );
}

#[test]
fn what_was_delivered_without_acknowledgement_cannot_be_acked() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    channel.publish("", "q", "x");
    channel.consume_as(Consume {
        no_ack: true,
        ..consume("q")
    });
    let tag = channel.delivery().tag;
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
fn a_delivery_may_be_settled_after_its_consumer_was_cancelled() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    channel.publish("", "q", "x");
    let tag = channel.consume("q");
    let delivery = channel.delivery();
    channel.call::<leveret_protocol::method::basic::CancelOk<'_>>(cancel(&tag));
    channel.requeue(delivery.tag);
    assert!(channel.get("q").unwrap().redelivered);
}

#[test]
fn a_requeued_message_returns_to_its_place_and_is_flagged() {
    let broker = Broker::start();
    let channel = holding(&broker, 3);
    channel.publish("", "q", "4");
    channel.requeue(2);
    let back = channel.get("q").unwrap();
    assert_eq!((back.body.as_slice(), back.redelivered), (&b"2"[..], true));
    let next = channel.get("q").unwrap();
    assert_eq!((next.body.as_slice(), next.redelivered), (&b"4"[..], false));
}

#[test]
fn requeueing_in_any_order_restores_the_order_of_publication() {
    let broker = Broker::start();
    let channel = holding(&broker, 6);
    channel.publish("", "q", "7");
    for tag in [4, 1, 6, 2, 5, 3] {
        channel.reject(tag, true);
    }
    assert_eq!(channel.drain("q"), ["1", "2", "3", "4", "5", "6", "7"]);
}

#[test]
fn nack_multiple_requeues_everything_up_to_the_tag() {
    let broker = Broker::start();
    let channel = holding(&broker, 4);
    channel.send(Nack {
        delivery_tag: 3,
        multiple: true,
        requeue: true,
    });
    assert_eq!(channel.drain("q"), ["1", "2", "3"]);
    channel.ack(4);
}

#[test]
fn reject_and_nack_without_requeue_drop_the_message() {
    let broker = Broker::start();
    let channel = holding(&broker, 3);
    channel.reject(1, false);
    channel.send(Nack {
        delivery_tag: 3,
        multiple: true,
        requeue: false,
    });
    channel.call::<RecoverOk>(Recover { requeue: true });
    assert_eq!(channel.get("q"), None);
}

#[test]
fn a_message_rejected_to_its_only_consumer_comes_again() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    channel.publish("", "q", "x");
    channel.consume("q");
    for round in 0..20 {
        let delivery = channel.delivery();
        assert_eq!((delivery.tag, delivery.redelivered), (round + 1, round > 0));
        channel.requeue(delivery.tag);
    }
}

#[test]
fn a_get_counts_as_a_delivery_for_the_flag() {
    let broker = Broker::start();
    let connection = broker.connect();
    let (one, two) = (connection.channel(), connection.channel());
    one.declare("q");
    one.publish("", "q", "x");
    assert!(!one.get("q").unwrap().redelivered);
    one.close();
    two.consume("q");
    assert!(two.delivery().redelivered);
}

#[test]
fn recover_requeues_everything_unsettled() {
    let broker = Broker::start();
    let channel = holding(&broker, 3);
    channel.ack(2);
    channel.call::<RecoverOk>(Recover { requeue: true });
    let got: Vec<_> = std::iter::from_fn(|| channel.get("q")).collect();
    assert!(got.iter().all(|got| got.redelivered));
    assert_eq!(
        got.iter().map(|got| got.body.as_slice()).collect::<Vec<_>>(),
        [b"1", b"3"]
    );
}

#[test]
fn recover_with_nothing_unsettled_is_fine() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.call::<RecoverOk>(Recover { requeue: true });
    channel.send(RecoverAsync { requeue: true });
    channel.declare("q");
}

#[test]
fn recover_async_gives_no_answer() {
    let broker = Broker::start();
    let channel = holding(&broker, 2);
    channel.send(RecoverAsync { requeue: true });
    assert_eq!(channel.drain("q"), ["1", "2"]);
}

#[test]
fn after_a_recover_the_old_tags_are_unknown() {
    let broker = Broker::start();
    let channel = holding(&broker, 1);
    channel.call::<RecoverOk>(Recover { requeue: true });
    channel.fails(
        Ack {
            delivery_tag: 1,
            multiple: false,
        },
        406,
        "PRECONDITION_FAILED - unknown delivery tag 1",
    );
}

#[test]
fn a_stuck_delivery_does_not_disturb_the_others() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    channel.publish("", "q", "stuck");
    let stuck = channel.get("q").unwrap();
    for number in 0..2_000 {
        channel.publish("", "q", number.to_string());
        let got = channel.get("q").unwrap();
        channel.ack(got.tag);
    }
    channel.requeue(stuck.tag);
    assert_eq!(channel.drain("q"), ["stuck"]);
}

#[test]
fn acks_of_several_queues_may_be_mixed() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    for number in 0..30 {
        let queue = ["a", "b", "c"][number % 3];
        channel.declare(queue);
        channel.publish("", queue, number.to_string());
    }
    for number in 0..30 {
        channel.get(["a", "b", "c"][number % 3]).unwrap();
    }
    channel.ack_up_to(15);
    channel.send(Nack {
        delivery_tag: 30,
        multiple: true,
        requeue: true,
    });
    for (queue, expected) in [
        ("a", ["15", "18", "21", "24", "27"]),
        ("b", ["16", "19", "22", "25", "28"]),
        ("c", ["17", "20", "23", "26", "29"]),
    ] {
        assert_eq!(channel.drain(queue), expected);
    }
}

#[test]
fn ack_then_purge_leaves_nothing() {
    let broker = Broker::start();
    let channel = holding(&broker, 3);
    channel.ack(1);
    channel.send(Nack {
        delivery_tag: 0,
        multiple: true,
        requeue: true,
    });
    let purged =
        channel.call::<leveret_protocol::method::queue::PurgeOk>(crate::support::methods::purge("q"));
    assert_eq!(purged.message_count, 2);
    assert_eq!(channel.get_as(get("q")), None);
}

/// A channel that holds the messages `1` to `count` of queue `q`, by delivery tags of the same numbers.
fn holding(broker: &Broker, count: u64) -> Channel {
    let channel = broker.connect().channel();
    channel.declare("q");
    for number in 1..=count {
        channel.publish("", "q", number.to_string());
        assert_eq!(channel.get("q").unwrap().tag, number);
    }
    channel
}
