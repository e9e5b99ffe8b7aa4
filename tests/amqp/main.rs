//! What AMQP 0-9-1 and RabbitMQ's extensions promise, on the wire: one file for each class and subject.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail"
)]

#[path = "../support/mod.rs"]
mod support;

mod acks;
mod alarms;
mod between_exchanges;
mod blind_copies;
mod browsing;
mod channel;
mod confirm;
mod connection;
mod consumer_timeout;
mod consuming;
mod content;
mod dead_letters;
mod default_queue_type;
mod delayed_exchange;
mod delivery_count;
mod departure;
mod exchange;
mod exchange_types;
mod expiry;
mod frames;
mod handshake;
mod heartbeat;
mod lifetime;
mod limits;
mod many_channels;
mod naming;
mod permissions;
mod policies;
mod prefetch;
mod priority;
mod publishing;
mod queue;
mod queue_arguments;
mod reply_to;
mod retry;
mod routing;
mod settings;
mod tx;
mod vhost_limits;
