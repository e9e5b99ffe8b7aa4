//! How a connection ends.
//!
//! The broker ends it with [`close`](Connection::close): connection.close, then nothing of the peer counts but
//! close-ok, and not for long. The client ends it with connection.close or by hanging up: [`leave`](Connection::leave)
//! lets every channel give back what it holds, drops the exclusive queues, and only then answers.

use std::time::Duration;

use actix::prelude::*;
use leveret_protocol::method::{Method, connection};
use leveret_protocol::{Exception, FrameBatch, FrameKind, ReplyCode};
use tracing::{debug, warn};

use super::actor::Connection;
use crate::node::Context;
use crate::printable::Printable;
use crate::vhost::messages::ReleaseExclusive;
use crate::writer::messages::Finish;

/// How long a peer that broke the framing has to hang up.
const AFTER_FRAME_ERROR: Duration = Duration::from_secs(3);
/// How long channels may take to give everything back.
const LEAVE_WITHIN: Duration = Duration::from_secs(10);
/// How long to wait for the peer to hang up once everything is written; closing earlier could
/// destroy what it has not read yet.
const LINGER: Duration = Duration::from_secs(1);

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Until connection.open.
    Handshake,
    /// Open.
    Running,
    /// The broker sent connection.close.
    Closing,
    /// Channels give back what they hold; then the client is answered, if it asked.
    Leaving { answer: bool },
    /// The last bytes are being written.
    Finishing,
}

impl Connection {
    /// Ends the connection with an exception.
    pub(super) fn close(&mut self, exception: Exception, ctx: &mut Context<Self>) {
        let patience = match exception.code {
            ReplyCode::FrameError => AFTER_FRAME_ERROR,
            _ => self.node.settings.close_timeout,
        };
        self.close_within(patience, exception, ctx);
    }

    /// Ends the connection because its frames make no sense: the answer can't be understood either.
    pub(super) fn close_unreadable(&mut self, exception: Exception, ctx: &mut Context<Self>) {
        self.close_within(AFTER_FRAME_ERROR, exception, ctx);
    }

    fn close_within(&mut self, patience: Duration, exception: Exception, ctx: &mut Context<Self>) {
        if !matches!(self.phase, Phase::Handshake | Phase::Running) {
            return;
        }
        if exception.code == ReplyCode::ConnectionForced {
            debug!(peer = %self.peer, exception = %Printable(&exception), "closing");
        } else {
            warn!(peer = %self.peer, exception = %Printable(&exception), "connection closed");
        }
        self.phase = Phase::Closing;
        self.gate.let_through();
        self.channels.close_all();
        if let Some(outbox) = &self.outbox {
            outbox.silence();
        }
        let reply_text = exception.reply_text();
        let (class_id, method_id) = exception.method;
        let reply_code = exception.code as u16;
        self.send(
            0,
            &connection::Close {
                reply_code,
                reply_text: &reply_text,
                class_id,
                method_id,
            },
        );
        ctx.run_later(patience, |connection, ctx| connection.finish(ctx));
    }

    /// After connection.close only its answer counts.
    pub(super) fn await_close(&mut self, batch: &FrameBatch, ctx: &mut Context<Self>) {
        for frame in batch.frames.iter() {
            if frame.kind != FrameKind::Method || frame.channel != 0 {
                continue;
            }
            match Method::decode(batch.payload(frame)) {
                // It has read everything: there is nothing to linger for.
                Ok(Method::Connection(connection::Method::CloseOk(_))) => return ctx.stop(),
                Ok(Method::Connection(connection::Method::Close(_))) => {
                    self.send(0, &connection::CloseOk {});
                    return self.finish(ctx);
                }
                _ => {}
            }
        }
    }

    /// The client goes, with or without a word.
    pub(super) fn leave(&mut self, answer: bool, ctx: &mut Context<Self>) {
        if !matches!(self.phase, Phase::Handshake | Phase::Running) {
            return;
        }
        self.phase = Phase::Leaving { answer };
        if !answer {
            self.backlog.close();
        }
        self.channels.close_all();
        ctx.run_later(LEAVE_WITHIN, |connection, ctx| connection.left(ctx));
        self.check_left(ctx);
    }

    /// When the last channel is gone, so are the queues that end with the connection, before the client is answered.
    pub(super) fn check_left(&mut self, ctx: &mut Context<Self>) {
        if !matches!(self.phase, Phase::Leaving { .. }) || !self.channels.all_gone() {
            return;
        }
        let Some(session) = self.session.as_ref().filter(|session| session.ends_queues()) else {
            return self.left(ctx);
        };
        let released = session.vhost.addr.send(ReleaseExclusive { connection: self.id });
        ctx.spawn(
            actix::fut::wrap_future::<_, Self>(released).map(|_, connection, ctx| connection.left(ctx)),
        );
    }

    fn left(&mut self, ctx: &mut Context<Self>) {
        // Who is told that it is closed may open the next one.
        self.presence = None;
        match self.phase {
            Phase::Leaving { answer: true } => {
                self.send(0, &connection::CloseOk {});
                self.finish(ctx);
            }
            // Nobody is there to read what could still be written.
            Phase::Leaving { answer: false } => ctx.stop(),
            _ => {}
        }
    }

    /// Writes what is left and hangs up.
    pub(super) fn finish(&mut self, ctx: &mut Context<Self>) {
        if self.phase == Phase::Finishing {
            return;
        }
        self.phase = Phase::Finishing;
        match &self.writer {
            Some(writer) => writer.do_send(Finish),
            None => self.written_out(ctx),
        }
    }

    /// The writer is gone. After an orderly end the peer gets a moment to hang up first.
    pub(super) fn written_out(&mut self, ctx: &mut Context<Self>) {
        match self.phase {
            Phase::Finishing => {
                ctx.run_later(LINGER, |_, ctx| ctx.stop());
            }
            Phase::Handshake | Phase::Closing => ctx.stop(),
            Phase::Running => self.leave(false, ctx),
            Phase::Leaving { .. } => {}
        }
    }

    /// The peer hung up.
    pub(super) fn disconnected(&mut self, ctx: &mut Context<Self>) {
        match self.phase {
            Phase::Handshake | Phase::Closing | Phase::Finishing => ctx.stop(),
            Phase::Running => {
                debug!(peer = %self.peer, "the client hung up");
                self.leave(false, ctx);
            }
            Phase::Leaving { .. } => {}
        }
    }
}
