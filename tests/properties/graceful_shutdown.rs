//! The broker ends in order: it tells its clients why, and is gone in bounded time.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use leveret_protocol::method::basic::Consume;
use leveret_protocol::method::connection::{Close, CloseOk};

use crate::support::methods::consume;
use crate::support::process::BrokerProcess;

const DEADLINE: Duration = Duration::from_secs(10);
const REASON: &str = "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'";

#[test]
fn clients_are_told_and_the_program_ends_well() {
    for signal in ["TERM", "INT"] {
        let mut broker = BrokerProcess::start();
        let connections: Vec<_> = (0..20).map(|_| broker.connect()).collect();
        let begun = Instant::now();
        broker.signal(signal);
        for connection in &connections {
            connection.closed(320, REASON, (0, 0));
        }
        assert!(broker.ended(DEADLINE).success());
        assert!(begun.elapsed() < DEADLINE);
        assert!(
            TcpStream::connect(broker.address()).is_err(),
            "nobody listens any more"
        );
    }
}

#[test]
fn an_idle_broker_ends_at_once() {
    let mut broker = BrokerProcess::start();
    let begun = Instant::now();
    broker.signal("TERM");
    assert!(broker.ended(DEADLINE).success());
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[test]
fn clients_that_do_not_answer_delay_the_end_only_so_long() {
    let mut broker = BrokerProcess::start();
    let silent = broker.connect();
    let unfinished = crate::support::Connection::over_tcp(broker.address(), "/");
    unfinished.greet();
    let stalled = broker.connect();
    let channel = stalled.channel();
    channel.declare("q");
    channel.consume_as(Consume {
        no_ack: true,
        ..consume("q")
    });
    let publisher = broker.connect().channel();
    for _ in 0..2_000 {
        publisher.publish("", "q", vec![b'x'; 16 * 1024]);
    }
    publisher.ready("q");
    broker.signal("TERM");
    assert_eq!(silent.expect::<Close<'_>>().reply_code, 320);
    assert!(broker.ended(DEADLINE).success());
}

#[test]
fn a_second_signal_ends_it_right_away() {
    let mut broker = BrokerProcess::start();
    let silent = broker.connect();
    broker.signal("TERM");
    assert_eq!(silent.expect::<Close<'_>>().reply_code, 320);
    let begun = Instant::now();
    broker.signal("TERM");
    broker.ended(DEADLINE);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[test]
fn busy_publishers_do_not_hold_it_up() {
    let mut broker = BrokerProcess::start();
    let channels: Vec<_> = (0..4).map(|_| broker.connect().channel()).collect();
    for channel in &channels {
        channel.declare("q");
        for _ in 0..5_000 {
            channel.publish("", "q", "x");
        }
    }
    broker.signal("TERM");
    for channel in &channels {
        let connection = channel.connection();
        assert_eq!(connection.expect::<Close<'_>>().reply_code, 320);
        connection.send(CloseOk {});
    }
    assert!(broker.ended(DEADLINE).success());
}
