//! How long a queue lives, and for whom: exclusive and auto-delete queues, deletion.

use leveret_protocol::method::queue::{Declare, DeclareOk, Delete, DeleteOk};
use leveret_protocol::method::{basic, channel};

use crate::support::methods::{bind, cancel, consume, delete, exclusive, get, passive, purge, queue};
use crate::support::{Broker, eventually};

#[test]
fn an_exclusive_queue_is_locked_for_every_other_connection() {
    let broker = Broker::start();
    let owner = broker.connect();
    owner.channel().call::<DeclareOk<'_>>(exclusive("mine"));
    owner.channel().call::<DeclareOk<'_>>(exclusive("mine"));
    let other = broker.connect();
    let text = locked("mine");
    other.channel().fails(queue("mine"), 405, &text);
    other.channel().fails(exclusive("mine"), 405, &text);
    other.channel().fails(passive("mine"), 405, &text);
    other.channel().fails(consume("mine"), 405, &text);
    other.channel().fails(get("mine"), 405, &text);
    other.channel().fails(purge("mine"), 405, &text);
    other.channel().fails(delete("mine"), 405, &text);
    other.channel().fails(bind("mine", "amq.fanout", ""), 405, &text);
}

#[test]
fn an_exclusive_queue_may_be_published_to_by_anyone() {
    let broker = Broker::start();
    let owner = broker.connect().channel();
    owner.call::<DeclareOk<'_>>(exclusive("mine"));
    let other = broker.connect().channel();
    other.confirm_select();
    other.publish("", "mine", "letter");
    other.acked(1, 1);
    assert_eq!(owner.drain("mine"), ["letter"]);
}

#[test]
fn a_shared_queue_cannot_be_redeclared_exclusive() {
    let broker = Broker::start();
    let connection = broker.connect();
    connection.channel().declare("ours");
    connection
        .channel()
        .fails(exclusive("ours"), 405, &locked("ours"));
    connection.channel().call::<DeclareOk<'_>>(exclusive("mine"));
    connection.channel().fails(queue("mine"), 405, &locked("mine"));
}

#[test]
fn an_exclusive_queue_outlives_its_channel_but_not_its_connection() {
    let broker = Broker::start();
    let owner = broker.connect();
    let channel = owner.channel();
    channel.call::<DeclareOk<'_>>(exclusive("mine"));
    channel.close();
    owner.channel().call::<DeclareOk<'_>>(passive("mine"));
    owner.close();
    let text = "NOT_FOUND - no queue 'mine' in vhost '/'";
    broker.connect().channel().fails(passive("mine"), 404, text);
}

#[test]
fn a_durable_exclusive_queue_is_the_same_as_a_transient_one() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.call::<DeclareOk<'_>>(Declare {
        durable: true,
        ..exclusive("mine")
    });
    channel.call::<DeclareOk<'_>>(exclusive("mine"));
}

#[test]
fn an_auto_delete_queue_goes_with_its_last_consumer() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channel = connection.channel();
    channel.call::<DeclareOk<'_>>(Declare {
        auto_delete: true,
        ..queue("q")
    });
    let (one, two) = (channel.consume("q"), channel.consume("q"));
    channel.call::<basic::CancelOk<'_>>(cancel(&one));
    assert_eq!(channel.consumers("q"), 1);
    channel.call::<basic::CancelOk<'_>>(cancel(&two));
    channel.fails(passive("q"), 404, "NOT_FOUND - no queue 'q' in vhost '/'");
}

#[test]
fn an_auto_delete_queue_goes_with_its_consumer_s_channel() {
    let broker = Broker::start();
    let connection = broker.connect();
    let (one, two) = (connection.channel(), connection.channel());
    one.call::<DeclareOk<'_>>(Declare {
        auto_delete: true,
        ..queue("q")
    });
    one.consume("q");
    one.close();
    two.fails(passive("q"), 404, "NOT_FOUND - no queue 'q' in vhost '/'");
}

