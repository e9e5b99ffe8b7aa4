//! What must hold in the ring of actors, whatever happens: one file for each invariant that `leveret_actors` states.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail"
)]

mod architecture;
mod backlog_leaves_memory;
mod bounded;
mod confirmed_is_stored;
mod consumers_keep_up;
mod crash_is_an_event;
mod crash_loop;
mod credit;
mod dead_backlog;
mod dead_letters;
mod no_wait_upwards;
mod nobody_starves;
mod ordering;
mod requeue_keeps_place;
mod ring;
mod shelf;
mod sources;
mod stage;
mod stopping_in_order;
mod support;
mod where_queues_live;
