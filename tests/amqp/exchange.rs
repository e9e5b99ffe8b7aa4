//! Class `exchange`: declaring, deleting, binding to each other.

use leveret_protocol::method::exchange::{BindOk, Declare, DeclareOk, Delete, DeleteOk, UnbindOk};
use leveret_protocol::method::queue;
use leveret_protocol::types::FieldTable;

use crate::support::content::NONE;
use crate::support::methods::{
    bind, bind_exchange, delete, delete_exchange, exchange, mandatory, unbind, unbind_exchange,
};
use crate::support::{Broker, Channel};

const PREDECLARED: [(&str, &str); 6] = [
    ("amq.direct", "direct"),
    ("amq.fanout", "fanout"),
    ("amq.topic", "topic"),
    ("amq.headers", "headers"),
    ("amq.match", "headers"),
    ("amq.rabbitmq.trace", "topic"),
];

#[test]
fn the_predeclared_exchanges_are_there() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    for (name, kind) in PREDECLARED {
        channel.call::<DeclareOk>(passive(name));
        let internal = name == "amq.rabbitmq.trace";
        channel.call::<DeclareOk>(Declare {
            durable: true,
            internal,
            ..exchange(name, kind)
        });
    }
}

#[test]
fn a_predeclared_exchange_stays_what_it_is() {
    let broker = Broker::start();
    let connection = broker.connect();
    let text = "PRECONDITION_FAILED - inequivalent arg 'durable' for exchange 'amq.direct' in vhost '/': \
                received 'false' but current is 'true'";
    connection
        .channel()
        .fails(exchange("amq.direct", "direct"), 406, text);
    for (name, _) in PREDECLARED {
        let text = format!("ACCESS_REFUSED - deletion of system exchange '{name}' in vhost '/' not allowed");
        connection.channel().fails(delete_exchange(name), 403, &text);
    }
}

#[test]
fn the_default_exchange_is_not_to_be_touched() {
    let broker = Broker::start();
    let connection = broker.connect();
    connection.channel().declare("q");
    let text = "ACCESS_REFUSED - operation not permitted on the default exchange";
    connection.channel().fails(exchange("", "direct"), 403, text);
    connection.channel().fails(passive(""), 403, text);
    connection.channel().fails(delete_exchange(""), 403, text);
    connection.channel().fails(bind("q", "", "key"), 403, text);
    connection.channel().fails(unbind("q", "", "q"), 403, text);
    connection
        .channel()
        .fails(bind_exchange("amq.fanout", "", "key"), 403, text);
    connection
        .channel()
        .fails(bind_exchange("", "amq.fanout", "key"), 403, text);
    connection
        .channel()
        .fails(unbind_exchange("", "amq.fanout", "key"), 403, text);
}

#[test]
fn the_amq_prefix_is_reserved() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    let text = "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'";
    channel.fails(exchange("amq.mine", "direct"), 403, text);
}

#[test]
fn a_passive_declaration_asks_only_whether_it_exists() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channel = connection.channel();
    channel.call::<DeclareOk>(exchange("e", "topic"));
    channel.call::<DeclareOk>(Declare {
        kind: "fanout",
        durable: true,
        ..passive("e")
    });
    channel.fails(
        passive("missing"),
        404,
        "NOT_FOUND - no exchange 'missing' in vhost '/'",
    );
}

#[test]
fn an_unknown_kind_is_refused() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.fails(
        exchange("e", "magic"),
        406,
        "PRECONDITION_FAILED - unknown exchange type 'magic'",
    );
}

#[test]
fn an_equal_declaration_changes_nothing() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    let unknown = FieldTable::from_iter([("x-unknown", 1)]);
    channel.call::<DeclareOk>(exchange("e", "topic"));
    channel.call::<DeclareOk>(exchange("e", "topic"));
    channel.call::<DeclareOk>(Declare {
        arguments: unknown,
        ..exchange("e", "topic")
    });
}

#[test]
fn a_different_declaration_names_the_first_difference() {
    let broker = Broker::start();
    let connection = broker.connect();
    let alternate = || FieldTable::from_iter([("alternate-exchange", "amq.fanout")]);
    connection.channel().call::<DeclareOk>(exchange("e", "direct"));
    for (declare, difference) in [
        (
            exchange("e", "fanout"),
            "'type' for exchange 'e' in vhost '/': received 'fanout' but current is 'direct'",
        ),
        (
            Declare {
                durable: true,
                auto_delete: true,
                ..exchange("e", "direct")
            },
            "'durable' for exchange 'e' in vhost '/': received 'true' but current is 'false'",
        ),
        (
            Declare {
                auto_delete: true,
                internal: true,
                ..exchange("e", "direct")
            },
            "'auto_delete' for exchange 'e' in vhost '/': received 'true' but current is 'false'",
        ),
        (
            Declare {
                internal: true,
                arguments: alternate(),
                ..exchange("e", "direct")
            },
            "'internal' for exchange 'e' in vhost '/': received 'true' but current is 'false'",
        ),
        (
            Declare {
                arguments: alternate(),
                ..exchange("e", "direct")
            },
            "'alternate-exchange' for exchange 'e' in vhost '/': \
             received the value 'amq.fanout' of type 'longstr' but current is none",
        ),
    ] {
        let text = format!("PRECONDITION_FAILED - inequivalent arg {difference}");
        connection.channel().fails(declare, 406, &text);
    }
}

