//! The connection actor: its life, and the mail that reaches it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::*;
use leveret_protocol::EncodeMethod;
use leveret_protocol::codec::{DecodeError, Inbound};
use leveret_protocol::{Exception, FrameBatch, ReplyCode};
use tracing::{debug, error, info, warn};

use super::channels::Channels;
use super::closing::Phase;
use super::handshake::Handshake;
use super::messages::Shutdown;
use super::reader::{Gate, Reader, Received};
use super::tuning::Tuning;
use crate::channel::messages::{ChannelEnded, Collect, Commands, End, Raise};
use crate::channel::session::Session;
use crate::id::{ChannelId, ConnectionId};
use crate::lease::{Gone, Lease};
use crate::listener::messages::{Accepted, Socket};
use crate::node::{Context, Node, Seat, expect_more};
use crate::traffic::Traffic;
use crate::turn::Turn;
use crate::vhost::limits::Presence;
use crate::window::Permit;
use crate::writer::actor::Writer;
use crate::writer::backlog::Backlog;
use crate::writer::messages::Finish;
use crate::writer::outbox::Outbox;

/// One socket.
pub(crate) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) node: Arc<Node>,
    accepted: Option<Socket>,
    pub(crate) peer: SocketAddr,
    pub(super) local: SocketAddr,
    pub(super) phase: Phase,
    pub(super) handshake: Handshake,
    pub(super) tuning: Tuning,
    pub(super) session: Option<Rc<Session>>,
    /// While it is open in a virtual host.
    pub(super) presence: Option<Presence>,
    pub(crate) channels: Channels,
    pub(crate) writer: Option<Addr<Writer>>,
    pub(super) outbox: Option<Outbox>,
    pub(super) gate: Arc<Gate>,
    pub(super) backlog: Arc<Backlog>,
    pub(super) traffic: Arc<Traffic>,
    /// The client was told that it is blocked.
    pub(super) told_blocked: bool,
    pub(super) blocked: bool,
    turn: Turn,
    /// Publications have come that are not taken yet.
    pub(super) publications_wait: bool,
    /// Free again before anybody hears that this connection is gone.
    pub(super) seat: Seat,
    _lease: Lease<ConnectionId>,
}

impl Connection {
    pub(crate) fn new(
        id: ConnectionId,
        node: Arc<Node>,
        accepted: Accepted,
        lease: Lease<ConnectionId>,
    ) -> Self {
        let frame_max = node.settings.initial_frame_max;
        Connection {
            id,
            accepted: Some(accepted.socket),
            peer: accepted.peer,
            local: accepted.local,
            phase: Phase::Handshake,
            handshake: Handshake::new(),
            tuning: Tuning {
                channel_max: 0,
                frame_max,
                heartbeat: 0,
            },
            session: None,
            presence: None,
            channels: Channels::default(),
            writer: None,
            outbox: None,
            gate: Arc::new(Gate::new(frame_max)),
            backlog: Arc::default(),
            traffic: Arc::default(),
            told_blocked: false,
            blocked: false,
            turn: Turn::default(),
            publications_wait: false,
            seat: accepted.seat,
            node,
            _lease: lease,
        }
    }

    /// Adopts the socket on this thread: a stream of batches one way, a writer the other.
    fn adopt(&mut self, ctx: &mut Context<Self>) -> std::io::Result<()> {
        let Some(socket) = self.accepted.take() else {
            return Ok(());
        };
        let (reading, writing) = socket.adopt()?.into_split();
        let lease = Lease::new(ctx.address().recipient(), ());
        let (writer, outbox) = Writer::open(
            writing,
            Arc::clone(&self.backlog),
            Arc::clone(&self.traffic),
            lease,
        );
        self.writer = Some(writer);
        self.outbox = Some(outbox);
        expect_more();
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
        if let Some(outbox) = &self.outbox {
            outbox.own(|chunk| chunk.method(channel, method));
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

    /// Frames of an open connection: to their channels first, then what concerns the connection itself.
    pub(super) fn distribute(&mut self, batch: FrameBatch, permit: &Permit, ctx: &mut Context<Self>) {
        if self.node.alarms.raised().any() && super::alarms::publishes(&batch) {
            self.block();
        }
        // Channels execute what is theirs at once, in the turn of the connection.
        self.turn.count(batch.frames.len(), ctx);
        let mut own = None;
        let mut refused = None;
        let alone = batch.is_of_one_channel();
        batch.by_channel(|number, batch| {
            if number == 0 {
                own = Some(batch);
            } else if refused.is_none() {
                let permit = permit.clone();
                let commands = Commands { batch, permit, alone };
                refused = self.hand_to_channel(number, commands, ctx).err();
            }
        });
        match (refused, own) {
            (Some(exception), _) => self.close(exception, ctx),
            (None, Some(batch)) => self.own_frames(&batch, ctx),
            (None, None) => {}
        }
    }
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
        if let Some(session) = &self.session {
            session.mailbag.close();
        }
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
            Ok(Received::Frames { inbound, permit }) => {
                self.publications_wait = false;
                self.receive(inbound, &permit, ctx);
            }
            Ok(Received::PublicationsWait) if self.phase == Phase::Running => self.let_publications_wait(),
            Ok(Received::PublicationsWait) => {}
            Err(DecodeError::Protocol(exception)) => self.close_unreadable(exception, ctx),
            Err(DecodeError::Io(error)) => debug!(peer = %self.peer, %error, "the socket failed"),
        }
    }

    fn finished(&mut self, ctx: &mut Context<Self>) {
        expect_more();
        self.disconnected(ctx);
    }
}

impl Handler<Raise> for Connection {
    type Result = ();

    fn handle(&mut self, Raise { exception }: Raise, ctx: &mut Context<Self>) {
        self.close(exception, ctx);
    }
}

impl Handler<Collect> for Connection {
    type Result = ();

    fn handle(&mut self, _: Collect, _: &mut Context<Self>) {
        if let Some(session) = &self.session {
            session.mailbag.collect();
        }
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
