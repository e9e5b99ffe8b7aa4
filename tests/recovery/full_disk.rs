//! A disk that takes no more: what can't be recorded is refused, and the broker goes on.

use std::process::Command;

use leveret_protocol::method::queue::DeclareOk;
use rustix::process::{Resource, Rlimit, prlimit};

use super::support::process::BrokerProcess;
use super::{durable, exists};

/// Blocks of 512 bytes that a file of the broker may have.
const LIMIT: u32 = 6_000;

/// The program with files of a limited size. A write beyond is an error, not a signal.
fn limited() -> Command {
    let mut command = Command::new("sh");
    command.args([
        "-c",
        &format!("trap '' XFSZ; ulimit -S -f {LIMIT}; exec \"$0\" \"$@\""),
    ]);
    command.arg(env!("CARGO_BIN_EXE_leveret"));
    command
}

#[test]
fn a_declaration_that_cannot_be_recorded_is_refused_and_the_broker_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let broker = BrokerProcess::start_by(limited(), data.path());
    let connection = broker.connect();
    let long = "x".repeat(200);
    let name = |number: usize| format!("{number}-{long}");
    // Many channels at once, so that the file grows by more than one declaration a sync.
    let mut made = Vec::new();
    let mut refused = Vec::new();
    'growing: for round in 0..400 {
        let channels: Vec<_> = (0..64).map(|_| connection.channel()).collect();
        let first = round * channels.len();
        for (number, channel) in channels.iter().enumerate() {
            channel.send(durable(&name(first + number)));
        }
        for (number, channel) in channels.iter().enumerate() {
            let answer = channel.method();
            if answer.name() == "queue.declare-ok" {
                made.push(first + number);
                continue;
            }
            refused.push(first + number);
            let text = format!("{answer:?}");
            assert!(text.contains("506") && text.contains("not recorded ("), "{text}");
        }
        if !refused.is_empty() {
            break 'growing;
        }
        channels.iter().for_each(|channel| channel.close());
    }
    assert!(!refused.is_empty(), "{} were declared", made.len());
    let channel = connection.channel();
    assert!(refused.iter().all(|number| !exists(&channel, &name(*number))));
    channel.declare("transient");
    channel.publish("", "transient", "served");
    assert_eq!(channel.drain("transient"), ["served"]);
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    prlimit(Some(broker.pid()), Resource::Fsize, unlimited).unwrap();
    channel.call::<DeclareOk<'_>>(durable("with space again"));
    drop(broker);
    let broker = BrokerProcess::start_in(data.path());
    let channel = broker.connect().channel();
    for number in &made {
        channel.call::<DeclareOk<'_>>(super::support::methods::passive(&name(*number)));
    }
    assert!(exists(&channel, "with space again"));
    assert!(refused.iter().all(|number| !exists(&channel, &name(*number))));
}
