//! Why a measurement could not go on.

use std::io;

use leveret_protocol::Exception;
use leveret_protocol::method::{channel, connection};

/// What went wrong between this program and the broker.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("cannot connect to {address}: {source}")]
    Connect { address: String, source: io::Error },
    #[error("the connection broke while {during}: {source}")]
    Broken { during: &'static str, source: io::Error },
    #[error("the broker hung up while {0}")]
    HungUp(&'static str),
    #[error("the broker speaks another protocol")]
    OtherProtocol,
    #[error("the broker closed the connection: {code} {text}")]
    ConnectionClosed { code: u16, text: String },
    #[error("the broker closed the channel: {code} {text}")]
    ChannelClosed { code: u16, text: String },
    #[error("the broker cancelled the consumer; its queue is gone")]
    Cancelled,
    #[error("the broker did not answer in time while {0}")]
    Silent(&'static str),
    #[error("the broker sent what cannot be read: {0}")]
    Unreadable(#[from] Exception),
    #[error("cannot start another thread: {0}")]
    Thread(io::Error),
    #[error("{0}")]
    Run(String),
}

impl From<&connection::Close<'_>> for Failure {
    fn from(close: &connection::Close<'_>) -> Self {
        Self::ConnectionClosed {
            code: close.reply_code,
            text: close.reply_text.to_owned(),
        }
    }
}

impl From<&channel::Close<'_>> for Failure {
    fn from(close: &channel::Close<'_>) -> Self {
        Self::ChannelClosed {
            code: close.reply_code,
            text: close.reply_text.to_owned(),
        }
    }
}
