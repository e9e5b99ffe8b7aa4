//! What clients and whoever sent the signal see of a stop.

use std::time::{Duration, Instant};

use leveret_protocol::method::connection::{Close, CloseOk};

use super::process::Process;
use super::support::Connection;

/// How long an orderly stop may take.
const STOP: Duration = Duration::from_secs(10);

/// The exit code of a program that did not wait for its orderly end.
const INTERRUPTED: i32 = 130;

fn broker_with_client() -> (Process, Connection) {
    let broker = Process::start(["--listen", "127.0.0.1:0"]);
    let client = Connection::over_tcp(broker.addresses().remove(0).parse().unwrap(), "/");
    client.open("/");
    (broker, client)
}

#[test]
fn clients_are_told_and_may_answer() {
    let (broker, client) = broker_with_client();
    let signalled = Instant::now();
    broker.signal("TERM");
    let close: Close<'_> = client.expect();
    assert_eq!((close.reply_code, close.class_id, close.method_id), (320, 0, 0));
    assert!(
        close.reply_text.starts_with("CONNECTION_FORCED"),
        "{}",
        close.reply_text
    );
    client.send(CloseOk {});
    let outcome = broker.outcome();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(signalled.elapsed() < STOP);
}

#[test]
fn a_client_that_does_not_answer_cannot_hold_up_the_stop() {
    let (broker, client) = broker_with_client();
    let signalled = Instant::now();
    broker.signal("TERM");
    client.expect::<Close<'_>>();
    let outcome = broker.outcome();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(signalled.elapsed() < STOP + Duration::from_secs(1));
}

#[test]
fn a_second_signal_ends_the_program_at_once() {
    let (broker, client) = broker_with_client();
    broker.signal("INT");
    // The first signal has been seen, and the stop waits for this client's answer.
    client.expect::<Close<'_>>();
    let signalled = Instant::now();
    broker.signal("INT");
    assert_eq!(broker.outcome().code, Some(INTERRUPTED));
    assert!(signalled.elapsed() < Duration::from_secs(3));
}
