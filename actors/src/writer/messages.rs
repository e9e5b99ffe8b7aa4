//! The mailbox of a writer.

use actix::prelude::*;

/// Something is in the outbox.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Post;

/// A heartbeat is due unless something was written since the last one.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Beat;

/// Write what has gathered, close the socket, stop. Nothing that comes after it is written.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Finish;
