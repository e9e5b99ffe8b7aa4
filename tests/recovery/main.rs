//! What is there after a restart, an orderly one or not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail"
)]

#[path = "../support/mod.rs"]
mod support;

mod backlog;
mod backlog_beyond_memory;
mod broken_disk;
mod check;
mod data_dir;
mod dead_backlog;
mod dead_letters;
mod departing;
mod disk;
mod exchange_types;
mod expiry;
mod forwarded;
mod full_disk;
mod kept;
mod killed;
mod load;
mod many;
mod model;
mod priority;
mod quorum;
mod restart;
mod retry;
mod stop;

use std::ops::Range;

use leveret_protocol::Method;
use leveret_protocol::method::channel::CloseOk;
use leveret_protocol::method::{exchange, queue};

use support::Channel;
use support::content::Got;

fn durable(queue: &str) -> queue::Declare<'_> {
    queue::Declare {
        queue,
        durable: true,
        ..Default::default()
    }
}

fn durable_exchange<'a>(exchange: &'a str, kind: &'a str) -> exchange::Declare<'a> {
    exchange::Declare {
        exchange,
        kind,
        durable: true,
        ..Default::default()
    }
}

/// Whether there is a queue of that name; asked on the channel with the next number, as a refusal closes it.
fn exists(channel: &Channel, queue: &str) -> bool {
    let channel = channel.connection().channel();
    channel.send(support::methods::passive(queue));
    match channel.method() {
        Method::Queue(_) => {
            channel.close();
            true
        }
        refused => {
            assert_eq!(refused.name(), "channel.close");
            channel.send(CloseOk {});
            false
        }
    }
}

/// Encoded properties: delivery mode 2 and nothing else.
const PERSISTENT: [u8; 3] = [0x10, 0, 2];

/// Declares a durable queue.
#[track_caller]
fn declare_durable(channel: &Channel, name: &str) {
    channel.call::<queue::DeclareOk<'_>>(queue::Declare {
        durable: true,
        ..support::methods::queue(name)
    });
}

/// Publishes bodies of so many bytes that begin with these numbers, and waits until they are confirmed: the first number is how many
/// were published on the channel before. Those that are persistent say so.
#[track_caller]
fn publish_numbered(
    channel: &Channel,
    to: &str,
    numbers: Range<u64>,
    size: usize,
    persistent: impl Fn(u64) -> bool,
) {
    let mut body = vec![7; size];
    for number in numbers.clone() {
        body[..8].copy_from_slice(&number.to_le_bytes());
        let properties: &[u8] = if persistent(number) { &PERSISTENT } else { &[0, 0] };
        channel.publish_with(to, properties, &body);
    }
    channel.acked(numbers.start + 1, numbers.end);
}

/// Gets all that is ready, and settles nothing.
#[track_caller]
fn all(channel: &Channel, queue: &str) -> Vec<Got> {
    std::iter::from_fn(|| channel.get(queue)).collect()
}

/// The number that a message's body begins with.
#[track_caller]
fn number(got: &Got) -> u64 {
    u64::from_le_bytes(got.body[..8].try_into().unwrap())
}
