//! A queue that crashes again and again is left down, and keeps what it was trusted with.

use std::time::Duration;

use leveret_actors::fault::Fault;
use leveret_actors::node::Settings;
use leveret_protocol::method::{basic, exchange, queue};
use leveret_protocol::{EncodeMethod, FieldTable, OwnedProperties};

use super::ring::Ring;
use super::support::messages::Confirm;
use super::support::methods::{bind, consume, delete, get, passive, purge};
use super::support::{Channel, eventually};

/// The crash with which a queue is left down.
const TOO_MANY: usize = 5;

const PERSISTENT: [u8; 3] = [0x10, 0, 2];

fn durable() -> queue::Declare<'static> {
    queue::Declare {
        queue: "q",
        durable: true,
        ..Default::default()
    }
}

/// Makes the queue crash until it is left down.
#[track_caller]
fn bring_down(ring: &Ring) {
    crash_too_often(ring, "q");
    assert!(ring.queue("q").down_until.is_some());
}

#[track_caller]
fn crash_too_often(ring: &Ring, name: &'static str) {
    for _ in 0..TOO_MANY {
        let crashing = ring.queue(name).id;
        ring.inject(Fault::Queue("/", name));
        eventually("the crash is known", || {
            let queue = ring.queue(name);
            queue.id != crashing || queue.down_until.is_some()
        });
    }
}

#[track_caller]
fn refused(channel: &Channel, method: impl EncodeMethod) {
    channel.send(method);
    let close = channel.expect_close();
    assert_eq!(close.reply_code, 404);
    let text = "NOT_FOUND - queue 'q' in vhost '/' has crashed and failed to restart; \
                the broker's log says why, and how to go on";
    assert_eq!(close.reply_text, text);
    channel.open();
}

#[test]
fn a_queue_that_crashes_again_and_again_is_left_down_with_its_messages() {
    let directory = tempfile::tempdir().unwrap();
    let ring = Ring::in_directory(directory.path());
    let channel = ring.connect().channel();
    channel.call::<queue::DeclareOk<'_>>(durable());
    channel.call::<queue::BindOk>(bind("q", "amq.direct", "key"));
    channel.declare("beside");
    channel.confirm_select();
    for body in ["1", "2"] {
        channel.publish_with("q", &PERSISTENT, body);
    }
    channel.acked(1, 2);
    let consumer = ring.connect().channel();
    let tag = consumer.consume("q");
    consumer.deliveries(2);
    bring_down(&ring);
    assert_eq!(consumer.expect::<basic::Cancel<'_>>().consumer_tag, tag);

    for tag in 3..6 {
        channel.publish("", "q", "refused");
        assert_eq!(channel.confirm(), Confirm::Nack { tag, multiple: false });
    }
    channel.publish("amq.direct", "key", "refused");
    assert!(matches!(channel.confirm(), Confirm::Nack { tag: 6, .. }));
    channel.publish("", "beside", "taken");
    channel.acked(7, 7);
    let asking = ring.connect().channel();
    refused(&asking, durable());
    refused(&asking, passive("q"));
    refused(&asking, consume("q"));
    refused(&asking, get("q"));
    refused(&asking, purge("q"));

    drop((channel, consumer, asking, ring));
    let ring = Ring::in_directory(directory.path());
    assert_eq!(ring.connect().channel().drain("q"), ["1", "2"]);
}

#[test]
fn a_queue_that_is_left_down_comes_back_when_it_is_declared_after_the_pause() {
    let ring = Ring::with(Settings {
        crash_pause: Duration::ZERO,
        ..Settings::default()
    });
    let channel = ring.connect().channel();
    channel.call::<queue::DeclareOk<'_>>(durable());
    channel.call::<queue::BindOk>(bind("q", "amq.direct", "key"));
    channel.confirm_select();
    for (round, declare) in [durable(), passive("q")].into_iter().enumerate() {
        bring_down(&ring);
        refused(&ring.connect().channel(), get("q"));
        channel.call::<queue::DeclareOk<'_>>(declare);
        channel.publish("amq.direct", "key", "taken");
        let tag = round as u64 + 1;
        channel.acked(tag, tag);
        assert_eq!(channel.drain("q"), ["taken"]);
    }
}

#[test]
fn a_queue_that_is_left_down_can_be_deleted_with_its_messages() {
    let directory = tempfile::tempdir().unwrap();
    let ring = Ring::in_directory(directory.path());
    let channel = ring.connect().channel();
    channel.call::<queue::DeclareOk<'_>>(durable());
    channel.confirm_select();
    channel.publish_with("q", &PERSISTENT, "dropped");
    channel.acked(1, 1);
    bring_down(&ring);
    let if_empty = queue::Delete {
        if_empty: true,
        ..delete("q")
    };
    refused(&ring.connect().channel(), if_empty);
    channel.call::<queue::DeleteOk>(delete("q"));
    assert_eq!(channel.call::<queue::DeclareOk<'_>>(durable()).message_count, 0);
    channel.publish_with("q", &PERSISTENT, "kept");
    channel.acked(2, 2);
    drop((channel, ring));
    let ring = Ring::in_directory(directory.path());
    assert_eq!(ring.connect().channel().drain("q"), ["kept"]);
}

#[test]
fn what_a_delayed_exchange_holds_comes_back_by_itself_after_the_pause() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings {
        crash_pause: Duration::from_millis(300),
        ..Settings::default()
    };
    let ring = Ring::launch(settings, Some(directory.path().to_owned()));
    let channel = ring.connect().channel();
    channel.call::<exchange::DeclareOk>(exchange::Declare {
        exchange: "later",
        kind: "x-delayed-message",
        durable: true,
        arguments: FieldTable::from_iter([("x-delayed-type", "fanout")]),
        ..Default::default()
    });
    channel.call::<queue::DeclareOk<'_>>(durable());
    channel.call::<queue::BindOk>(bind("q", "later", ""));
    channel.confirm_select();
    let delayed = OwnedProperties::new()
        .with_headers(FieldTable::from_iter([("x-delay", 1_000)]))
        .with_delivery_mode(2)
        .encode();
    let publish = basic::Publish {
        exchange: "later",
        ..Default::default()
    };
    channel.publish_as(publish.clone(), &delayed, "before");
    channel.acked(1, 1);
    crash_too_often(&ring, "amq.delayed.later");
    channel.consume("q");
    assert_eq!(channel.delivery().body, b"before");
    // It may have been due between two crashes.
    eventually("the pause is over", || {
        ring.queue("amq.delayed.later").down_until.is_none()
    });
    channel.publish_as(publish, &delayed, "after");
    channel.acked(2, 2);
    assert_eq!(channel.delivery().body, b"after");
}
