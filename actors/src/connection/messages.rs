//! The mailbox of a connection, besides what its channels and its writer tell it.

use actix::prelude::*;

/// The broker stops: say so and close.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Shutdown {
    pub(crate) reason: String,
}

/// An alarm was raised or cleared.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct AlarmChanged;
