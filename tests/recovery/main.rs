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
mod disk;
mod exchange_types;
mod expiry;
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

use std::path::Path;

use leveret_protocol::Method;
use leveret_protocol::method::channel::CloseOk;
use leveret_protocol::method::{exchange, queue};

use support::content::Got;
use support::{Broker, Channel};

/// A broker inside this process that keeps its definitions there.
fn broker_in(data: &Path) -> Broker {
    Broker::with(leveret::Config {
        data_dir: Some(data.to_owned()),
        ..leveret::Config::local()
    })
}

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
