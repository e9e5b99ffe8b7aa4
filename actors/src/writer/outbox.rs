//! What is to be written to one socket, gathered by all that live on its thread.
//!
//! The connection and its channels put their frames here, and whoever finds it empty calls the writer. That takes everything in
//! its turn, which comes after all actors that were woken before it: what a thousand channels have, a message each, becomes
//! one write, without a mail and a piece of memory for each. Where many sockets get deliveries, these may [wait](super::rush).

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::*;
use leveret_protocol::{Chunk, EncodeMethod};
use smallvec::SmallVec;

use super::actor::Writer;
use super::backlog::Backlog;
use super::messages::{Finish, Post};
use super::rush::may_write;
use crate::consumer::actor::Consumer;
use crate::consumer::desk::Desk;
use crate::consumer::hall::{Hall, Taken};
use crate::consumer::messages::Receipt;
use crate::id::ConsumerId;
use crate::node::expect_more;
use crate::queue::messages::ToHall;

/// Bytes from which on a new batch is begun: one does not grow without bound, nor wait for all of a long one to be written.
const FULL: usize = 256 * 1024;

/// Bytes that are written without waiting for more.
const MUCH: usize = 32 * 1024;

/// Bytes by which a batch may be longer than the one before without being moved.
const SLACK: usize = 8 * 1024;

/// Bytes for which there may be room at first: what follows shows how much is needed.
const FIRST: usize = 4 * 1024;

/// Often it is one.
pub(super) type Receipts = SmallVec<[Receipt; 1]>;

/// Frames that are written in one go.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) chunk: Chunk,
    /// Dropped when the frames are written.
    pub(super) receipts: Receipts,
    /// How many of the bytes answer the peer's own requests; they were added to its backlog.
    pub(super) answers: usize,
}

/// The shared part.
#[derive(Default)]
pub(super) struct Waiting {
    /// In order; only the last one grows.
    batches: Vec<Batch>,
    /// Room that the next one is begun with.
    expected: u32,
    /// Where consumers of the connection are served together, once there are many.
    hall: Option<Rc<Hall>>,
    /// connection.close was sent: channels have nothing to say any more.
    silenced: bool,
    /// Nobody will write any more.
    closed: bool,
    /// The writer is called, and has not come yet.
    called: bool,
}

impl Waiting {
    pub(super) fn take(&mut self) -> Vec<Batch> {
        let first = self.batches.first().map_or(0, |first| first.chunk.copied());
        let before = self.expected as usize;
        self.expected = first.min(FIRST.max(2 * before)).max(before / 4 * 3) as u32;
        self.called = false;
        std::mem::take(&mut self.batches)
    }

    /// The hall, if there is one.
    pub(super) fn hall(&self) -> Option<Rc<Hall>> {
        self.hall.clone()
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
        self.batches.clear();
    }

    /// The batch to be added to, with room for so many bytes at least.
    #[expect(clippy::indexing_slicing, reason = "there is one, or it was just pushed")]
    fn batch(&mut self, room: usize) -> &mut Batch {
        let expected = match self.batches.last_mut() {
            None => Some(self.expected as usize),
            Some(last) if last.chunk.len() >= FULL => Some(last.chunk.copied() + SLACK),
            Some(last) => {
                last.chunk.reserve(room);
                None
            }
        };
        if let Some(expected) = expected {
            self.batches.push(Batch {
                chunk: Chunk::with_capacity(expected.max(room)),
                ..Batch::default()
            });
        }
        let last = self.batches.len() - 1;
        &mut self.batches[last]
    }
}

/// Where frames for one socket are put.
#[derive(Clone)]
pub(crate) struct Outbox {
    waiting: Rc<RefCell<Waiting>>,
    writer: Addr<Writer>,
    backlog: Arc<Backlog>,
}

impl Outbox {
    pub(super) fn new(waiting: Rc<RefCell<Waiting>>, writer: Addr<Writer>, backlog: Arc<Backlog>) -> Self {
        Outbox {
            waiting,
            writer,
            backlog,
        }
    }

    /// Adds frames of the connection itself.
    pub(crate) fn own(&self, encode: impl FnOnce(&mut Chunk)) {
        self.put(&mut self.waiting.borrow_mut(), None, 0, encode);
        expect_more();
    }

    /// Adds a method by which a channel answers the client.
    pub(crate) fn method(&self, channel: u16, method: &impl EncodeMethod) {
        self.answer(|chunk| chunk.method(channel, method));
        expect_more();
    }

    /// Adds content by which a channel answers the client.
    pub(crate) fn answer(&self, encode: impl FnOnce(&mut Chunk)) {
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.silenced {
            self.put(&mut waiting, None, 0, encode);
        }
    }

    /// Adds deliveries of about so many bytes, which are covered by the credit of a consumer. The receipt is dropped when they
    /// are written.
    pub(crate) fn deliver(&self, receipt: Receipt, bytes: usize, encode: impl FnOnce(&mut Chunk)) {
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.silenced {
            self.put(&mut waiting, Some(receipt), bytes, encode);
        }
    }

    /// Seats a consumer with others of the connection, to be served together, and gives the way there.
    pub(crate) fn seat(
        &self,
        id: ConsumerId,
        consumer: &Rc<Addr<Consumer>>,
        desk: &Rc<Desk>,
    ) -> (Taken, Recipient<ToHall>) {
        let mut waiting = self.waiting.borrow_mut();
        let hall = waiting.hall.get_or_insert_with(Hall::new);
        (
            hall.take_seat(id, consumer, desk),
            self.writer.clone().recipient(),
        )
    }

    /// Lets nothing of the channels follow what the connection sends from here on.
    pub(crate) fn silence(&self) {
        self.waiting.borrow_mut().silenced = true;
    }

    /// What was written last may not be whole: it is dropped, and the socket is closed after what was before.
    pub(crate) fn give_up(&self) {
        self.waiting.borrow_mut().close();
        self.writer.do_send(Finish);
    }

    /// A number of its own, as long as it is there.
    pub(super) fn id(&self) -> usize {
        Rc::as_ptr(&self.waiting).addr()
    }

    /// Calls the writer, if it is not called yet and there is something for it. Whether that was so.
    pub(super) fn call_writer(&self) -> bool {
        let waiting = &mut self.waiting.borrow_mut();
        let calls = !waiting.called && !waiting.batches.is_empty();
        if calls {
            self.call(waiting);
        }
        calls
    }

    fn call(&self, waiting: &mut Waiting) {
        waiting.called = true;
        self.writer.do_send(Post);
    }

    fn put(
        &self,
        waiting: &mut Waiting,
        receipt: Option<Receipt>,
        room: usize,
        encode: impl FnOnce(&mut Chunk),
    ) {
        if waiting.closed {
            return;
        }
        let begins = waiting.batches.is_empty();
        let batch = waiting.batch(room);
        let before = batch.chunk.len();
        encode(&mut batch.chunk);
        let gathered = batch.chunk.len();
        let is_answer = receipt.is_none();
        match receipt {
            Some(receipt) => batch.receipts.push(receipt),
            None => {
                self.backlog.add(gathered - before);
                batch.answers += gathered - before;
            }
        }
        if !waiting.called && (is_answer || gathered >= MUCH || begins && may_write(self)) {
            self.call(waiting);
        }
    }
}
