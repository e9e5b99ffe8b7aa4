//! Resource alarms: publishers are told and held back, everybody else goes on.

use std::time::Duration;

use leveret::node::Alarm;
use leveret::{Amount, Config, Server, Stopped};
use leveret_protocol::FieldTable;
use leveret_protocol::method::connection::{Blocked, Unblocked};

use crate::heartbeat::with_heartbeat;
use crate::support::{Broker, Connection, eventually};

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
    let connection = broker.connect_as(FieldTable::new());
    let channel = connection.channel();
    channel.declare("q");
    broker.server().broker().set_alarm(Alarm::Memory, true);
    channel.publish("", "q", "x");
    connection.expect_nothing();
    broker.server().broker().set_alarm(Alarm::Memory, false);
    connection.expect_nothing();
    assert_eq!(channel.get("q").unwrap().body, b"x");
}

#[test]
fn the_connection_may_be_blocked_more_than_once() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channel = connection.channel();
    channel.declare("q");
    for _ in 0..3 {
        broker.server().broker().set_alarm(Alarm::Disk, true);
        channel.publish("", "q", "x");
        assert_eq!(connection.expect::<Blocked<'_>>().reason, "low on disk");
        broker.server().broker().set_alarm(Alarm::Disk, false);
        connection.expect::<Unblocked>();
    }
    assert_eq!(channel.drain("q"), ["x", "x", "x"]);
}

#[test]
fn a_blocked_client_that_hangs_up_gives_back_what_it_held() {
    let broker = Broker::start();
    let worker = broker.connect();
    let channel = worker.channel();
    channel.declare("jobs");
    channel.publish("", "jobs", "job");
    channel.consume("jobs");
    assert_eq!(channel.delivery().body, b"job");
    broker.server().broker().set_alarm(Alarm::Memory, true);
    channel.publish("", "jobs", "result");
    worker.expect::<Blocked<'_>>();
    // This is read no more, and hides that the connection ends after it.
    channel.publish("", "jobs", "unread");
    drop((worker, channel));
    let other = broker.connect().channel();
    other.consume("jobs");
    let delivery = other.delivery();
    assert_eq!((delivery.redelivered, &*delivery.body), (true, &b"job"[..]));
    assert_eq!(other.delivery().body, b"result");
    other.expect_nothing();
}

#[test]
fn a_blocked_connection_is_closed_in_order_when_the_broker_stops() {
    let server = Server::start(Config::local()).unwrap();
    let connection = Connection::over_tcp(server.addresses()[0], "/");
    connection.open("/");
    let channel = connection.channel();
    channel.declare("q");
    server.broker().set_alarm(Alarm::Memory, true);
    channel.publish("", "q", "x");
    connection.expect::<Blocked<'_>>();
    channel.publish("", "q", vec![b'x'; 300_000]);
    let stopping = std::thread::spawn(move || server.stop());
    connection.expect_end();
    let connections_forced = 0;
    assert_eq!(stopping.join().unwrap(), Stopped::Orderly { connections_forced });
}

#[test]
fn a_blocked_client_hears_heartbeats_and_is_not_missed() {
    let broker = Broker::start();
    let connection = with_heartbeat(&broker, 1);
    let channel = connection.channel();
    channel.declare("q");
    broker.server().broker().set_alarm(Alarm::Memory, true);
    channel.publish("", "q", "1");
    connection.expect::<Blocked<'_>>();
    // A client that nobody reads from for so long would be given up after three seconds.
    connection
        .listen(Duration::from_secs(5))
        .expect("the connection stays");
    assert!(connection.heartbeats() >= 3, "{}", connection.heartbeats());
    channel.publish("", "q", "2");
    broker.server().broker().set_alarm(Alarm::Memory, false);
    connection.expect::<Unblocked>();
    assert_eq!(channel.drain("q"), ["1", "2"]);
}

#[test]
fn a_thousand_blocked_publishers_go_on_when_the_alarm_is_over() {
    let broker = Broker::start();
    let reader = broker.connect().channel();
    reader.declare("q");
    broker.server().broker().set_alarm(Alarm::Memory, true);
    let publishers: Vec<_> = (0..1000).map(|_| broker.connect()).collect();
    for (number, publisher) in publishers.iter().enumerate() {
        let channel = publisher.channel();
        channel.publish("", "q", "1");
        publisher.expect::<Blocked<'_>>();
        channel.publish("", "q", number.to_string());
    }
    eventually("the first of each", || reader.ready("q") == 1000);
    broker.server().broker().set_alarm(Alarm::Memory, false);
    for publisher in &publishers {
        publisher.expect::<Unblocked>();
    }
    eventually("all published", || reader.ready("q") == 2000);
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
