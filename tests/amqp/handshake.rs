//! From the first byte to connection.open-ok: headers, logins, limits.

use std::time::Duration;

use leveret_protocol::method::channel;
use leveret_protocol::method::connection::{Open, OpenOk, StartOk, Tune, TuneOk};
use leveret_protocol::types::{FieldTable, FieldValue};

use crate::support::Broker;
use crate::support::connection::{capable, start_ok};
use crate::support::wire::NoFrame;

const AMQP_0_9_1: &[u8] = b"AMQP\x00\x00\x09\x01";

#[test]
fn the_broker_offers_its_mechanisms_and_locale() {
    let broker = Broker::start();
    let start = broker.socket().greet();
    assert_eq!((start.version_major, start.version_minor), (0, 9));
    let mechanisms = std::str::from_utf8(start.mechanisms).unwrap();
    let mechanisms: Vec<_> = mechanisms.split(' ').collect();
    assert!(
        mechanisms.contains(&"PLAIN") && mechanisms.contains(&"AMQPLAIN"),
        "{mechanisms:?}"
    );
    assert_eq!(start.locales, b"en_US");
}

#[test]
fn the_old_0_9_header_is_taken_for_0_9_1() {
    let broker = Broker::start();
    let connection = broker.socket();
    connection.write(b"AMQP\x01\x01\x00\x09");
    let start: leveret_protocol::method::connection::Start<'_> = connection.expect();
    assert_eq!((start.version_major, start.version_minor), (0, 9));
}

#[test]
fn any_other_header_is_answered_with_ours_and_the_end() {
    let broker = Broker::start();
    for header in [
        *b"AMQP\x00\x00\x09\x02",
        *b"AMQP\x00\x00\x08\x00",
        *b"AMQP\x01\x00\x00\x00",
        *b"AMQP\x00\x01\x00\x00",
        *b"AMQP\x03\x01\x00\x00",
        *b"HELO\x00\x00\x00\x00",
        *b"GET / HT",
        *b"\x16\x03\x01\x02\x00\x01\x00\x01",
    ] {
        let connection = broker.socket();
        connection.write(&header);
        let answer = connection.shared().wire.read_raw(8);
        if header.starts_with(b"AMQP") || header.starts_with(b"HELO") {
            assert_eq!(answer, Ok(AMQP_0_9_1.to_vec()), "{header:?}");
        }
        assert_eq!(
            connection.shared().wire.read_raw(1),
            Err(NoFrame::End),
            "{header:?}"
        );
    }
}

#[test]
fn a_health_probe_that_says_nothing_does_no_harm() {
    let broker = Broker::start();
    for _ in 0..20 {
        drop(broker.socket());
    }
    broker.connect().channel();
}

#[test]
fn the_server_properties_name_product_version_and_capabilities() {
    let broker = Broker::start();
    let properties = broker.socket().greet().server_properties;
    for name in [
        "product",
        "version",
        "cluster_name",
        "durability",
        "platform",
        "copyright",
        "information",
    ] {
        assert!(
            properties.get(name).is_some_and(|value| value.as_str().is_some()),
            "{name}: {properties}"
        );
    }
    let version = properties.get("version").unwrap().as_str().unwrap();
    let numbers: Vec<_> = version.split('.').map(str::parse::<u32>).collect();
    assert!(
        numbers.len() == 3 && numbers.iter().all(Result::is_ok),
        "{version} is a semantic version"
    );

    let capabilities = properties.get("capabilities").unwrap().as_table().unwrap();
    for name in [
        "publisher_confirms",
        "exchange_exchange_bindings",
        "basic.nack",
        "consumer_cancel_notify",
        "connection.blocked",
        "consumer_priorities",
        "authentication_failure_close",
        "per_consumer_qos",
        "direct_reply_to",
    ] {
        assert_eq!(capabilities.get(name), Some(&FieldValue::Bool(true)), "{name}");
    }
}

#[test]
fn plain_logs_in_and_tune_proposes_the_usual_limits() {
    let broker = Broker::start();
    let tune = broker.socket().log_in();
    assert_eq!(
        tune,
        Tune {
            channel_max: 2047,
            frame_max: 131_072,
            heartbeat: 60
        }
    );
}

#[test]
fn amqplain_logs_in() {
    let broker = Broker::start();
    let connection = broker.socket();
    connection.greet();
    let response = b"\x05LOGINS\0\0\0\x05guest\x08PASSWORDS\0\0\0\x05guest";
    connection.call::<Tune>(StartOk {
        mechanism: "AMQPLAIN",
        ..start_ok(response)
    });
}

#[test]
fn an_unknown_mechanism_is_refused() {
    let broker = Broker::start();
    let connection = broker.socket();
    connection.greet();
    connection.send(StartOk {
        mechanism: "MAGIC",
        ..start_ok(b"")
    });
    let close = connection.expect_close();
    assert_eq!(close.reply_code, 503);
    assert!(
        close
            .reply_text
            .starts_with("COMMAND_INVALID - unknown authentication mechanism 'MAGIC'"),
        "{close:?}"
    );
}

#[test]
fn a_wrong_login_is_refused_with_403_to_a_client_that_can_take_it() {
    let broker = Broker::start();
    for response in [&b"\0guest\0wrong"[..], b"\0nobody\0guest", b"\0guest\0", b"\0\0"] {
        let connection = broker.socket();
        connection.greet();
        connection.send(start_ok(response));
        let text = "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. \
                    For details see the broker logfile.";
        connection.closed(403, text, (0, 0));
    }
}

