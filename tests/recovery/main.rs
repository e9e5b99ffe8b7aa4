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

mod data_dir;
mod full_disk;
mod killed;
mod many;
mod restart;

use std::path::Path;

use leveret_protocol::Method;
use leveret_protocol::method::channel::CloseOk;
use leveret_protocol::method::{exchange, queue};

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
