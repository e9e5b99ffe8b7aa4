//! The writer actor: what is in the outbox goes to the socket, in one vectored write a turn.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use bytes::{Buf, Bytes};
use tokio::net::tcp::OwnedWriteHalf;
use tracing::debug;

use super::backlog::Backlog;
use super::messages::{Beat, Finish, Post};
use super::outbox::{Batch, Outbox, Receipts, Waiting};
use crate::lease::Lease;
use crate::node::{self, Context, moved};
use crate::queue::messages::ToHall;
use crate::traffic::Traffic;

/// Slices of one vectored write; the kernel takes up to 1024.
const MOST_SLICES: usize = 64;

/// How long a peer may take to read the last bytes of a connection that ends.
const FINISH_WITHIN: Duration = Duration::from_secs(3);

/// The end of something that was given to the writer as one.
struct Milestone {
    /// Counted from the first byte of the connection.
    at: u64,
    answers: usize,
    _receipts: Receipts,
}

/// The writing half of one socket.
pub(crate) struct Writer {
    socket: Arc<OwnedWriteHalf>,
    pieces: VecDeque<Bytes>,
    milestones: VecDeque<Milestone>,
    gathered: u64,
    written: u64,
    written_at_beat: u64,
    blocked: bool,
    finishing: bool,
    backlog: Arc<Backlog>,
    traffic: Arc<Traffic>,
    waiting: Rc<RefCell<Waiting>>,
    _lease: Lease<()>,
}

impl Writer {
    /// Starts a writer over `socket`, and opens its outbox; the lease tells the connection when it ends or fails.
    pub(crate) fn open(
        socket: OwnedWriteHalf,
        backlog: Arc<Backlog>,
        traffic: Arc<Traffic>,
        lease: Lease<()>,
    ) -> (Addr<Writer>, Outbox) {
        let waiting = Rc::default();
        let writer = Writer {
            socket: Arc::new(socket),
            pieces: VecDeque::new(),
            milestones: VecDeque::new(),
            gathered: 0,
            written: 0,
            written_at_beat: 0,
            blocked: false,
            finishing: false,
            backlog: Arc::clone(&backlog),
            traffic,
            waiting: Rc::clone(&waiting),
            _lease: lease,
        };
        let addr = node::start(writer);
        (addr.clone(), Outbox::new(waiting, addr, backlog))
    }

    /// Writes until nothing is left or the socket is full.
    fn act(&mut self, ctx: &mut Context<Self>) {
        while !self.blocked && !self.pieces.is_empty() {
            match self.write_some() {
                Ok(written) => self.wrote(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait_for_room(ctx),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    debug!(%error, "the socket takes no more bytes");
                    return ctx.stop();
                }
            }
        }
        if self.finishing && self.pieces.is_empty() {
            ctx.stop();
        }
    }

    fn write_some(&self) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); MOST_SLICES];
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        self.socket.try_write_vectored(slices.get(..count).unwrap_or(&[]))
    }

    fn wrote(&mut self, mut bytes: usize) {
        self.written += bytes as u64;
        moved(bytes);
        self.traffic.sent(bytes);
        while let Some(piece) = self.pieces.front_mut() {
            if piece.len() > bytes {
                piece.advance(bytes);
                break;
            }
            bytes -= piece.len();
            self.pieces.pop_front();
        }
        while let Some(milestone) = self.milestones.front()
            && milestone.at <= self.written
        {
            self.backlog.remove(milestone.answers);
            self.milestones.pop_front();
        }
    }

    fn wait_for_room(&mut self, ctx: &mut Context<Self>) {
        self.blocked = true;
        let socket = Arc::clone(&self.socket);
        let room = async move { socket.writable().await };
        ctx.spawn(
            actix::fut::wrap_future::<_, Self>(room).map(|ready, writer, ctx| {
                writer.blocked = false;
                match ready {
                    Ok(()) => writer.act(ctx),
                    Err(_) => ctx.stop(),
                }
            }),
        );
    }

    fn gather(&mut self, batch: Batch) {
        self.gathered += batch.chunk.len() as u64;
        self.pieces.extend(batch.chunk.pieces());
        if batch.answers > 0 || !batch.receipts.is_empty() {
            self.milestones.push_back(Milestone {
                at: self.gathered,
                answers: batch.answers,
                _receipts: batch.receipts,
            });
        }
    }

    /// Takes what is in the outbox. After [`Finish`] nothing is taken any more.
    fn collect(&mut self) {
        if !self.finishing {
            let batches = self.waiting.borrow_mut().take();
            batches.into_iter().for_each(|batch| self.gather(batch));
        }
    }
}

impl Actor for Writer {
    type Context = Context<Self>;
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.waiting.borrow_mut().close();
        self.backlog.close();
    }
}

impl Handler<Post> for Writer {
    type Result = ();

    fn handle(&mut self, _: Post, ctx: &mut Context<Self>) {
        self.collect();
        self.act(ctx);
    }
}

impl Handler<ToHall> for Writer {
    type Result = ();

    fn handle(&mut self, mail: ToHall, _: &mut Context<Self>) {
        let hall = self.waiting.borrow().hall();
        if let Some(hall) = hall {
            hall.serve(mail);
        }
    }
}

impl Handler<Beat> for Writer {
    type Result = ();

    fn handle(&mut self, _: Beat, ctx: &mut Context<Self>) {
        let idle = self.written == self.written_at_beat && self.pieces.is_empty();
        self.written_at_beat = self.written;
        if idle && !self.finishing {
            let mut batch = Batch::default();
            batch.chunk.heartbeat();
            self.gather(batch);
            self.act(ctx);
        }
    }
}

impl Handler<Finish> for Writer {
    type Result = ();

    fn handle(&mut self, _: Finish, ctx: &mut Context<Self>) {
        self.collect();
        self.finishing = true;
        ctx.run_later(FINISH_WITHIN, |_, ctx| ctx.stop());
        self.act(ctx);
    }
}
