//! The connection actor: its life, and the mail that reaches it.

use std::net::SocketAddr;
use std::sync::Arc;

use actix::prelude::*;
use leveret_protocol::codec::{DecodeError, Inbound};
use leveret_protocol::method::{Method, connection};
use leveret_protocol::{Chunk, EncodeMethod};
use leveret_protocol::{Exception, FrameBatch, FrameKind, ReplyCode};
use tokio::net::TcpStream;
use tracing::{debug, error, info, warn};

use super::channels::Channels;
use super::closing::{Phase, Release};
use super::handshake::{Handshake, Refused, Step};
use super::heartbeat::Heartbeat;
use super::messages::{AlarmChanged, Shutdown};
use super::reader::{Gate, Reader, Received};
use super::sasl;
use super::tuning::Tuning;
use crate::broker::actor::Accepted;
use crate::broker::{Node, WorkerId};
use crate::channel::messages::{ChannelEnded, End, Raise};
use crate::channel::session::Session;
use crate::id::{ChannelId, ConnectionId};
use crate::lease::{Gone, Lease};
use crate::traffic::Traffic;
use crate::window::Permit;
use crate::writer::actor::Writer;
use crate::writer::backlog::Backlog;
use crate::writer::messages::{Beat, Finish, Write};

/// Class and method of basic.publish as a method frame begins with them.
const PUBLISH: [u8; 4] = [0, 60, 0, 40];

/// One socket.
pub(crate) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) node: Arc<Node>,
    worker: WorkerId,
    accepted: Option<std::net::TcpStream>,
    pub(crate) peer: SocketAddr,
    local: SocketAddr,
    over_limit: bool,
    pub(super) phase: Phase,
    handshake: Handshake,
    pub(super) tuning: Tuning,
    pub(super) session: Option<Arc<Session>>,
    /// Drops the exclusive queues however the connection ends.
    pub(super) release: Option<Release>,
    pub(crate) channels: Channels,
    pub(crate) writer: Option<Addr<Writer>>,
    gate: Arc<Gate>,
    backlog: Arc<Backlog>,
    traffic: Arc<Traffic>,
    /// The client was told that it is blocked.
    told_blocked: bool,
    blocked: bool,
    _lease: Lease<ConnectionId>,
}

impl Connection {
    pub(crate) fn new(
        id: ConnectionId,
        node: Arc<Node>,
        worker: WorkerId,
        accepted: Accepted,
        over_limit: bool,
        lease: Lease<ConnectionId>,
    ) -> Self {
        let frame_max = node.settings.initial_frame_max;
        Connection {
            id,
            worker,
            accepted: Some(accepted.stream),
            peer: accepted.peer,
            local: accepted.local,
            over_limit,
            phase: Phase::Handshake,
            handshake: Handshake::new(),
            tuning: Tuning {
                channel_max: 0,
                frame_max,
                heartbeat: 0,
            },
            session: None,
            release: None,
            channels: Channels::default(),
            writer: None,
            gate: Arc::new(Gate::new(frame_max)),
            backlog: Arc::default(),
            traffic: Arc::default(),
            told_blocked: false,
            blocked: false,
            node,
            _lease: lease,
        }
    }

    /// Adopts the socket on this thread: a stream of batches one way, a writer the other.
    fn adopt(&mut self, ctx: &mut Context<Self>) -> std::io::Result<()> {
        let Some(socket) = self.accepted.take() else {
            return Ok(());
        };
        let (reading, writing) = TcpStream::from_std(socket)?.into_split();
        let lease = Lease::new(ctx.address().recipient(), ());
        let writer = Writer::new(
            writing,
            Arc::clone(&self.backlog),
            Arc::clone(&self.traffic),
            lease,
        );
        self.writer = Some(writer.start());
        ctx.add_stream(Reader::new(
            reading,
            self.node.settings.initial_frame_max,
            Arc::clone(&self.gate),
            Arc::clone(&self.backlog),
            Arc::clone(&self.traffic),
        ));
        Ok(())
    }

    /// Sends one method.
    pub(super) fn send(&self, channel: u16, method: &impl EncodeMethod) {
        let mut chunk = Chunk::new();
        chunk.method(channel, method);
        self.write(chunk);
    }

    pub(super) fn write(&self, chunk: Chunk) {
        if let Some(writer) = &self.writer {
            writer.do_send(Write::answer(chunk));
        }
    }

    fn receive(&mut self, inbound: Inbound, permit: &Permit, ctx: &mut Context<Self>) {
        match inbound {
            Inbound::Header(header) => {
                let step = self.handshake.header(&header);
                self.step(step, ctx);
            }
            Inbound::Frames(batch) => match self.phase {
                Phase::Handshake => self.shake_hands(batch, permit, ctx),
                Phase::Running => self.distribute(batch, permit, ctx),
                Phase::Closing => self.await_close(&batch, ctx),
                Phase::Leaving { .. } | Phase::Finishing => {}
            },
        }
    }

