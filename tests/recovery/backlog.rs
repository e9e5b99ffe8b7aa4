//! A backlog of numbered messages in the durable queue `q`, which a disk fails under.

use std::ops::Range;
use std::time::Duration;

use leveret_protocol::Method;

use super::support::content::Got;
use super::support::process::BrokerProcess;
use super::support::{Channel, Connection};
use super::{PERSISTENT, all, number};

/// Messages that are confirmed before the disk fails.
pub(crate) const BACKLOG: u64 = 100;

/// The most that are published to a failing disk.
const MOST: u64 = 2000;

/// What a message of that number carries.
fn body(number: u64) -> Vec<u8> {
    let mut body = number.to_le_bytes().to_vec();
    body.resize(16 * 1024, 0);
    body
}

/// Publishes these to a journal that works.
#[track_caller]
pub(crate) fn confirm_all(channel: &Channel, numbers: Range<u64>) {
    channel.confirm_select();
    let count = numbers.end - numbers.start;
    numbers.for_each(|number| channel.publish_with("q", &PERSISTENT, body(number)));
    channel.acked(1, count);
}

/// Publishes from this number on, on channel 1, until the broker says that the disk is low, and confirms none.
/// Answers the number that would have been next.
#[track_caller]
pub(crate) fn publish_until_blocked(publisher: &Connection, first: u64) -> u64 {
    let channel = publisher.channel_number(1);
    channel.open();
    channel.confirm_select();
    for number in first..first + MOST {
        channel.publish_with("q", &PERSISTENT, body(number));
        if let Ok(frame) = channel.next_frame(Duration::from_millis(5)) {
            panic!("{:?} from a disk that fails", Method::decode(&frame.payload));
        }
        if let Ok(frame) = publisher.next_frame(Duration::ZERO) {
            let blocked = format!("{:?}", Method::decode(&frame.payload).unwrap());
            assert!(blocked.contains("low on disk"), "{blocked}");
            return number + 1;
        }
    }
    panic!("not blocked after {MOST} messages");
}

/// All that [`publish_until_blocked`] published is confirmed.
#[track_caller]
pub(crate) fn confirmed_after_all(publisher: &Connection, count: u64) {
    publisher.channel_number(1).acked(1, count);
}

/// Gets the confirmed messages while the disk fails, and acknowledges those with even numbers.
#[track_caller]
pub(crate) fn drain_and_ack_half(consumer: &Channel) {
    for expected in 0..BACKLOG {
        let got = consumer.get("q").expect("a message that is on the disk");
        assert_eq!(number(&got), expected);
        if expected % 2 == 0 {
            consumer.ack(got.tag);
        }
    }
}

/// After [`drain_and_ack_half`]: nothing is lost, and of what was acknowledged nothing comes back as if it were new.
#[track_caller]
pub(crate) fn check_kept(broker: &BrokerProcess, published: u64) {
    let kept = all(&broker.connect().channel(), "q");
    let acknowledged = |got: &Got| number(got) < BACKLOG && number(got).is_multiple_of(2);
    let (back, kept): (Vec<_>, Vec<_>) = kept.into_iter().partition(acknowledged);
    assert!(back.iter().all(|got| got.redelivered));
    let expected = (0..published).filter(|number| *number >= BACKLOG || !number.is_multiple_of(2));
    let kept: Vec<u64> = kept.iter().map(number).collect();
    assert_eq!(kept, expected.collect::<Vec<_>>());
}
