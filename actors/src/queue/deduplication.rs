//! What a queue or an exchange is told of messages that come twice.

use std::time::Duration;

use crate::name::Name;

/// The header that names a message, unless another one is chosen.
pub const HEADER: &str = "x-deduplication-header";

/// How many names are remembered when nobody says.
pub const CACHE_SIZE: u64 = 128;

/// Which messages are dropped because they were here before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deduplication {
    /// The header that names a message; one without it is never dropped.
    pub header: Name,
    /// How many names are remembered; the oldest is forgotten for a new one. Never zero.
    pub cache_size: u64,
    /// How long a name is remembered, unless the message says it itself in `x-cache-ttl`.
    pub ttl: Option<Duration>,
}
