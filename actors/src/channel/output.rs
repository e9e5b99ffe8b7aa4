//! Frames a channel has for its client, gathered until the end of the turn.

use leveret_protocol::{Chunk, EncodeMethod};

use super::session::Session;
use crate::consumer::messages::Receipt;
use crate::writer::messages::Write;

/// Bytes gathered at which a channel no longer waits for the end of its turn.
const MOST_GATHERED: usize = 256 * 1024;

/// The frames, in order, and who wants to hear when they are written.
#[derive(Debug, Default)]
pub(crate) struct Output {
    chunk: Chunk,
    receipts: Vec<Receipt>,
    /// Bytes that are covered by receipts, not counted as answers.
    deliveries: usize,
}

impl Output {
    /// Adds a method that answers the client.
    pub(crate) fn method(&mut self, channel: u16, method: &impl EncodeMethod) {
        self.chunk.method(channel, method);
    }

    /// Adds content that answers the client.
    pub(crate) fn answer(&mut self, encode: impl FnOnce(&mut Chunk)) {
        encode(&mut self.chunk);
    }

    /// Adds deliveries, which are covered by the credit of a consumer.
    pub(crate) fn deliver(&mut self, receipt: Receipt, encode: impl FnOnce(&mut Chunk)) {
        let before = self.chunk.len();
        encode(&mut self.chunk);
        self.deliveries += self.chunk.len() - before;
        self.receipts.push(receipt);
    }

    /// Whether so much was gathered that it should go now.
    pub(crate) fn is_full(&self) -> bool {
        self.chunk.len() >= MOST_GATHERED
    }

    /// Sends what was gathered to the writer, unless the connection has said its last word.
    pub(crate) fn post(&mut self, session: &Session) {
        if self.chunk.is_empty() && self.receipts.is_empty() {
            return;
        }
        let chunk = std::mem::take(&mut self.chunk);
        let answers = chunk.len() - std::mem::take(&mut self.deliveries);
        if session.is_silenced() {
            self.receipts.clear();
            return;
        }
        session.backlog.add(answers);
        session.writer.do_send(Write {
            chunk,
            receipts: std::mem::take(&mut self.receipts),
            answers,
        });
    }
}
