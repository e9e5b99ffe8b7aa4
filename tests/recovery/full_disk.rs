//! A disk that takes no more: what can't be recorded is refused, and the broker goes on.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use leveret_protocol::method::connection::Unblocked;
use leveret_protocol::method::queue::DeclareOk;
use leveret_protocol::method::{Method, basic};
use rustix::process::{Resource, Rlimit, prlimit};
use tempfile::TempDir;

use super::support::PATIENCE;
use super::support::process::BrokerProcess;
use super::{PERSISTENT, all, declare_durable, durable, exists, number};

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

/// A small file system of its own, in memory; gone when dropped. Making one takes privileges.
struct SmallDisk {
    directory: TempDir,
}

impl SmallDisk {
    fn new(mib: u32) -> Option<SmallDisk> {
        let directory = tempfile::tempdir().unwrap();
        let size = format!("size={mib}m");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "leveret-test"])
            .arg(directory.path())
            .status();
        mount
            .is_ok_and(|status| status.success())
            .then_some(SmallDisk { directory })
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// What a message of that number carries.
fn body(number: u64) -> Vec<u8> {
    let mut body = number.to_le_bytes().to_vec();
    body.resize(16 * 1024, 0);
    body
}

#[test]
fn publishers_wait_for_a_journal_that_cannot_be_written_and_consumers_do_not() {
    const MESSAGES: u64 = 2000;
    let Some(data) = SmallDisk::new(24) else {
        eprintln!("not tested: this user can't mount a small disk");
        return;
    };
    // What takes the room away, and gives it back.
    let ballast = data.path().join("ballast");
    std::fs::write(&ballast, vec![1; 12 << 20]).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
    command.args(["--disk-free-limit", "0"]);
    let mut broker = BrokerProcess::start_by(command, data.path());
    let publisher = broker.connect();
    let channel = publisher.channel();
    declare_durable(&channel, "q");
    channel.confirm_select();
    let other = broker.connect().channel();
    other.declare("transient");
    other.publish("", "transient", "waiting");
    assert_eq!(other.ready("transient"), 1);

    let (mut published, mut confirmed) = (0, 0);
    let blocked = loop {
        assert!(published < MESSAGES, "{confirmed} are confirmed");
        channel.publish_with("q", &PERSISTENT, body(published));
        published += 1;
        while let Ok(frame) = channel.next_frame(Duration::from_millis(5)) {
            match Method::decode(&frame.payload) {
                Ok(Method::Basic(basic::Method::Ack(ack))) => confirmed = ack.delivery_tag,
                other => panic!("{other:?} instead of a confirm"),
            }
        }
        if let Ok(frame) = publisher.next_frame(Duration::ZERO) {
            break frame;
        }
    };
    assert!(
        confirmed > 0 && confirmed < published,
        "{confirmed} of {published}"
    );
    let blocked = Method::decode(&blocked.payload).unwrap();
    assert!(format!("{blocked:?}").contains("low on disk"), "{blocked:?}");
    // Those who do not publish are served.
    assert_eq!(other.drain("transient"), ["waiting"]);
    assert_eq!(number(&other.get("q").unwrap()), 0);

    std::fs::remove_file(ballast).unwrap();
    publisher.expect::<Unblocked>();
    channel.acked(confirmed + 1, published);
    broker.signal("KILL");
    broker.ended(PATIENCE);
    let broker = BrokerProcess::start_in(data.path());
    let kept = all(&broker.connect().channel(), "q");
    assert!(kept.iter().map(number).eq(0..published));
    drop(broker);
}
