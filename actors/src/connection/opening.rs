//! How a connection gets open: the handshake's steps carried out.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use actix::prelude::*;
use leveret_protocol::method::{Method, connection};
use leveret_protocol::{Chunk, Exception, FrameBatch, FrameKind, ReplyCode};
use tracing::{debug, info, warn};

use super::actor::Connection;
use super::closing::Phase;
use super::handshake::{Refused, Step};
use super::heartbeat::{Due, Heartbeat};
use super::sasl;
use super::tuning::Tuning;
use crate::channel::mailbag::Mailbag;
use crate::channel::session::Session;
use crate::channel::unfinished::Unfinished;
use crate::consumer::windows::Windows;
use crate::node::Context;
use crate::printable::Printable;
use crate::window::Permit;
use crate::writer::messages::Beat;

impl Connection {
    /// Frames before connection.open. What follows it in the same batch belongs to the open connection.
    pub(super) fn shake_hands(&mut self, batch: FrameBatch, permit: &Permit, ctx: &mut Context<Self>) {
        for (at, frame) in batch.frames.iter().enumerate() {
            if frame.kind == FrameKind::Heartbeat {
                continue;
            }
            if self.phase == Phase::Running {
                let rest = batch.rest(at);
                return self.distribute(rest, permit, ctx);
            }
            if frame.kind != FrameKind::Method || frame.channel != 0 {
                let text = "only methods on channel 0 are expected before the connection is open";
                return self.close(Exception::new(ReplyCode::ChannelError, text), ctx);
            }
            let step = match Method::decode(batch.payload(frame)) {
                Ok(Method::Connection(connection::Method::Close(_))) => return self.leave(true, ctx),
                Ok(method) => self
                    .handshake
                    .method(&method, &self.node.settings, self.peer.ip()),
                Err(exception) => Err(exception.into()),
            };
            self.step(step, ctx);
            if !matches!(self.phase, Phase::Handshake | Phase::Running) {
                return;
            }
        }
    }

    pub(super) fn step(&mut self, step: Result<Step, Refused>, ctx: &mut Context<Self>) {
        match step {
            Ok(Step::Start) => self.greet(),
            Ok(Step::Tune) => self.send(0, &Tuning::proposal(&self.node.settings)),
            Ok(Step::Tuned(tuning)) => self.tuned(tuning, ctx),
            Ok(Step::Open { vhost }) => {
                if let Err(refused) = self.open(&vhost, ctx) {
                    self.close(refused.on(connection::Open::IDS), ctx);
                }
            }
            Err(refused) => self.refuse(refused, ctx),
        }
    }

    fn greet(&self) {
        let greeting = self.node.greeting.get_or_init(|| {
            let mut chunk = Chunk::new();
            let start = connection::Start {
                version_major: 0,
                version_minor: 9,
                server_properties: self.node.server_properties(),
                mechanisms: sasl::OFFERED.as_bytes(),
                locales: b"en_US",
            };
            chunk.method(0, &start);
            chunk.into_bytes()
        });
        if let Some(outbox) = &self.outbox {
            outbox.own(|chunk| chunk.append(Chunk::from(greeting.clone())));
        }
    }

    fn tuned(&mut self, tuning: Tuning, ctx: &mut Context<Self>) {
        self.tuning = tuning;
        self.gate.set_frame_max(tuning.frame_max);
        if let Some(mut heartbeat) = Heartbeat::new(tuning.heartbeat) {
            ctx.run_interval(heartbeat.tick_every(), move |connection, ctx| {
                if let Some(writer) = &connection.writer {
                    writer.do_send(Beat);
                }
                if !connection.is_alive(&mut heartbeat) {
                    warn!(peer = %connection.peer, "no heartbeat from the client: the connection is dropped");
                    connection.leave(false, ctx);
                }
            });
        }
    }

    /// A tick of the heartbeats. While it is we who do not read, because the peer leaves its answers unread, it lives
    /// as long as it reads any.
    fn is_alive(&self, heartbeat: &mut Heartbeat) -> bool {
        let (received, sent) = (self.traffic.bytes_received(), self.traffic.bytes_sent());
        let due = match self.gate.is_reading() {
            true => Due::Bytes,
            false if self.backlog.is_over() => Due::Reading,
            false => Due::Nothing,
        };
        heartbeat.tick(received, sent, due)
    }

    /// connection.open: the checks in the order clients know, then the session its channels share.
    fn open(&mut self, vhost: &str, ctx: &mut Context<Self>) -> Result<(), Exception> {
        let refused = |text: String| Err(Exception::new(ReplyCode::NotAllowed, text));
        if let Some(most) = self.node.settings.max_connections
            && self.seat.others >= most
        {
            return refused(format!("connection limit ({most}) is reached"));
        }
        let user = self.handshake.user.clone();
        let Some(found) = self.node.vhost(vhost) else {
            return refused(format!("vhost {vhost} not found"));
        };
        let entered = found.directory.enter().map_err(|most| {
            let text = format!(
                "access to vhost '{vhost}' refused for user '{user}': connection limit ({most}) is reached"
            );
            Exception::new(ReplyCode::NotAllowed, text)
        })?;
        if !self.node.settings.authority.may_open(&user, vhost) {
            return refused(format!("access to vhost '{vhost}' refused for user '{user}'"));
        }
        let Some(outbox) = self.outbox.clone() else {
            return Ok(());
        };
        self.session = Some(Rc::new(Session {
            connection: self.id,
            user,
            vhost: found,
            node: Arc::clone(&self.node),
            worker: self.seat.worker,
            outbox,
            mailbag: Mailbag::new(ctx.address().recipient()),
            backlog: Arc::clone(&self.backlog),
            unfinished: Arc::new(Unfinished::new(self.node.settings.max_message_size)),
            windows: Windows::default(),
            raise: ctx.address().recipient(),
            frame_max: self.tuning.frame_max,
            cancel_notify: self.handshake.client_can("consumer_cancel_notify"),
            qos_by_channel: self.handshake.client_is("py-amqp"),
            ending: AtomicBool::default(),
        }));
        self.presence = Some(entered);
        self.phase = Phase::Running;
        debug!(peer = %self.peer, local = %self.local, user = %self.handshake.user, vhost, "connection opened");
        self.send(0, &connection::OpenOk {});
        Ok(())
    }

    /// The handshake ends before the connection is open.
    pub(super) fn refuse(&mut self, refused: Refused, ctx: &mut Context<Self>) {
        match refused {
            Refused::Header { hint } => {
                match hint {
                    Some(hint) => info!(peer = %self.peer, "{hint}"),
                    None => info!(peer = %self.peer, "not an AMQP 0-9-1 client"),
                }
                if let Some(outbox) = &self.outbox {
                    outbox.own(Chunk::protocol_header);
                }
                self.finish(ctx);
            }
            Refused::Login {
                user,
                mechanism,
                why,
                tell,
            } => {
                let why = why.map_or_else(|| "malformed response".to_owned(), |why| why.to_string());
                let user = Printable(user);
                warn!(peer = %self.peer, "{mechanism} login refused: user '{user}' - {why}");
                if tell {
                    let text = format!(
                        "Login was refused using authentication mechanism {mechanism}. For details see the broker logfile."
                    );
                    self.close(Exception::new(ReplyCode::AccessRefused, text), ctx);
                } else {
                    // Whoever guesses passwords waits for the answer, and there is none.
                    self.phase = Phase::Closing;
                    ctx.run_later(self.node.settings.refusal_delay, |_, ctx| ctx.stop());
                }
            }
            Refused::Exception(exception) => self.close(exception, ctx),
        }
    }
}
