//! Names: which are allowed, and what an empty one stands for.

use leveret_protocol::method::{exchange, queue};

use crate::support::Broker;
use crate::support::methods::{consume, get, passive, queue};

#[test]
fn an_empty_queue_name_means_the_last_one_declared_here() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channel = connection.channel();
    channel.declare("first");
    channel.declare("second");
    channel.publish("", "second", "x");
    channel.call::<queue::BindOk>(queue::Bind {
        exchange: "amq.direct",
        ..Default::default()
    });
    channel.publish("amq.direct", "second", "bound by its own name");
    assert_eq!(channel.ready("second"), 2);
    assert_eq!(channel.get("").unwrap().body, b"x");
    channel.consume("");
    assert_eq!(channel.delivery().body, b"bound by its own name");
    channel.call::<queue::UnbindOk>(queue::Unbind {
        exchange: "amq.direct",
        routing_key: "second",
        ..Default::default()
    });
    assert_eq!(channel.ready("first"), 0, "a passive declaration counts too");
    channel.publish("", "first", "y");
    assert_eq!(
        channel
            .call::<queue::PurgeOk>(queue::Purge::default())
            .message_count,
        1
    );
    channel.call::<queue::DeleteOk>(queue::Delete::default());
    channel.fails(passive("first"), 404, "NOT_FOUND - no queue 'first' in vhost '/'");
}

#[test]
fn an_empty_queue_name_without_a_declaration_is_not_found() {
    let broker = Broker::start();
    let connection = broker.connect();
    connection.channel().declare("elsewhere");
    let text = "NOT_FOUND - no previously declared queue";
    connection.channel().fails(get(""), 404, text);
    connection.channel().fails(consume(""), 404, text);
    connection.channel().fails(queue::Purge::default(), 404, text);
    connection.channel().fails(
        queue::Bind {
            exchange: "amq.fanout",
            ..Default::default()
        },
        404,
        text,
    );
}

#[test]
fn line_breaks_are_stripped_from_names() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    let declared = channel.call::<queue::DeclareOk<'_>>(queue("a\r\nb"));
    assert_eq!(declared.queue, "ab");
    channel.call::<exchange::DeclareOk>(crate::support::methods::exchange("e\nf", "fanout"));
    channel.call::<queue::BindOk>(crate::support::methods::bind("ab", "ef", ""));
}

#[test]
fn names_may_be_any_255_bytes_of_utf_8() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    for name in ["ß λ 猫 \u{1}", &"n".repeat(255), "a/b%2f c\"d'"] {
        assert_eq!(channel.call::<queue::DeclareOk<'_>>(queue(name)).queue, name);
        channel.publish("", name, "here");
        assert_eq!(channel.drain(name), ["here"]);
    }
}
