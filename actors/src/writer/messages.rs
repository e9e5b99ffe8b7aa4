//! The mailbox of a writer.

use actix::prelude::*;
use leveret_protocol::encode::Chunk;

use crate::consumer::messages::Receipt;
use crate::writer::backlog::Backlog;

/// Bytes for the socket.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Write {
    /// The encoded frames.
    pub(crate) chunk: Chunk,
    /// Dropped when the frames are written.
    pub(crate) receipts: Vec<Receipt>,
    /// How many of the bytes answer the peer's own requests; they were added to its backlog.
    pub(crate) answers: usize,
}

impl Write {
    /// Frames that answer a request of the peer; counts them.
    pub(crate) fn answer(chunk: Chunk, backlog: &Backlog) -> Self {
        let answers = chunk.len();
        backlog.add(answers);
        Write {
            chunk,
            receipts: Vec::new(),
            answers,
        }
    }
}

/// A heartbeat is due unless something was written since the last one.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Beat;

/// Write what has gathered, close the socket, stop. Nothing that comes after it is written.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Finish;
