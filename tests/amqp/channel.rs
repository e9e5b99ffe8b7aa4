//! Class `channel`: opening, closing, errors, flow; and what belongs to no other class.

use leveret_protocol::method::connection::{Open, OpenOk, TuneOk};
use leveret_protocol::method::{access, basic, channel, confirm, exchange, queue, tx};

use crate::support::content::{NONE, header};
use crate::support::methods::{passive, queue};
use crate::support::wire::{BODY, HEADER};
use crate::support::{Broker, Channel, eventually};

#[test]
fn a_channel_must_be_opened_first() {
    let broker = Broker::start();
    let channel = broker.connect().unopened_channel();
    let text = "CHANNEL_ERROR - expected 'channel.open'";
    channel.fails_connection(queue("q"), 504, text);
}

#[test]
fn a_channel_is_opened_once() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.fails_connection(
        channel::Open {},
        504,
        "CHANNEL_ERROR - second 'channel.open' seen",
    );
}

#[test]
fn channels_beyond_the_negotiated_number_are_refused() {
    let broker = Broker::start();
    let connection = broker.socket();
    connection.log_in();
    connection.tune(TuneOk {
        channel_max: 3,
        frame_max: 131_072,
        heartbeat: 0,
    });
    connection.call::<OpenOk>(Open {
        vhost: broker.vhost(),
    });
    // The channels are counted; their numbers may be any.
    let channels = [1, 2, 60_000].map(|number| connection.channel_number(number));
    channels.iter().for_each(crate::support::Channel::open);
    let text = "NOT_ALLOWED - number of channels opened (3) has reached the negotiated channel_max (3)";
    connection.channel_number(4).send(channel::Open {});
    let close = connection.expect_close();
    assert_eq!((close.reply_code, close.reply_text.as_str()), (530, text));
}

#[test]
fn a_channel_s_number_may_be_used_again_once_it_is_closed() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channel = connection.channel_number(7);
    for _ in 0..100 {
        channel.open();
        channel.close();
    }
    channel.open();
    channel.fails(
        passive("missing"),
        404,
        "NOT_FOUND - no queue 'missing' in vhost '/'",
    );
    channel.open();
    channel.declare("q");
}

#[test]
fn a_channel_error_leaves_the_other_channels_alone() {
    let broker = Broker::start();
    let connection = broker.connect();
    let (bad, good) = (connection.channel(), connection.channel());
    bad.fails(
        passive("missing"),
        404,
        "NOT_FOUND - no queue 'missing' in vhost '/'",
    );
    good.declare("q");
}

#[test]
fn after_its_close_a_channel_drops_everything_but_the_answer() {
    let broker = Broker::start();
    let connection = broker.connect();
    let (bad, good) = (connection.channel(), connection.channel());
    good.declare("q");
    bad.send(passive("missing"));
    bad.publish("", "q", "dropped");
    bad.send(queue("dropped"));
    bad.send(basic::Publish {
        routing_key: "q",
        ..Default::default()
    });
    bad.send_frame(HEADER, header(60, 0, 4, &NONE));
    assert_eq!(bad.expect::<channel::Close<'_>>().reply_code, 404);
    bad.send_frame(BODY, *b"body");
    bad.send(channel::CloseOk {});
    assert_eq!(good.ready("q"), 0);
    good.fails(
        passive("dropped"),
        404,
        "NOT_FOUND - no queue 'dropped' in vhost '/'",
    );
    bad.open();
    bad.publish("", "q", "kept");
    assert_eq!(bad.drain("q"), ["kept"]);
}

#[test]
fn a_close_that_crosses_the_broker_s_is_answered() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channel = connection.channel();
    channel.send(passive("missing"));
    close_across(&channel);
    connection.channel().declare("q");
}

#[test]
fn a_close_behind_much_that_crossed_the_broker_s_is_answered() {
    let broker = Broker::start();
    let connection = broker.connect();
    let body = "x".repeat(3_000);
    for _ in 0..100 {
        let channel = connection.channel();
        for _ in 0..40 {
            channel.publish("missing", "q", body.as_str());
        }
        close_across(&channel);
    }
}

