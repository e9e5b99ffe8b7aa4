//! A disk with I/O errors, and one that does not answer: nothing is confirmed that is not safe, everything else goes on.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use leveret_protocol::method::channel::CloseOk;
use leveret_protocol::method::connection::{Blocked, Unblocked};

use super::backlog::{
    BACKLOG, check_kept, confirm_all, confirmed_after_all, drain_and_ack_half, publish_until_blocked,
};
use super::disk::{DEFINITIONS, EIO, ENOSPC, FaultyDisk, JOURNAL};
use super::support::{PATIENCE, eventually};
use super::{PERSISTENT, declare_durable, durable, exists};

/// The journal's segments and their lengths in bytes.
fn segments(data: &Path) -> BTreeMap<String, u64> {
    let files = fs::read_dir(data.join("journal")).unwrap();
    let named = files.map(|file| {
        let file = file.unwrap();
        let length = file.metadata().map_or(0, |file| file.len());
        (file.file_name().into_string().unwrap(), length)
    });
    named.filter(|(name, _)| name.ends_with(".journal")).collect()
}

#[test]
fn nothing_is_confirmed_that_could_not_be_written_or_synced() {
    for operation in ["write", "sync"] {
        let disk = FaultyDisk::new();
        let mut broker = disk.start();
        let channel = broker.connect().channel();
        declare_durable(&channel, "q");
        confirm_all(&channel, 0..BACKLOG / 2);
        broker.signal("KILL");
        broker.ended(PATIENCE);

        let mut broker = disk.start();
        confirm_all(&broker.connect().channel(), BACKLOG / 2..BACKLOG);
        let trusted = segments(disk.path());
        disk.fail(JOURNAL, operation, EIO);
        let publisher = broker.connect();
        let published = publish_until_blocked(&publisher, BACKLOG);
        let other = broker.connect().channel();
        drain_and_ack_half(&other);
        declare_durable(&other, "the definitions are well");
        disk.heal();
        publisher.expect::<Unblocked>();
        confirmed_after_all(&publisher, published - BACKLOG);
        // What was written to a segment that failed counts for nothing: it is written anew elsewhere.
        let now = segments(disk.path());
        for (name, length) in &trusted {
            assert_eq!(now.get(name), Some(length), "{operation}: {name} was written to");
        }
        assert!(now.len() > trusted.len(), "{operation}: {now:?}");
        broker.signal("KILL");
        broker.ended(PATIENCE);
        let broker = disk.start();
        check_kept(&broker, published);
    }
}

#[test]
fn a_definition_that_could_not_be_written_or_synced_is_refused() {
    for (operation, errno) in [("write", EIO), ("sync", EIO), ("any", ENOSPC)] {
        let disk = FaultyDisk::new();
        let mut broker = disk.start();
        let channel = broker.connect().channel();
        declare_durable(&channel, "q");
        disk.fail(DEFINITIONS, operation, errno);
        let refused = channel.connection().channel();
        refused.send(durable("refused"));
        let answer = format!("{:?}", refused.method());
        assert!(
            answer.contains("506") && answer.contains("not recorded ("),
            "{operation}: {answer}"
        );
        refused.send(CloseOk {});
        assert!(!exists(&channel, "refused"));
        // What there is goes on, durably too.
        confirm_all(&channel, 0..BACKLOG);
        drain_and_ack_half(&channel);
        channel.declare("transient");
        disk.heal();
        declare_durable(&channel, "declared");
        broker.signal("KILL");
        broker.ended(PATIENCE);
        let broker = disk.start();
        let channel = broker.connect().channel();
        assert!(exists(&channel, "q") && exists(&channel, "declared"));
        assert!(!exists(&channel, "refused"));
        check_kept(&broker, BACKLOG);
    }
}

/// More than the 512 KiB that a connection may have under way to the queues, and less than the broker's socket holds
/// besides: a hang-up behind more than that has not arrived.
const TOO_MUCH: usize = 640 * 1024;

#[test]
fn a_client_that_hangs_up_behind_a_journal_at_a_standstill_gives_back_what_it_held() {
    let disk = FaultyDisk::new();
    let broker = disk.start();
    let other = broker.connect().channel();
    declare_durable(&other, "q");
    other.declare("jobs");
    other.publish("", "jobs", "job");
    let worker = broker.connect();
    let channel = worker.channel();
    channel.consume("jobs");
    assert_eq!(channel.delivery().body, b"job");
    disk.stand_still(JOURNAL, "any");
    for _ in 0..TOO_MUCH / 16_384 {
        channel.publish_with("q", &PERSISTENT, [0; 16_384]);
    }
    drop((worker, channel));
    other.consume("jobs");
    let delivery = other.delivery();
    assert_eq!((delivery.redelivered, &*delivery.body), (true, &b"job"[..]));
    disk.heal();
    eventually("what the queue had taken is there", || other.ready("q") > 0);
}

#[test]
fn a_publisher_behind_a_journal_at_a_standstill_is_told_when_that_fails() {
    let disk = FaultyDisk::new();
    let broker = disk.start();
    let publisher = broker.connect();
    let channel = publisher.channel();
    declare_durable(&channel, "q");
    channel.confirm_select();
    disk.stand_still(JOURNAL, "any");
    let count = TOO_MUCH / 16_384;
    for _ in 0..count {
        channel.publish_with("q", &PERSISTENT, [0; 16_384]);
    }
    channel.expect_nothing();
    publisher.expect_nothing();
    // It publishes no more, and hears of it all the same.
    disk.fail(JOURNAL, "any", EIO);
    assert_eq!(publisher.expect::<Blocked<'_>>().reason, "low on disk");
    disk.heal();
    publisher.expect::<Unblocked>();
    channel.acked(1, count as u64);
}
