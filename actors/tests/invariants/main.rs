//! What must hold in the ring of actors, whatever happens: one file for each invariant that `leveret_actors` states.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail"
)]

mod crash_is_an_event;
mod ring;
mod support;
