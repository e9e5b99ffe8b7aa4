//! From exchange to exchange: bindings between them, and alternate exchanges.

use leveret_protocol::method::exchange::{BindOk, Declare, DeclareOk, DeleteOk, UnbindOk};
use leveret_protocol::method::queue;
use leveret_protocol::types::FieldTable;

use crate::support::content::NONE;
use crate::support::methods::{
    bind, bind_exchange, delete, delete_exchange, exchange, mandatory, passive_exchange, unbind_exchange,
};
use crate::support::{Broker, Channel};

#[test]
fn auto_delete_runs_up_the_chain() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channel = connection.channel();
    for name in ["first", "second"] {
        channel.call::<DeclareOk>(Declare {
            auto_delete: true,
            ..exchange(name, "fanout")
        });
    }
    channel.declare("q");
    channel.call::<BindOk>(bind_exchange("second", "first", ""));
    channel.call::<queue::BindOk>(bind("q", "second", ""));
    channel.call::<queue::DeleteOk>(delete("q"));
    for name in ["second", "first"] {
        let text = format!("NOT_FOUND - no exchange '{name}' in vhost '/'");
        connection.channel().fails(passive_exchange(name), 404, &text);
    }
}

#[test]
fn a_message_reaches_a_queue_once_whatever_the_graph() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    for name in ["a", "b", "c"] {
        channel.call::<DeclareOk>(exchange(name, "fanout"));
    }
    channel.declare("q");
    for (destination, source) in [
        ("b", "a"),
        ("c", "a"),
        ("a", "b"),
        ("c", "b"),
        ("a", "c"),
        ("a", "a"),
    ] {
        channel.call::<BindOk>(bind_exchange(destination, source, ""));
    }
    for source in ["a", "b", "c"] {
        channel.call::<queue::BindOk>(bind("q", source, "one"));
        channel.call::<queue::BindOk>(bind("q", source, "two"));
    }
    channel.publish("a", "", "once");
    channel.publish("c", "", "again");
    assert_eq!(channel.drain("q"), ["once", "again"]);
}

#[test]
fn an_exchange_binding_goes_by_its_own_key() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.call::<DeclareOk>(exchange("out", "fanout"));
    channel.declare("q");
    channel.call::<queue::BindOk>(bind("q", "out", ""));
    channel.call::<BindOk>(bind_exchange("out", "amq.topic", "a.*"));
    channel.call::<BindOk>(bind_exchange("out", "amq.direct", "key"));
    channel.publish("amq.topic", "a.b", "topic");
    channel.publish("amq.topic", "b.b", "lost");
    channel.publish("amq.direct", "key", "direct");
    channel.call::<UnbindOk>(unbind_exchange("out", "amq.topic", "a.*"));
    channel.publish("amq.topic", "a.b", "lost");
    assert_eq!(channel.drain("q"), ["topic", "direct"]);
}

#[test]
fn binding_exchanges_that_are_missing_is_not_found() {
    let broker = Broker::start();
    let connection = broker.connect();
    let text = "NOT_FOUND - no exchange 'missing' in vhost '/'";
    connection
        .channel()
        .fails(bind_exchange("missing", "amq.fanout", ""), 404, text);
    connection
        .channel()
        .fails(bind_exchange("amq.fanout", "missing", ""), 404, text);
}

#[test]
fn unbinding_what_is_not_bound_is_fine() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.call::<UnbindOk>(unbind_exchange("amq.direct", "amq.fanout", "nothing"));
    channel.call::<UnbindOk>(unbind_exchange("missing", "amq.fanout", ""));
    channel.call::<UnbindOk>(unbind_exchange("amq.fanout", "missing", ""));
}

#[test]
fn the_alternate_exchange_takes_what_finds_no_way() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("caught");
    channel.declare("routed");
    channel.call::<queue::BindOk>(bind("caught", "amq.fanout", ""));
    with_alternate(&channel, "e", "amq.fanout");
    channel.call::<queue::BindOk>(bind("routed", "e", "key"));
    channel.publish("e", "key", "known");
    channel.publish("e", "other", "unknown");
    assert_eq!(channel.drain("routed"), ["known"]);
    assert_eq!(channel.drain("caught"), ["unknown"]);
}

#[test]
fn a_message_saved_by_the_alternate_exchange_counts_as_routed() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.confirm_select();
    channel.declare("caught");
    channel.call::<queue::BindOk>(bind("caught", "amq.fanout", ""));
    with_alternate(&channel, "e", "amq.fanout");
    channel.publish_as(mandatory("e", "other"), &NONE, "saved");
    channel.acked(1, 1);
    assert_eq!(channel.drain("caught"), ["saved"]);
}

#[test]
fn alternate_exchanges_may_form_a_ring() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    with_alternate(&channel, "a", "b");
    with_alternate(&channel, "b", "a");
    channel.publish_as(mandatory("a", "nowhere"), &NONE, "round");
    assert_eq!(channel.returned().reply_code, 312);
}

#[test]
fn a_missing_alternate_exchange_drops_the_message() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    with_alternate(&channel, "e", "missing");
    channel.publish("e", "nowhere", "dropped");
    channel.publish_as(mandatory("e", "nowhere"), &NONE, "returned");
    assert_eq!(channel.returned().body, b"returned");
}

fn with_alternate(channel: &Channel, name: &str, alternate: &str) {
    let arguments = FieldTable::from_iter([("alternate-exchange", alternate)]);
    channel.call::<DeclareOk>(Declare {
        arguments,
        ..exchange(name, "direct")
    });
}

#[test]
fn a_deleted_destination_takes_its_bindings_along() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    let source = Declare {
        auto_delete: true,
        ..exchange("source", "fanout")
    };
    channel.call::<DeclareOk>(source);
    channel.call::<DeclareOk>(exchange("destination", "fanout"));
    channel.call::<BindOk>(bind_exchange("destination", "source", ""));
    channel.call::<DeleteOk>(delete_exchange("destination"));
    channel.fails(
        passive_exchange("source"),
        404,
        "NOT_FOUND - no exchange 'source' in vhost '/'",
    );
}