#[test]
fn an_auto_delete_queue_without_consumers_stays() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channel = connection.channel();
    channel.call::<DeclareOk<'_>>(Declare {
        auto_delete: true,
        ..queue("q")
    });
    channel.publish("", "q", "x");
    assert_eq!(channel.drain("q"), ["x"]);
    connection.close();
    broker.connect().channel().call::<DeclareOk<'_>>(passive("q"));
}

#[test]
fn delete_counts_the_ready_messages() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    for _ in 0..3 {
        channel.publish("", "q", "x");
    }
    channel.get("q").unwrap();
    assert_eq!(channel.call::<DeleteOk>(delete("q")).message_count, 2);
    assert_eq!(channel.call::<DeleteOk>(delete("q")).message_count, 0);
    channel.fails(passive("q"), 404, "NOT_FOUND - no queue 'q' in vhost '/'");
}

#[test]
fn deleting_what_is_missing_is_fine() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    let conditional = Delete {
        if_unused: true,
        if_empty: true,
        ..delete("missing")
    };
    assert_eq!(channel.call::<DeleteOk>(conditional).message_count, 0);
}

#[test]
fn a_queue_in_use_is_kept_if_asked() {
    let broker = Broker::start();
    let connection = broker.connect();
    connection.channel().declare("q");
    let consumer = connection.channel();
    let tag = consumer.consume("q");
    let if_unused = || Delete {
        if_unused: true,
        ..delete("q")
    };
    let text = "PRECONDITION_FAILED - queue 'q' in vhost '/' in use";
    connection.channel().fails(if_unused(), 406, text);
    consumer.call::<basic::CancelOk<'_>>(cancel(&tag));
    connection.channel().call::<DeleteOk>(if_unused());
}

#[test]
fn a_queue_with_messages_is_kept_if_asked() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channel = connection.channel();
    channel.declare("q");
    channel.publish("", "q", "x");
    let if_empty = || Delete {
        if_empty: true,
        ..delete("q")
    };
    channel.fails(
        if_empty(),
        406,
        "PRECONDITION_FAILED - queue 'q' in vhost '/' not empty",
    );
    let channel = connection.channel();
    channel.get("q").unwrap();
    channel.call::<DeleteOk>(if_empty());
}

#[test]
fn a_deleted_queue_tells_its_consumers() {
    let broker = Broker::start();
    let connection = broker.connect();
    let (one, two) = (connection.channel(), connection.channel());
    one.declare("q");
    let tag = one.consume("q");
    two.call::<DeleteOk>(delete("q"));
    assert_eq!(
        one.expect::<basic::Cancel<'_>>(),
        basic::Cancel {
            consumer_tag: &tag,
            nowait: true
        }
    );
    one.declare("q");
}

#[test]
fn a_deleted_queue_s_unsettled_messages_may_still_be_acked() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    channel.publish("", "q", "x");
    let got = channel.get("q").unwrap();
    channel.call::<DeleteOk>(delete("q"));
    channel.ack(got.tag);
    channel.declare("q");
    assert_eq!(channel.drain("q"), [""; 0]);
}

#[test]
fn the_owner_s_loss_frees_the_name() {
    let broker = Broker::start();
    let owner = broker.connect();
    owner.channel().call::<DeclareOk<'_>>(exclusive("mine"));
    drop(owner);
    let connection = broker.connect();
    eventually("the name is free", || {
        let channel = connection.channel();
        channel.send(exclusive("mine"));
        let answer = channel.method();
        if answer.name() == "channel.close" {
            channel.send(channel::CloseOk {});
        }
        answer.name() == "queue.declare-ok"
    });
}

fn locked(queue: &str) -> String {
    format!(
        "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{queue}' in vhost '/'. It could be \
         originally declared on another connection or the exclusive property value does not match that of the \
         original declaration."
    )
}
