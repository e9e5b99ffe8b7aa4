//! What the tests share: a broker to talk to and a bare client to talk with.
//!
//! A test starts a [`Broker`] of its own, so that names never collide. With `LEVERET_TEST_URI` set, the tests
//! talk to the RabbitMQ found there instead, to check their expectations against it (see [`reference`]).

#![allow(
    dead_code,
    unused_imports,
    reason = "every test program uses another part of this"
)]

pub(crate) mod broker;
pub(crate) mod chance;
pub(crate) mod channel;
pub(crate) mod connection;
pub(crate) mod content;
pub(crate) mod messages;
pub(crate) mod methods;
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod python;
pub(crate) mod reference;
pub(crate) mod wire;

use std::time::{Duration, Instant};

pub(crate) use broker::Broker;
pub(crate) use channel::Channel;
pub(crate) use connection::Connection;
pub(crate) use content::Delivery;

/// How long anything is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How long nothing is waited for.
pub(crate) const BRIEFLY: Duration = Duration::from_millis(60);

/// Waits until `condition` holds, for what no frame announces.
#[track_caller]
pub(crate) fn eventually(what: &str, condition: impl FnMut() -> bool) {
    eventually_within(PATIENCE, what, condition);
}

/// Likewise, for what takes some of its time by itself.
#[track_caller]
pub(crate) fn eventually_within(patience: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within {patience:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
