//! The mailboxes of a listener and of a reception.

use std::io;
use std::net::{SocketAddr, TcpListener};

use actix::prelude::*;
use tokio::net::TcpStream;

use crate::node::Seat;

/// Accept connections on a socket that is bound.
#[derive(Message)]
#[rtype(result = "io::Result<()>")]
pub(crate) struct Listen {
    pub(crate) socket: TcpListener,
}

/// Stop accepting.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct StopListening;

/// A socket was accepted: what a connection begins with.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Accepted {
    pub(crate) socket: Socket,
    pub(crate) peer: SocketAddr,
    /// Where it was accepted.
    pub(crate) local: SocketAddr,
    pub(crate) seat: Seat,
}

/// A socket belongs to the thread that registers it.
#[derive(Debug)]
pub(crate) enum Socket {
    /// Its connection lives where it was accepted.
    Registered(TcpStream),
    /// Its connection lives elsewhere.
    Plain(std::net::TcpStream),
}

impl Socket {
    /// The socket for use on this thread.
    pub(crate) fn adopt(self) -> io::Result<TcpStream> {
        match self {
            Socket::Registered(stream) => Ok(stream),
            Socket::Plain(stream) => TcpStream::from_std(stream),
        }
    }
}

/// Alarms were raised or cleared.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub(crate) struct AlarmsChanged;

/// The broker stops: close every connection, and start none. Answered when the last one is gone.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub(crate) struct CloseAll {
    pub(crate) reason: String,
}
