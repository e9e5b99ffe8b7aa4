//! A disk that takes no more: what can't be recorded is refused, and the broker goes on.

use std::process::Command;

use leveret_protocol::method::channel::CloseOk;
use leveret_protocol::method::connection::Unblocked;
use leveret_protocol::method::queue::DeclareOk;
use rustix::process::{Resource, Rlimit, prlimit};

use super::backlog::{
    BACKLOG, check_kept, confirm_all, confirmed_after_all, drain_and_ack_half, publish_until_blocked,
};
use super::disk::FillableDisk;
use super::support::PATIENCE;
use super::support::process::BrokerProcess;
use super::{declare_durable, durable, exists};

/// Blocks of 512 bytes that a file of the broker may have.
const LIMIT: u32 = 6_000;

/// Lets its files grow again.
fn lift_the_limit(broker: &BrokerProcess) {
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    prlimit(Some(broker.pid()), Resource::Fsize, unlimited).unwrap();
}

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
    lift_the_limit(&broker);
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

#[test]
fn a_full_disk_takes_no_declarations_and_all_that_is_there_goes_on() {
    for disk in [FillableDisk::new(24), FillableDisk::pretending()] {
        let broker = disk.start();
        let channel = broker.connect().channel();
        declare_durable(&channel, "before");
        disk.fill();
        let refused = (0..5000).find(|number| {
            let channel = channel.connection().channel();
            channel.send(durable(&format!("{number}-{}", "x".repeat(200))));
            let answer = channel.method();
            if answer.name() == "queue.declare-ok" {
                channel.close();
                return false;
            }
            let text = format!("{answer:?}");
            assert!(text.contains("506") && text.contains("not recorded ("), "{text}");
            channel.send(CloseOk {});
            true
        });
        let refused = refused.expect("no declaration was refused");
        assert!(!exists(&channel, &format!("{refused}-{}", "x".repeat(200))));
        assert_eq!(channel.ready("before"), 0);
        channel.declare("transient");
        channel.publish("", "transient", "served");
        assert_eq!(channel.drain("transient"), ["served"]);
        disk.make_room();
        declare_durable(&channel, "after");
        let mut broker = broker;
        broker.signal("KILL");
        broker.ended(PATIENCE);
        let broker = disk.start();
        let channel = broker.connect().channel();
        assert!(exists(&channel, "before") && exists(&channel, "after"));
    }
}

#[test]
fn publishers_wait_for_a_journal_that_cannot_be_written_and_consumers_do_not() {
    for disk in [FillableDisk::new(24), FillableDisk::pretending()] {
        let mut broker = disk.start();
        let channel = broker.connect().channel();
        declare_durable(&channel, "q");
        confirm_all(&channel, 0..BACKLOG);
        broker.signal("KILL");
        broker.ended(PATIENCE);
        // What waits is on the disk alone.
        let mut broker = disk.start();
        disk.fill();
        let publisher = broker.connect();
        let published = publish_until_blocked(&publisher, BACKLOG);
        drain_and_ack_half(&broker.connect().channel());
        disk.make_room();
        publisher.expect::<Unblocked>();
        confirmed_after_all(&publisher, published - BACKLOG);
        broker.signal("KILL");
        broker.ended(PATIENCE);
        let broker = disk.start();
        check_kept(&broker, published);
    }
}
