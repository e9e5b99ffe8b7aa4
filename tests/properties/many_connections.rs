//! Idle connections, channels and queues are cheap.

use crate::support::methods::exclusive;
use crate::support::process::BrokerProcess;
use leveret_protocol::method::queue::DeclareOk;

const KIB: usize = 1 << 10;

#[test]
fn a_thousand_idle_connections_take_little_memory_each() {
    let broker = BrokerProcess::start();
    let warm: Vec<_> = (0..50).map(|_| broker.connect()).collect();
    let before = broker.resident();
    let idle: Vec<_> = (0..files_for(2_000)).map(|_| broker.connect()).collect();
    for connection in &idle {
        connection.channel();
    }
    let each = broker.resident().saturating_sub(before) / idle.len();
    assert!(each < 64 * KIB, "{} KiB a connection", each / KIB);
    let last = idle.last().expect("many").channel();
    last.declare("q");
    last.publish("", "q", "still served");
    assert_eq!(last.drain("q"), ["still served"]);
    drop(warm);
}

#[test]
fn connections_that_go_leave_nothing_behind() {
    let broker = BrokerProcess::start();
    let count = files_for(500);
    let mut after = Vec::new();
    for _ in 0..6 {
        let connections: Vec<_> = (0..count).map(|_| broker.connect()).collect();
        for connection in &connections {
            connection.channel().call::<DeclareOk<'_>>(exclusive(""));
        }
        for connection in connections {
            connection.close();
        }
        after.push(broker.resident());
    }
    let (first, last) = (after[1], after[5]);
    assert!(
        last < first + count * 16 * KIB,
        "from {} to {} KiB",
        first / KIB,
        last / KIB
    );
}

#[test]
fn a_thousand_channels_and_queues_of_one_connection_are_served() {
    let broker = BrokerProcess::start();
    let connection = broker.connect();
    let channels: Vec<_> = (0..1_000).map(|_| connection.channel()).collect();
    for (number, channel) in channels.iter().enumerate() {
        channel.declare_without_waiting(&format!("q{number}"));
        channel.consume(&format!("q{number}"));
    }
    for (number, channel) in channels.iter().enumerate() {
        channel.publish("", &format!("q{}", (number + 1) % 1_000), number.to_string());
    }
    for (number, channel) in channels.iter().enumerate() {
        assert_eq!(channel.delivered(1), [((number + 999) % 1_000).to_string()]);
    }
}

/// How many connections of those wanted this process may open files for.
fn files_for(wanted: usize) -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("limits");
    let open_files = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .expect("a limit");
    let soft = open_files
        .split_whitespace()
        .next()
        .and_then(|soft| soft.parse().ok())
        .unwrap_or(usize::MAX);
    wanted.min(soft / 2)
}
