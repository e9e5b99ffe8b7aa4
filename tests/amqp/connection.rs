//! Class `connection`: start-up, negotiation, its end.

use std::time::Duration;

use leveret_protocol::Method;
use leveret_protocol::method::connection::{
    Close, CloseOk, Open, OpenOk, SecureOk, StartOk, Tune, TuneOk, UpdateSecret, UpdateSecretOk,
};
use leveret_protocol::method::{channel, queue};
use leveret_protocol::types::{FieldTable, FieldValue};

use crate::support::connection::{capable, start_ok};
use crate::support::methods::{exclusive, queue};
use crate::support::wire::{HEARTBEAT, NoFrame};
use crate::support::{Broker, Connection};

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
    connection.closed(530, text, (0, 0));
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
        connection.closed(530, &format!("NOT_ALLOWED - {text}"), (0, 0));
    }
}

#[test]
fn an_unknown_virtual_host_is_refused_at_open() {
    let broker = Broker::start();
    for vhost in ["nowhere", ""] {
        let connection = broker.socket();
        connection.log_in();
        connection.tune(TuneOk {
            channel_max: 2047,
            frame_max: 131_072,
            heartbeat: 0,
        });
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
fn a_secure_ok_nobody_asked_for_is_refused() {
    let broker = Broker::start();
    let connection = broker.connect();
    connection.send(SecureOk { response: b"" });
    assert_eq!(connection.expect_close().reply_code, 504);
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
fn an_unfinished_handshake_is_given_up_after_its_timeout() {
    let broker = Broker::start();
    let (silent, greeted) = (broker.socket(), broker.socket());
    greeted.greet();
    assert_eq!(silent.next_frame(Duration::from_secs(15)), Err(NoFrame::End));
    assert_eq!(greeted.next_frame(Duration::from_secs(5)), Err(NoFrame::End));
}

#[test]
fn close_is_answered_and_nothing_follows() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channel = connection.channel();
    channel.declare("q");
    channel.consume("q");
    connection.call::<CloseOk>(Close {
        reply_code: 200,
        reply_text: "bye",
        class_id: 0,
        method_id: 0,
    });
    broker.connect().channel().publish("", "q", "too late");
    assert!(channel.next_frame(Duration::from_millis(100)).is_err());
}

#[test]
fn close_deletes_the_exclusive_queues_before_it_is_answered() {
    let broker = Broker::start();
    for _ in 0..50 {
        let connection = broker.connect();
        connection
            .channel()
            .call::<queue::DeclareOk<'_>>(exclusive("mine"));
        connection.close();
    }
}

#[test]
fn an_abrupt_end_deletes_the_exclusive_queues_too() {
    let broker = Broker::start();
    let connection = broker.connect();
    connection
        .channel()
        .call::<queue::DeclareOk<'_>>(exclusive("mine"));
    drop(connection);
    let other = broker.connect();
    crate::support::eventually("the name is free again", || {
        let channel = other.channel();
        channel.send(queue("mine"));
        match channel.method() {
            Method::Channel(channel::Method::Close(close)) => {
                assert_eq!(close.reply_code, 405);
                channel.send(channel::CloseOk {});
                false
            }
            method => method.name() == "queue.declare-ok",
        }
    });
}

#[test]
fn after_its_close_the_broker_ignores_all_but_the_answer() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channel = connection.channel();
    channel.send(channel::Open {});
    channel.declare_without_waiting("late");
    let close = connection.expect_close();
    assert_eq!(
        (close.reply_code, close.reply_text.as_str()),
        (504, "CHANNEL_ERROR - second 'channel.open' seen")
    );
    let text = "NOT_FOUND - no queue 'late' in vhost '/'";
    broker
        .connect()
        .channel()
        .fails(crate::support::methods::passive("late"), 404, text);
}

#[test]
fn update_secret_is_accepted_and_changes_nothing() {
    let broker = Broker::start();
    let connection = broker.connect();
    connection.call::<UpdateSecretOk>(UpdateSecret {
        new_secret: b"new",
        reason: "rotation",
    });
    connection.channel().declare("q");
}

#[test]
fn a_heartbeat_of_zero_means_none() {
    let broker = Broker::start();
    let connection = broker.connect();
    connection
        .listen(Duration::from_millis(1500))
        .expect("the connection stays");
    assert_eq!(connection.heartbeats(), 0);
}

#[test]
fn the_broker_beats_at_half_the_client_s_interval() {
    let broker = Broker::start();
    let connection = with_heartbeat(&broker, 1);
    for _ in 0..8 {
        connection
            .listen(Duration::from_millis(300))
            .expect("the connection stays");
        connection.send_frame(HEARTBEAT, []);
    }
    assert!(
        (2..=8).contains(&connection.heartbeats()),
        "{} in 2.4 s",
        connection.heartbeats()
    );
}

#[test]
fn a_client_that_falls_silent_is_dropped_without_a_word() {
    let broker = Broker::start();
    let connection = with_heartbeat(&broker, 1);
    let begun = std::time::Instant::now();
    assert_eq!(connection.listen(Duration::from_secs(8)), Err(NoFrame::End));
    assert!(
        begun.elapsed() >= Duration::from_millis(1500),
        "after {:?}",
        begun.elapsed()
    );
    assert_eq!(
        connection.next_frame(Duration::ZERO),
        Err(NoFrame::Silence),
        "no method came before the end"
    );
}

#[test]
fn any_traffic_counts_as_a_sign_of_life() {
    let broker = Broker::start();
    let connection = with_heartbeat(&broker, 1);
    let channel = connection.channel();
    channel.declare("q");
    for _ in 0..12 {
        channel.publish("", "q", "alive");
        connection
            .listen(Duration::from_millis(300))
            .expect("the connection stays");
    }
}

#[test]
fn a_larger_heartbeat_than_the_broker_s_is_taken() {
    let broker = Broker::start();
    with_heartbeat(&broker, 600).channel();
}

#[test]
fn heartbeats_may_stand_between_the_frames_of_a_message() {
    let broker = Broker::start();
    let connection = with_heartbeat(&broker, 30);
    let channel = connection.channel();
    channel.declare("q");
    channel.send(leveret_protocol::method::basic::Publish {
        routing_key: "q",
        ..Default::default()
    });
    connection.send_frame(HEARTBEAT, []);
    channel.send_frame(2, crate::support::content::header(60, 0, 4, &[0, 0]));
    connection.send_frame(HEARTBEAT, []);
    channel.send_frame(3, *b"ab");
    connection.send_frame(HEARTBEAT, []);
    channel.send_frame(3, *b"cd");
    assert_eq!(channel.get("q").unwrap().body, b"abcd");
}

#[test]
fn a_client_without_capabilities_is_served_as_well() {
    let broker = Broker::start();
    let connection = broker.socket();
    connection.greet();
    connection.call::<Tune>(StartOk {
        client_properties: FieldTable::new(),
        ..start_ok(b"\0guest\0guest")
    });
    connection.tune(TuneOk {
        channel_max: 2047,
        frame_max: 131_072,
        heartbeat: 0,
    });
    connection.call::<OpenOk>(Open {
        vhost: broker.vhost(),
    });
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

fn with_heartbeat(broker: &Broker, heartbeat: u16) -> Connection {
    let connection = broker.socket();
    connection.log_in();
    connection.tune(TuneOk {
        channel_max: 2047,
        frame_max: 131_072,
        heartbeat,
    });
    connection.call::<OpenOk>(Open {
        vhost: broker.vhost(),
    });
    connection
}
