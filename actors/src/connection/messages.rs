//! The mailbox of a connection, besides what its channels and its writer tell it.

use std::net::{SocketAddr, TcpStream};

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

/// A socket was accepted: what a connection begins with.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Accepted {
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
}
