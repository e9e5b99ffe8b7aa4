//! Resource alarms: publishers are told and held back, everybody else goes on.

use leveret::node::Alarm;
use leveret::{Amount, Config};
use leveret_protocol::FieldTable;
use leveret_protocol::method::connection::{Blocked, Open, OpenOk, StartOk, Tune, TuneOk, Unblocked};

use crate::support::connection::start_ok;
use crate::support::{Broker, eventually};

#[test]
fn a_publisher_is_told_at_its_first_publish_and_again_when_the_alarm_is_over() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channel = connection.channel();
    channel.declare("q");
    broker.server().broker().set_alarm(Alarm::Memory, true);
    connection.expect_nothing();
    channel.publish("", "q", "x");
    assert_eq!(connection.expect::<Blocked<'_>>().reason, "low on memory");
    broker.server().broker().set_alarm(Alarm::Memory, false);
    connection.expect::<Unblocked>();
    assert_eq!(channel.get("q").unwrap().body, b"x");
}

#[test]
fn a_blocked_connection_is_not_read_until_every_alarm_is_cleared() {
    let broker = Broker::start();
    let (publisher, watcher) = (broker.connect(), broker.connect().channel());
    let channel = publisher.channel();
    channel.declare("q");
    broker.server().broker().set_alarm(Alarm::Memory, true);
    broker.server().broker().set_alarm(Alarm::Disk, true);
    channel.publish("", "q", "1");
    assert_eq!(publisher.expect::<Blocked<'_>>().reason, "low on memory & disk");
    channel.publish("", "q", "2");
    broker.server().broker().set_alarm(Alarm::Memory, false);
    publisher.expect_nothing();
    assert_eq!(watcher.ready("q"), 1);
    broker.server().broker().set_alarm(Alarm::Disk, false);
    publisher.expect::<Unblocked>();
    assert_eq!(channel.get("q").unwrap().body, b"1");
    assert_eq!(channel.get("q").unwrap().body, b"2");
}

#[test]
fn consumers_and_declarations_go_on_during_an_alarm() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    channel.publish("", "q", "waiting");
    assert_eq!(channel.ready("q"), 1);
    broker.server().broker().set_alarm(Alarm::Disk, true);
    let consumer = broker.connect().channel();
    consumer.declare("other");
    consumer.consume("q");
    assert_eq!(consumer.delivery().body, b"waiting");
}

#[test]
fn a_client_that_does_not_understand_blocked_is_held_back_in_silence() {
    let broker = Broker::start();
    let connection = broker.socket();
    connection.greet();
    let silent = StartOk {
        client_properties: FieldTable::new(),
        ..start_ok(b"\0guest\0guest")
    };
    connection.call::<Tune>(silent);
    connection.tune(TuneOk {
        channel_max: 2047,
        frame_max: 131_072,
        heartbeat: 0,
    });
    connection.call::<OpenOk>(Open { vhost: "/" });
    let channel = connection.channel();
    channel.declare("q");
    broker.server().broker().set_alarm(Alarm::Memory, true);
    channel.publish("", "q", "x");
    connection.expect_nothing();
    broker.server().broker().set_alarm(Alarm::Memory, false);
    connection.expect_nothing();
    assert_eq!(channel.get("q").unwrap().body, b"x");
}

/// The broker has raised this alarm by itself, and only this one.
#[track_caller]
fn raises(broker: &Broker, alarm: Alarm, reason: &str) {
    let alarms = &broker.server().broker().node().alarms;
    eventually(reason, || alarms.raised().includes(alarm));
    let connection = broker.connect();
    let channel = connection.channel();
    channel.declare("q");
    channel.publish("", "q", "x");
    assert_eq!(connection.expect::<Blocked<'_>>().reason, reason);
}

#[test]
fn a_process_that_uses_more_than_its_memory_limit_holds_publishers_back() {
    let broker = Broker::with(Config {
        memory_limit: Amount::Bytes(1),
        ..Config::local()
    });
    raises(&broker, Alarm::Memory, "low on memory");
}

#[test]
fn a_disk_with_less_free_than_its_limit_holds_publishers_back() {
    let data = tempfile::tempdir().unwrap();
    let broker = Broker::with(Config {
        data_dir: Some(data.path().to_owned()),
        disk_free_limit: Some(Amount::Percent(100)),
        ..Config::local()
    });
    raises(&broker, Alarm::Disk, "low on disk");
}

#[test]
fn an_alarm_of_the_program_does_not_end_that_of_the_broker() {
    let broker = Broker::with(Config {
        memory_limit: Amount::Bytes(1),
        ..Config::local()
    });
    raises(&broker, Alarm::Memory, "low on memory");
    broker.server().broker().set_alarm(Alarm::Memory, true);
    broker.server().broker().set_alarm(Alarm::Memory, false);
    assert!(broker.server().broker().node().alarms.raised().any());
}
