//! Leveret, an AMQP 0-9-1 broker.

mod config;

pub use config::{AMQP_PORT, Config, FRAME_MIN_SIZE, InvalidConfig, LARGEST_MESSAGE};
