//! Direct reply-to: replies that pass no queue.

use leveret_protocol::method::basic::{CancelOk, Consume, Publish};
use leveret_protocol::method::queue::DeclareOk;
use leveret_protocol::{OwnedProperties, Properties};

use crate::support::content::NONE;
use crate::support::methods::{bind, cancel, consume, mandatory, passive, unbind};
use crate::support::{Broker, Channel, eventually};

const REPLY_TO: &str = "amq.rabbitmq.reply-to";

#[test]
fn a_reply_comes_straight_back() {
    let broker = Broker::start();
    let (caller, server) = (broker.connect().channel(), broker.connect().channel());
    server.declare("requests");
    let tag = replies(&caller);
    let name = asked(&caller, &server);
    assert!(name.starts_with("amq.rabbitmq.reply-to."), "{name}");
    let properties = OwnedProperties::new().with_correlation_id("7").encode();
    server.publish_with(&name, &properties, "answer");
    let reply = caller.delivery();
    assert_eq!(
        (reply.consumer_tag, reply.exchange.as_str(), reply.routing_key),
        (tag, "", name)
    );
    assert_eq!(
        (reply.properties, reply.body),
        (properties.to_vec(), b"answer".to_vec())
    );
    assert!(!reply.redelivered);
}

#[test]
fn every_request_of_a_channel_names_the_same_place() {
    let broker = Broker::start();
    let (caller, server) = (broker.connect().channel(), broker.connect().channel());
    server.declare("requests");
    replies(&caller);
    let (one, two) = (asked(&caller, &server), asked(&caller, &server));
    assert_eq!(one, two);
    for number in 0..100 {
        server.publish("", &one, number.to_string());
    }
    assert_eq!(
        caller.delivered(100),
        (0..100).map(|n| n.to_string()).collect::<Vec<_>>()
    );
}

#[test]
fn other_properties_of_a_request_stay_as_they_are() {
    let broker = Broker::start();
    let caller = broker.connect().channel();
    caller.declare("requests");
    replies(&caller);
    let request = OwnedProperties::new()
        .with_content_type("text/plain")
        .with_reply_to(REPLY_TO)
        .with_message_id("m");
    caller.publish_with("requests", &request.encode(), "question");
    let got = caller.get("requests").unwrap();
    let properties = Properties::parse(&got.properties).unwrap();
    assert_eq!(
        (properties.content_type, properties.message_id),
        (Some(&b"text/plain"[..]), Some(&b"m"[..]))
    );
}

#[test]
fn a_reply_consumer_cannot_acknowledge() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    let text = "PRECONDITION_FAILED - reply consumer cannot acknowledge";
    channel.fails(consume(REPLY_TO), 406, text);
}

#[test]
fn a_channel_has_one_reply_consumer() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    replies(&channel);
    let again = Consume {
        no_ack: true,
        ..consume(REPLY_TO)
    };
    channel.fails(again, 406, "PRECONDITION_FAILED - reply consumer already set");
}

#[test]
fn a_request_needs_a_reply_consumer() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("requests");
    channel.publish_with(
        "requests",
        &OwnedProperties::new().with_reply_to(REPLY_TO).encode(),
        "",
    );
    channel.closed(
        406,
        "PRECONDITION_FAILED - fast reply consumer does not exist",
        Publish::IDS,
    );
}

#[test]
fn a_reply_to_nobody_is_dropped_or_returned() {
    let broker = Broker::start();
    let (caller, server) = (broker.connect().channel(), broker.connect().channel());
    server.declare("requests");
    replies(&caller);
    let name = asked(&caller, &server);
    caller.close();
    server.confirm_select();
    eventually("the caller is known to be gone", || {
        server.publish_as(mandatory("", &name), &NONE, "too late");
        server.method_past_content() == "basic.return" && server.method_past_content() == "basic.ack"
    });
    server.publish("", &name, "too late");
    server.confirm();
}

#[test]
fn cancelling_the_reply_consumer_ends_the_name() {
    let broker = Broker::start();
    let (caller, server) = (broker.connect().channel(), broker.connect().channel());
    server.declare("requests");
    let tag = replies(&caller);
    let name = asked(&caller, &server);
    server.call::<DeclareOk<'_>>(passive(&name));
    caller.call::<CancelOk<'_>>(cancel(&tag));
    server.publish("", &name, "too late");
    caller.expect_nothing();
    assert_eq!(probe(&server, &name), 404);
    replies(&caller);
}

#[test]
fn declaring_the_name_asks_whether_somebody_listens() {
    let broker = Broker::start();
    let (caller, server) = (broker.connect().channel(), broker.connect().channel());
    server.declare("requests");
    replies(&caller);
    let name = asked(&caller, &server);
    let there = server.call::<DeclareOk<'_>>(crate::support::methods::queue(&name));
    assert_eq!(
        there,
        DeclareOk {
            queue: &name,
            message_count: 0,
            consumer_count: 1
        }
    );
    drop(caller);
    let connection = server.connection();
    eventually("the caller is known to be gone", || {
        let channel = connection.channel();
        channel.send(passive(&name));
        channel.method().name() == "channel.close"
    });
}

#[test]
fn the_name_cannot_be_bound() {
    let broker = Broker::start();
    let (caller, server) = (broker.connect().channel(), broker.connect().channel());
    server.declare("requests");
    replies(&caller);
    let name = asked(&caller, &server);
    let connection = server.connection();
    let text = "ACCESS_REFUSED - cannot bind or unbind to a volatile (direct reply-to) queue";
    for name in [REPLY_TO, &name] {
        connection
            .channel()
            .fails(bind(name, "amq.direct", "x"), 403, text);
        connection
            .channel()
            .fails(unbind(name, "amq.direct", "x"), 403, text);
    }
}

#[test]
fn a_made_up_name_reaches_nobody() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    for name in [
        "amq.rabbitmq.reply-to.",
        "amq.rabbitmq.reply-to.x",
        "amq.rabbitmq.reply-to.g1h2AA.x",
    ] {
        channel.publish("", name, "x");
    }
    channel.declare("q");
}

/// Starts the reply consumer of a channel.
fn replies(channel: &Channel) -> String {
    channel.consume_as(Consume {
        no_ack: true,
        ..consume(REPLY_TO)
    })
}

/// Sends a request and gives the reply-to name that the server sees.
fn asked(caller: &Channel, server: &Channel) -> String {
    caller.publish_with(
        "requests",
        &OwnedProperties::new().with_reply_to(REPLY_TO).encode(),
        "question",
    );
    let mut request = None;
    eventually("the request arrives", || {
        request = server.get("requests");
        request.is_some()
    });
    let request = request.expect("it has arrived");
    server.ack(request.tag);
    let properties = Properties::parse(&request.properties).unwrap();
    String::from_utf8(properties.reply_to.unwrap().to_vec()).unwrap()
}

/// Asks on a channel of its own whether the name exists: the reply code, 200 if it does.
fn probe(channel: &Channel, name: &str) -> u16 {
    let channel = channel.connection().channel();
    channel.send(passive(name));
    match channel.method() {
        leveret_protocol::Method::Channel(leveret_protocol::method::channel::Method::Close(close)) => {
            close.reply_code
        }
        _ => 200,
    }
}
