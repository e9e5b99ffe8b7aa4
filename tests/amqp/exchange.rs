//! Class `exchange`: declaring, deleting, binding to each other.

use leveret_protocol::method::exchange::{BindOk, Declare, DeclareOk, Delete, DeleteOk, UnbindOk};
use leveret_protocol::method::queue;
use leveret_protocol::types::FieldTable;

use crate::support::Broker;
use crate::support::methods::{
    bind, bind_exchange, delete, delete_exchange, exchange, passive_exchange, unbind, unbind_exchange,
};

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
        channel.call::<DeclareOk>(passive_exchange(name));
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
    connection.channel().fails(passive_exchange(""), 403, text);
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
        ..passive_exchange("e")
    });
    channel.fails(
        passive_exchange("missing"),
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
    channel.fails(
        passive_exchange("e"),
        404,
        "NOT_FOUND - no exchange 'e' in vhost '/'",
    );
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
    channel.call::<DeclareOk>(passive_exchange("e"));
    channel.call::<queue::DeleteOk>(delete("r"));
    channel.fails(
        passive_exchange("e"),
        404,
        "NOT_FOUND - no exchange 'e' in vhost '/'",
    );
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
    channel.call::<DeclareOk>(passive_exchange("e"));
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
