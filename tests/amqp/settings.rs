//! What the broker's settings change on the wire.

use leveret::Config;
use leveret_protocol::method::basic::Publish;
use leveret_protocol::method::connection::{Open, OpenOk, Tune, TuneOk};

use crate::support::Broker;

#[test]
fn product_and_version_are_those_configured() {
    let (product, product_version) = ("RabbitMQ".to_owned(), "4.1.0".to_owned());
    let broker = Broker::with(Config {
        product,
        product_version,
        ..Config::local()
    });
    let properties = broker.socket().greet().server_properties;
    let property = |name| properties.get(name).and_then(|value| value.as_str());
    assert_eq!(
        (property("product"), property("version")),
        (Some("RabbitMQ"), Some("4.1.0"))
    );
}

#[test]
fn the_limits_proposed_are_those_configured() {
    let broker = Broker::with(Config {
        channel_max: 7,
        frame_max: 8192,
        heartbeat: 3,
        ..Config::local()
    });
    let connection = broker.socket();
    assert_eq!(
        connection.log_in(),
        Tune {
            channel_max: 7,
            frame_max: 8192,
            heartbeat: 3
        }
    );
    connection.send(TuneOk {
        channel_max: 8,
        frame_max: 8192,
        heartbeat: 0,
    });
    let text = "NOT_ALLOWED - negotiated channel_max = 8 is higher than the maximum allowed value (7)";
    connection.closed(530, text, Tune::IDS);
}

#[test]
fn without_limits_of_its_own_the_broker_takes_the_client_s() {
    let broker = Broker::with(Config {
        channel_max: 0,
        frame_max: 0,
        ..Config::local()
    });
    for (channel_max, frame_max) in [(0, 0), (65_535, 1 << 20), (5, 4096)] {
        let connection = broker.socket();
        let tune = connection.log_in();
        assert_eq!((tune.channel_max, tune.frame_max), (0, 0));
        connection.send(TuneOk {
            channel_max,
            frame_max,
            heartbeat: 0,
        });
        connection.call::<OpenOk>(Open { vhost: "/" });
    }
}

#[test]
fn a_message_above_the_configured_size_closes_the_channel() {
    let broker = Broker::with(Config {
        max_message_size: 1000,
        ..Config::local()
    });
    let connection = broker.connect();
    let channel = connection.channel();
    channel.declare("q");
    channel.publish("", "q", vec![0; 1000]);
    channel.publish("", "q", vec![0; 1001]);
    let text = "PRECONDITION_FAILED - message size 1001 is larger than configured max size 1000";
    channel.closed(406, text, Publish::IDS);
    assert_eq!(connection.channel().ready("q"), 1);
}

#[test]
fn the_body_of_a_message_that_is_too_large_is_read_past() {
    let broker = Broker::with(Config {
        max_message_size: 1000,
        ..Config::local()
    });
    let connection = broker.connect();
    let (refused, other) = (connection.channel(), connection.channel());
    refused.publish("", "q", vec![0; 500_000]);
    other.declare("q");
    assert_eq!(refused.expect_close().reply_code, 406);
    refused.open();
    refused.publish("", "q", "small");
    assert_eq!(refused.drain("q"), ["small"]);
}

#[test]
fn one_worker_is_enough() {
    let broker = Broker::with(Config {
        workers: 1,
        ..Config::local()
    });
    let (one, two) = (broker.connect().channel(), broker.connect().channel());
    one.declare("q");
    two.consume("q");
    one.publish("", "q", "x");
    assert_eq!(two.delivered(1), ["x"]);
}
