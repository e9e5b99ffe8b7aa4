//! The bare client that the program's tests use too.

#![allow(
    dead_code,
    unused_imports,
    reason = "the program's tests use other parts of it"
)]

#[path = "../../../tests/support/chance.rs"]
pub(crate) mod chance;
#[path = "../../../tests/support/channel.rs"]
pub(crate) mod channel;
#[path = "../../../tests/support/connection.rs"]
pub(crate) mod connection;
#[path = "../../../tests/support/content.rs"]
pub(crate) mod content;
#[path = "../../../tests/support/messages.rs"]
pub(crate) mod messages;
#[path = "../../../tests/support/methods.rs"]
pub(crate) mod methods;
#[path = "../../../tests/support/wire.rs"]
pub(crate) mod wire;

use std::time::{Duration, Instant};

pub(crate) use channel::Channel;
pub(crate) use connection::Connection;

/// How long anything is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How long nothing is waited for.
pub(crate) const BRIEFLY: Duration = Duration::from_millis(60);

/// Asks again until it is so, for what no frame announces.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
    }
}
