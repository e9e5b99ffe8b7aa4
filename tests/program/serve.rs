//! `leveret`: serving.

use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::process::Process;

/// How long an orderly stop may take.
const STOP: Duration = Duration::from_secs(10);

#[test]
fn the_ready_line_names_an_address_that_accepts_connections() {
    let broker = Process::start(["--listen", "127.0.0.1:0"]);
    let addresses = broker.addresses();
    assert_eq!(addresses.len(), 1);
    TcpStream::connect(&addresses[0]).unwrap();
}

#[test]
fn every_listener_is_on_the_ready_line_in_order() {
    let broker = Process::start(["--listen", "127.0.0.2:0", "--listen", "127.0.0.1:0"]);
    let addresses = broker.addresses();
    assert!(
        addresses[0].starts_with("127.0.0.2:") && addresses[1].starts_with("127.0.0.1:"),
        "{addresses:?}"
    );
}

#[test]
fn the_environment_can_say_where_to_listen() {
    let broker = Process::start_with([], &[("LEVERET_LISTEN", "127.0.0.1:0,127.0.0.2:0")]);
    assert_eq!(broker.addresses().len(), 2);
}

#[test]
fn a_termination_signal_stops_the_broker_in_order() {
    for signal in ["TERM", "INT"] {
        let broker = Process::start(["--listen", "127.0.0.1:0"]);
        let address = broker.addresses().remove(0);
        let signalled = Instant::now();
        broker.signal(signal);
        let outcome = broker.outcome();
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        assert!(signalled.elapsed() < STOP);
        assert!(TcpStream::connect(&address).is_err(), "nothing listens any more");
    }
}

#[test]
fn a_busy_port_is_told_in_one_line() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap().to_string();
    let outcome = Process::run(["--log", "error", "--listen", &address]);
    assert_eq!(outcome.code, Some(1));
    assert_eq!(outcome.err.lines().count(), 1, "{outcome:?}");
    assert!(
        outcome.err.contains(&address) && outcome.err.contains("taken"),
        "{outcome:?}"
    );
    assert!(outcome.out.is_empty());
}

#[test]
fn a_command_line_that_makes_no_sense_is_told_in_one_line() {
    let wrong = [
        (["--listn", "127.0.0.1:0"], "--listen"),
        (["--listen", "localhost"], "such as 127.0.0.1:5672"),
        (["--workers", "many"], "--workers"),
        (["--log", "debgu"], "debug"),
        (["--memory-limit", "much"], "2GiB"),
    ];
    for (arguments, hint) in wrong {
        let outcome = Process::run(arguments);
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
        assert_eq!(outcome.err.lines().count(), 1, "{outcome:?}");
        assert!(outcome.err.contains(hint), "{outcome:?}");
    }
}

#[test]
fn a_setting_out_of_bounds_is_told_in_one_line() {
    let outcome = Process::run(["--listen", "127.0.0.1:0", "--frame-max", "100"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.err.contains("4096"), "{outcome:?}");
    assert_eq!(outcome.err.lines().count(), 1, "{outcome:?}");
}

#[test]
fn a_memory_limit_below_what_the_broker_takes_by_itself_is_told_at_the_start() {
    let told = |limit| {
        let broker = Process::start(["--listen", "127.0.0.1:0", "--memory-limit", limit]);
        broker.addresses();
        broker.signal("TERM");
        let outcome = broker.outcome();
        outcome.err.matches("--memory-limit is too small").count()
    };
    assert_eq!((told("1MiB"), told("1GiB")), (1, 0));
}

#[test]
fn the_version_is_told_on_standard_output() {
    let outcome = Process::run(["--version"]);
    assert_eq!(outcome.code, Some(0));
    assert_eq!(outcome.out, [format!("leveret {}", env!("CARGO_PKG_VERSION"))]);
}