/// Closes a channel which the broker closes at the same time.
fn close_across(channel: &Channel) {
    channel.send(channel::Close {
        reply_code: 200,
        ..Default::default()
    });
    assert_eq!(channel.expect::<channel::Close<'_>>().reply_code, 404);
    channel.expect::<channel::CloseOk>();
    channel.send(channel::CloseOk {});
}

#[test]
fn close_is_answered_after_the_work_before_it() {
    let broker = Broker::start();
    let connection = broker.connect();
    let (one, two) = (connection.channel(), connection.channel());
    one.declare("q");
    for number in 0..100 {
        one.publish("", "q", number.to_string());
    }
    one.close();
    assert_eq!(two.ready("q"), 100);
}

#[test]
fn a_channel_s_end_returns_what_it_had_not_settled() {
    let broker = Broker::start();
    let connection = broker.connect();
    let (one, two) = (connection.channel(), connection.channel());
    one.declare("q");
    for body in ["a", "b", "c"] {
        one.publish("", "q", body);
    }
    one.consume("q");
    one.deliveries(3);
    one.close();
    eventually("all three are ready again", || two.ready("q") == 3);
    assert_eq!(two.consumers("q"), 0);
    let got: Vec<_> = (0..3).map(|_| two.get("q").unwrap()).collect();
    assert!(got.iter().all(|got| got.redelivered));
    assert_eq!(
        got.iter().map(|got| &got.body[..]).collect::<Vec<_>>(),
        [b"a", b"b", b"c"]
    );
}

#[test]
fn an_error_returns_what_the_channel_had_not_settled() {
    let broker = Broker::start();
    let connection = broker.connect();
    let (one, two) = (connection.channel(), connection.channel());
    one.declare("q");
    one.publish("", "q", "mine");
    one.get("q").unwrap();
    one.fails(
        passive("missing"),
        404,
        "NOT_FOUND - no queue 'missing' in vhost '/'",
    );
    eventually("it is ready again", || two.ready("q") == 1);
    assert!(two.get("q").unwrap().redelivered);
}

#[test]
fn a_connection_s_loss_returns_what_it_had_not_settled() {
    let broker = Broker::start();
    let other = broker.connect().channel();
    other.declare("q");
    let lost = broker.connect();
    let channel = lost.channel();
    channel.publish("", "q", "mine");
    channel.get("q").unwrap();
    drop((channel, lost));
    eventually("it is ready again", || other.ready("q") == 1);
    assert!(other.get("q").unwrap().redelivered);
}

#[test]
fn a_long_reply_text_is_cut_at_255_bytes() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    let name = "é".repeat(127);
    channel.send(passive(&name));
    let close = channel.expect_close();
    assert_eq!(close.reply_code, 404);
    assert!(close.reply_text.len() <= 255);
    assert!(close.reply_text.starts_with("NOT_FOUND - no queue 'éé"));
}

#[test]
fn flow_may_be_turned_on_but_not_off() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    assert!(
        channel
            .call::<channel::FlowOk>(channel::Flow { active: true })
            .active
    );
    channel.fails_connection(
        channel::Flow { active: false },
        540,
        "NOT_IMPLEMENTED - active=false",
    );
}

#[test]
fn what_rabbitmq_does_not_implement_is_540() {
    let broker = Broker::start();
    let qos = basic::Qos {
        prefetch_size: 7,
        ..Default::default()
    };
    broker
        .connect()
        .channel()
        .fails_connection(qos, 540, "NOT_IMPLEMENTED - prefetch_size!=0 (7)");

    let recover = basic::Recover { requeue: false };
    broker
        .connect()
        .channel()
        .fails_connection(recover, 540, "NOT_IMPLEMENTED - requeue=false");

    let channel = broker.connect().channel();
    let publish = basic::Publish {
        routing_key: "q",
        immediate: true,
        ..Default::default()
    };
    channel.publish_as(publish, &NONE, "");
    channel.connection_closed(540, "NOT_IMPLEMENTED - immediate=true", basic::Publish::IDS);
}

#[test]
fn access_tickets_are_given_out_and_mean_nothing() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    let request = access::Request {
        realm: "/data",
        active: true,
        ..Default::default()
    };
    assert_eq!(channel.call::<access::RequestOk>(request).ticket, 1);
}

#[test]
fn nowait_asks_for_no_answer() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    let nowait = true;
    channel.declare_without_waiting("q");
    channel.send(exchange::Declare {
        exchange: "e",
        kind: "fanout",
        nowait,
        ..Default::default()
    });
    channel.send(exchange::Declare {
        exchange: "f",
        kind: "fanout",
        nowait,
        ..Default::default()
    });
    channel.send(queue::Bind {
        queue: "q",
        exchange: "e",
        nowait,
        ..Default::default()
    });
    channel.send(exchange::Bind {
        destination: "e",
        source: "f",
        nowait,
        ..Default::default()
    });
    channel.send(confirm::Select { nowait });
    channel.send(basic::Consume {
        queue: "q",
        consumer_tag: "t",
        nowait,
        ..Default::default()
    });
    channel.publish("f", "", "through");
    let mut names = [channel.method_past_content(), channel.method_past_content()];
    names.sort();
    assert_eq!(names, ["basic.ack", "basic.deliver"]);
    channel.send(basic::Cancel {
        consumer_tag: "t",
        nowait,
    });
    channel.send(queue::Purge { queue: "q", nowait });
    channel.send(exchange::Unbind {
        destination: "e",
        source: "f",
        nowait,
        ..Default::default()
    });
    channel.send(exchange::Delete {
        exchange: "f",
        nowait,
        ..Default::default()
    });
    channel.send(queue::Delete {
        queue: "q",
        nowait,
        ..Default::default()
    });
    channel.fails(passive("q"), 404, "NOT_FOUND - no queue 'q' in vhost '/'");
}

#[test]
fn nowait_does_not_silence_errors() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    let declare = queue::Declare {
        nowait: true,
        ..passive("missing")
    };
    channel.fails(declare, 404, "NOT_FOUND - no queue 'missing' in vhost '/'");
}

#[test]
fn confirm_and_tx_exclude_each_other() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channel = connection.channel();
    channel.tx_select();
    let text = "PRECONDITION_FAILED - cannot switch from tx to confirm mode";
    channel.fails(confirm::Select { nowait: false }, 406, text);
    let channel = connection.channel();
    channel.confirm_select();
    let text = "PRECONDITION_FAILED - cannot switch from confirm to tx mode";
    channel.fails(tx::Select {}, 406, text);
}

#[test]
fn a_server_s_method_from_a_client_is_refused() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.send(basic::ConsumeOk { consumer_tag: "t" });
    let code = channel.connection().expect_close().reply_code;
    assert!([503, 504, 540, 541].contains(&code), "{code}");
}
