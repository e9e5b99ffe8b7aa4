//! What each method does, a file for each class.

mod access;
mod basic;
mod binding;
mod channel;
mod confirm;
mod consuming;
mod exchange;
mod question;
mod queue;
mod tx;

use leveret_protocol::{Exception, ReplyCode, Scope};

/// A method that only a server sends.
fn misplaced(method: &str) -> Exception {
    Exception::new(
        ReplyCode::CommandInvalid,
        format!("{method} is not for a client to send"),
    )
}

/// Whom the channel asked has crashed. The client may ask again on another channel.
pub(super) fn lost(whom: &str) -> Exception {
    Exception::new(ReplyCode::InternalError, format!("the {whom} failed")).at(Scope::Channel)
}