#[test]
fn deleting_what_is_missing_is_fine() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.call::<DeleteOk>(delete_exchange("missing"));
    channel.call::<DeleteOk>(Delete {
        if_unused: true,
        ..delete_exchange("missing")
    });
}

#[test]
fn an_exchange_in_use_is_kept_if_asked() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channel = connection.channel();
    channel.call::<DeclareOk>(exchange("e", "direct"));
    channel.declare("q");
    channel.call::<queue::BindOk>(bind("q", "e", "key"));
    let if_unused = || Delete {
        if_unused: true,
        ..delete_exchange("e")
    };
    channel.fails(
        if_unused(),
        406,
        "PRECONDITION_FAILED - exchange 'e' in vhost '/' in use",
    );
    let channel = connection.channel();
    channel.call::<queue::UnbindOk>(unbind("q", "e", "key"));
    channel.call::<DeleteOk>(if_unused());
    channel.fails(passive("e"), 404, "NOT_FOUND - no exchange 'e' in vhost '/'");
}

#[test]
fn being_a_destination_is_not_use() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.call::<DeclareOk>(exchange("e", "fanout"));
    channel.call::<BindOk>(bind_exchange("e", "amq.fanout", ""));
    channel.call::<DeleteOk>(Delete {
        if_unused: true,
        ..delete_exchange("e")
    });
}

#[test]
fn a_deleted_exchange_routes_no_more() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channel = connection.channel();
    channel.call::<DeclareOk>(exchange("e", "fanout"));
    channel.declare("q");
    channel.call::<queue::BindOk>(bind("q", "e", ""));
    channel.publish("e", "", "before");
    channel.call::<DeleteOk>(delete_exchange("e"));
    channel.call::<DeclareOk>(exchange("e", "fanout"));
    channel.publish("e", "", "after");
    assert_eq!(
        channel.drain("q"),
        ["before"],
        "the bindings went with the exchange"
    );
}

#[test]
fn an_auto_delete_exchange_goes_with_its_last_binding() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.call::<DeclareOk>(Declare {
        auto_delete: true,
        ..exchange("e", "direct")
    });
    channel.declare("q");
    channel.declare("r");
    channel.call::<queue::BindOk>(bind("q", "e", "a"));
    channel.call::<queue::BindOk>(bind("r", "e", "b"));
    channel.call::<queue::UnbindOk>(unbind("q", "e", "a"));
    channel.call::<DeclareOk>(passive("e"));
    channel.call::<queue::DeleteOk>(delete("r"));
    channel.fails(passive("e"), 404, "NOT_FOUND - no exchange 'e' in vhost '/'");
}

#[test]
fn an_auto_delete_exchange_that_was_never_bound_stays() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.call::<DeclareOk>(Declare {
        auto_delete: true,
        ..exchange("e", "direct")
    });
    channel.call::<BindOk>(bind_exchange("e", "amq.fanout", ""));
    channel.call::<UnbindOk>(unbind_exchange("e", "amq.fanout", ""));
    channel.call::<DeclareOk>(passive("e"));
}

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
        connection.channel().fails(passive(name), 404, &text);
    }
}

#[test]
fn an_internal_exchange_is_not_published_to() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channel = connection.channel();
    channel.call::<DeclareOk>(Declare {
        internal: true,
        ..exchange("inner", "fanout")
    });
    channel.call::<BindOk>(bind_exchange("inner", "amq.fanout", ""));
    channel.declare("q");
    channel.call::<queue::BindOk>(bind("q", "inner", ""));
    channel.publish("amq.fanout", "", "through");
    assert_eq!(channel.drain("q"), ["through"]);
    channel.publish("inner", "", "refused");
    let text = "ACCESS_REFUSED - cannot publish to internal exchange 'inner' in vhost '/'";
    channel.closed(403, text, (60, 40));
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

fn passive(exchange: &str) -> Declare<'_> {
    Declare {
        exchange,
        passive: true,
        ..Default::default()
    }
}
