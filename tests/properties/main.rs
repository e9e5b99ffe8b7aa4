//! What holds whatever happens: one file for each promise.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail"
)]

#[path = "../support/mod.rs"]
mod support;

mod credit;
mod graceful_shutdown;
mod head_of_line;
mod hostile_bytes;
mod hostile_memory;
mod hostile_routing;
mod hostile_sessions;
mod many_connections;
mod no_loss;
mod no_stale_names;
mod ordering;
mod policies_in_flow;
mod requeue_keeps_place;
mod slow_consumer;