#[test]
fn a_wrong_amqplain_login_names_its_mechanism() {
    let broker = Broker::start();
    let connection = broker.socket();
    connection.greet();
    let response = b"\x05LOGINS\0\0\0\x05guest\x08PASSWORDS\0\0\0\x05wrong";
    connection.send(StartOk {
        mechanism: "AMQPLAIN",
        ..start_ok(response)
    });
    let text = "ACCESS_REFUSED - Login was refused using authentication mechanism AMQPLAIN. \
                For details see the broker logfile.";
    connection.closed(403, text, (0, 0));
}

#[test]
fn a_wrong_login_without_the_capability_ends_in_silence() {
    let broker = Broker::start();
    let connection = broker.socket();
    connection.greet();
    connection.send(StartOk {
        client_properties: FieldTable::new(),
        ..start_ok(b"\0guest\0wrong")
    });
    assert_eq!(connection.next_frame(Duration::from_secs(8)), Err(NoFrame::End));
}

#[test]
fn a_malformed_plain_response_is_refused() {
    let broker = Broker::start();
    for response in [&b"guest"[..], b"", b"\0guest"] {
        let connection = broker.socket();
        connection.greet();
        connection.send(start_ok(response));
        connection.expect_end();
    }
}

#[test]
fn the_client_may_lower_every_limit() {
    let broker = Broker::start();
    let connection = broker.socket();
    connection.log_in();
    connection.tune(TuneOk {
        channel_max: 1,
        frame_max: 4096,
        heartbeat: 0,
    });
    connection.call::<OpenOk>(Open {
        vhost: broker.vhost(),
    });
    let channel = connection.channel();
    channel.declare("q");
    channel.publish("", "q", "x".repeat(20_000));
    assert_eq!(channel.get("q").unwrap().body.len(), 20_000);
}

#[test]
fn frames_below_the_protocol_s_minimum_are_refused() {
    let broker = Broker::start();
    let connection = broker.socket();
    connection.log_in();
    connection.send(TuneOk {
        channel_max: 0,
        frame_max: 4095,
        heartbeat: 0,
    });
    let text = "NOT_ALLOWED - negotiated frame_max = 4095 is lower than the minimum allowed value (4096)";
    connection.closed(530, text, Tune::IDS);
}

#[test]
fn limits_above_the_broker_s_are_refused() {
    let broker = Broker::start();
    for (channel_max, frame_max, text) in [
        (
            2047,
            131_073,
            "negotiated frame_max = 131073 is higher than the maximum allowed value (131072)",
        ),
        (
            2047,
            0,
            "negotiated frame_max = 0 (no limit) is higher than the maximum allowed value (131072)",
        ),
        (
            2048,
            131_072,
            "negotiated channel_max = 2048 is higher than the maximum allowed value (2047)",
        ),
        (
            0,
            131_072,
            "negotiated channel_max = 0 (no limit) is higher than the maximum allowed value (2047)",
        ),
    ] {
        let connection = broker.socket();
        connection.log_in();
        connection.send(TuneOk {
            channel_max,
            frame_max,
            heartbeat: 0,
        });
        connection.closed(530, &format!("NOT_ALLOWED - {text}"), Tune::IDS);
    }
}

#[test]
fn an_unknown_virtual_host_is_refused_at_open() {
    let broker = Broker::start();
    for vhost in ["nowhere", ""] {
        let connection = broker.socket();
        connection.log_in();
        connection.tune_as_usual();
        let text = format!("NOT_ALLOWED - vhost {vhost} not found");
        connection.send(Open { vhost });
        connection.closed(530, &text, (10, 40));
    }
}

#[test]
fn handshake_methods_out_of_their_order_end_the_connection() {
    let broker = Broker::start();
    let connection = broker.connect();
    connection.send(TuneOk {
        channel_max: 10,
        frame_max: 131_072,
        heartbeat: 0,
    });
    assert_eq!(connection.expect_close().reply_code, 504);

    let connection = broker.socket();
    connection.greet();
    connection.send(Open { vhost: "/" });
    connection.expect_end();
}

#[test]
fn a_channel_method_before_open_is_refused() {
    let broker = Broker::start();
    let connection = broker.socket();
    connection.log_in();
    connection.channel_number(1).send(channel::Open {});
    connection.expect_end();
}

#[test]
fn a_login_too_large_for_an_unnegotiated_frame_is_refused() {
    let broker = Broker::start();
    let connection = broker.socket();
    connection.greet();
    connection.send(start_ok(&[b'x'; 20_000]));
    connection.expect_end();
}

#[test]
fn an_unfinished_handshake_is_given_up_after_its_timeout() {
    let broker = Broker::start();
    let (silent, greeted) = (broker.socket(), broker.socket());
    greeted.greet();
    assert_eq!(silent.next_frame(Duration::from_secs(15)), Err(NoFrame::End));
    assert_eq!(greeted.next_frame(Duration::from_secs(5)), Err(NoFrame::End));
}

#[test]
fn a_client_without_capabilities_is_served_as_well() {
    let broker = Broker::start();
    let connection = broker.connect_as(FieldTable::new());
    connection.channel().declare("q");
}

#[test]
fn client_properties_of_every_type_are_taken() {
    let broker = Broker::start();
    let connection = broker.socket();
    connection.greet();
    let mut properties = capable();
    properties.insert(
        "deep",
        FieldTable::from_iter([("array", vec![FieldValue::Void, 1.5.into(), true.into()])]),
    );
    properties.insert("when", FieldValue::Timestamp(1));
    properties.insert("price", FieldValue::Decimal { scale: 2, value: 199 });
    connection.call::<Tune>(StartOk {
        client_properties: properties,
        ..start_ok(b"\0guest\0guest")
    });
}