    /// Frames before connection.open. What follows it in the same batch belongs to the open connection.
    fn shake_hands(&mut self, batch: FrameBatch, permit: &Permit, ctx: &mut Context<Self>) {
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

    fn step(&mut self, step: Result<Step, Refused>, ctx: &mut Context<Self>) {
        match step {
            Ok(Step::Start) => self.send(
                0,
                &connection::Start {
                    version_major: 0,
                    version_minor: 9,
                    server_properties: self.node.server_properties(),
                    mechanisms: sasl::OFFERED.as_bytes(),
                    locales: b"en_US",
                },
            ),
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

    fn tuned(&mut self, tuning: Tuning, ctx: &mut Context<Self>) {
        self.tuning = tuning;
        self.gate.set_frame_max(tuning.frame_max);
        if let Some(mut heartbeat) = Heartbeat::new(tuning.heartbeat) {
            ctx.run_interval(heartbeat.tick_every(), move |connection, ctx| {
                if let Some(writer) = &connection.writer {
                    writer.do_send(Beat);
                }
                if !heartbeat.tick(connection.traffic.bytes_received(), connection.gate.is_reading()) {
                    warn!(peer = %connection.peer, "no heartbeat from the client: the connection is dropped");
                    connection.leave(false, ctx);
                }
            });
        }
    }

    /// connection.open: the checks in the order clients know, then the session its channels share.
    fn open(&mut self, vhost: &str, ctx: &mut Context<Self>) -> Result<(), Exception> {
        let refused = |text: String| Err(Exception::new(ReplyCode::NotAllowed, text));
        if let (true, Some(most)) = (self.over_limit, self.node.settings.max_connections) {
            return refused(format!("connection limit ({most}) is reached"));
        }
        let user = self.handshake.user.clone();
        let Some(found) = self.node.vhost(vhost) else {
            return refused(format!("vhost {vhost} not found"));
        };
        if !self.node.settings.authority.may_open(&user, vhost) {
            return refused(format!("access to vhost '{vhost}' refused for user '{user}'"));
        }
        let Some(writer) = self.writer.clone() else {
            return Ok(());
        };
        self.release = Some(Release {
            vhost: found.addr.clone(),
            connection: self.id,
        });
        self.session = Some(Arc::new(Session {
            connection: self.id,
            user,
            vhost: found,
            node: Arc::clone(&self.node),
            worker: self.worker,
            writer,
            backlog: Arc::clone(&self.backlog),
            raise: ctx.address().recipient(),
            frame_max: self.tuning.frame_max,
            cancel_notify: self.handshake.client_can("consumer_cancel_notify"),
        }));
        self.phase = Phase::Running;
        debug!(peer = %self.peer, local = %self.local, user = %self.handshake.user, vhost, "connection opened");
        self.send(0, &connection::OpenOk {});
        Ok(())
    }

    /// Frames of an open connection: to their channels first, then what concerns the connection itself.
    fn distribute(&mut self, batch: FrameBatch, permit: &Permit, ctx: &mut Context<Self>) {
        if self.node.alarms.raised().any() && publishes(&batch) {
            self.block();
        }
        let mut own = None;
        let mut refused = None;
        batch.by_channel(|number, batch| {
            if number == 0 {
                own = Some(batch);
            } else if refused.is_none() {
                refused = self.hand_to_channel(number, batch, permit.clone(), ctx).err();
            }
        });
        match (refused, own) {
            (Some(exception), _) => self.close(exception, ctx),
            (None, Some(batch)) => self.own_frames(&batch, ctx),
            (None, None) => {}
        }
    }

    fn own_frames(&mut self, batch: &FrameBatch, ctx: &mut Context<Self>) {
        for frame in &batch.frames {
            let handled = match frame.kind {
                FrameKind::Heartbeat => Ok(()),
                FrameKind::Method => Method::decode(batch.payload(frame)).and_then(|method| {
                    let ids = method.ids();
                    self.own_method(method, ctx)
                        .map_err(|exception| exception.on(ids))
                }),
                FrameKind::Header | FrameKind::Body => {
                    let text = "content on channel 0";
                    Err(Exception::new(ReplyCode::UnexpectedFrame, text))
                }
            };
            if let Err(exception) = handled {
                return self.close(exception, ctx);
            }
        }
    }

    fn own_method(&mut self, method: Method<'_>, ctx: &mut Context<Self>) -> Result<(), Exception> {
        match method {
            Method::Connection(connection::Method::Close(close)) => {
                debug!(peer = %self.peer, code = close.reply_code, text = close.reply_text, "client closes");
                self.leave(true, ctx);
                Ok(())
            }
            Method::Connection(connection::Method::UpdateSecret(_)) => {
                // Passwords are checked once, at login.
                self.send(0, &connection::UpdateSecretOk {});
                Ok(())
            }
            Method::Connection(connection::Method::CloseOk(_)) => Ok(()),
            Method::Connection(other) => {
                let text = format!("unexpected method {} in connection state running", other.name());
                Err(Exception::new(ReplyCode::ChannelError, text))
            }
            other => {
                let text = format!("{} on channel 0", other.name());
                Err(Exception::new(ReplyCode::CommandInvalid, text))
            }
        }
    }

    /// A publisher meets an alarm: it is told, if it can be, and not read from until the alarm is cleared.
    fn block(&mut self) {
        self.blocked = true;
        self.gate.hold_back(true);
        if self.handshake.client_can("connection.blocked") && !self.told_blocked {
            self.told_blocked = true;
            let reason = self.node.alarms.raised().to_string();
            self.send(0, &connection::Blocked { reason: &reason });
        }
    }

    fn unblock(&mut self) {
        self.blocked = false;
        self.gate.hold_back(false);
        if std::mem::take(&mut self.told_blocked) {
            self.send(0, &connection::Unblocked {});
        }
    }
}

/// Whether a batch contains basic.publish.
fn publishes(batch: &FrameBatch) -> bool {
    let mut methods = batch
        .frames
        .iter()
        .filter(|frame| frame.kind == FrameKind::Method);
    methods.any(|frame| batch.payload(frame).starts_with(&PUBLISH))
}

impl Actor for Connection {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        if let Err(error) = self.adopt(ctx) {
            warn!(peer = %self.peer, %error, "an accepted socket can't be used");
            return ctx.stop();
        }
        ctx.run_later(self.node.settings.handshake_timeout, |connection, ctx| {
            if connection.phase == Phase::Handshake {
                info!(peer = %connection.peer, "the handshake took too long");
                ctx.stop();
            }
        });
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.channels.close_all();
        // A writer that waits for room in the socket would outlive everybody who knows it.
        if let Some(writer) = &self.writer {
            writer.do_send(Finish);
        }
    }
}

impl StreamHandler<Result<Received, DecodeError>> for Connection {
    fn handle(&mut self, received: Result<Received, DecodeError>, ctx: &mut Context<Self>) {
        match received {
            Ok(Received { inbound, permit }) => self.receive(inbound, &permit, ctx),
            Err(DecodeError::Protocol(exception)) => self.close_unreadable(exception, ctx),
            Err(DecodeError::Io(error)) => debug!(peer = %self.peer, %error, "the socket failed"),
        }
    }

    fn finished(&mut self, ctx: &mut Context<Self>) {
        self.disconnected(ctx);
    }
}

impl Handler<Raise> for Connection {
    type Result = ();

    fn handle(&mut self, Raise { exception }: Raise, ctx: &mut Context<Self>) {
        self.close(exception, ctx);
    }
}

impl Handler<ChannelEnded> for Connection {
    type Result = ();

    fn handle(&mut self, ChannelEnded { id, end }: ChannelEnded, ctx: &mut Context<Self>) {
        self.channels.gone(id, end);
        self.check_left(ctx);
    }
}

impl Handler<Gone<ChannelId>> for Connection {
    type Result = ();

    /// A channel that is gone without having ended has crashed.
    fn handle(&mut self, Gone { id, .. }: Gone<ChannelId>, ctx: &mut Context<Self>) {
        if let Some(number) = self.channels.gone(id, End::ByBroker) {
            error!(peer = %self.peer, channel = number, "a channel crashed");
            if self.phase == Phase::Running {
                self.channel_crashed(number);
            }
            self.check_left(ctx);
        }
    }
}

impl Handler<Gone<()>> for Connection {
    type Result = ();

    /// The writer is gone: it has written the last byte, or the socket takes no more.
    fn handle(&mut self, _: Gone<()>, ctx: &mut Context<Self>) {
        self.writer = None;
        self.written_out(ctx);
    }
}

impl Handler<Shutdown> for Connection {
    type Result = ();

    fn handle(&mut self, Shutdown { reason }: Shutdown, ctx: &mut Context<Self>) {
        let text = format!("broker forced connection closure with reason '{reason}'");
        match self.phase {
            Phase::Handshake => ctx.stop(),
            _ => self.close(Exception::new(ReplyCode::ConnectionForced, text), ctx),
        }
    }
}

impl Handler<AlarmChanged> for Connection {
    type Result = ();

    fn handle(&mut self, _: AlarmChanged, _: &mut Context<Self>) {
        if self.blocked && !self.node.alarms.raised().any() {
            self.unblock();
        }
    }
}
