//! What each method does, a file for each class.

mod access;
mod basic;
mod binding;
mod channel;
mod confirm;
mod consuming;
mod exchange;
mod queue;
mod tx;

use leveret_protocol::{Exception, ReplyCode};

/// A method that only a server sends.
fn misplaced(method: &str) -> Exception {
    Exception::new(
        ReplyCode::CommandInvalid,
        format!("{method} is not for a client to send"),
    )
}

/// Whom the channel asked is gone.
fn lost(whom: &str) -> Exception {
    Exception::new(ReplyCode::InternalError, format!("the {whom} did not answer"))
}
