//! The broker actor.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use actix::fut;
use actix::prelude::*;
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use super::node::Node;
use crate::connection::actor::Connection;
use crate::connection::messages::{AlarmChanged, Shutdown};
use crate::id::ConnectionId;
use crate::lease::{Gone, Lease};
use crate::listener::{Listener, StopListening};
use crate::name::Name;
use crate::vhost::VhostHandle;
use crate::vhost::actor::VirtualHost;
use crate::vhost::definitions::Forgetful;
use crate::vhost::directory::Directory;

/// The root of the tree of actors.
pub(crate) struct Broker {
    node: Arc<Node>,
    listeners: Vec<Addr<Listener>>,
    connections: FxHashMap<ConnectionId, Addr<Connection>>,
    /// Whether a stop was asked for: what was accepted just before comes too late.
    stopped: bool,
    /// Told when the last connection is gone.
    stopping: Option<oneshot::Sender<()>>,
}

impl Broker {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        for name in &node.settings.vhosts {
            let name = Name::from(name.as_str());
            let directory = Arc::new(Directory::new(name.clone()));
            let host = VirtualHost::new(Arc::clone(&node), Arc::clone(&directory), Box::new(Forgetful));
            node.put_vhost(Arc::new(VhostHandle {
                name,
                addr: host.start(),
                directory,
            }));
        }
        Broker {
            node,
            listeners: Vec::new(),
            connections: FxHashMap::default(),
            stopped: false,
            stopping: None,
        }
    }
}

impl Actor for Broker {
    type Context = Context<Self>;
}

/// Start to accept connections.
#[derive(Message)]
#[rtype(result = "io::Result<()>")]
pub(super) struct Listen {
    pub(super) socket: std::net::TcpListener,
}

impl Handler<Listen> for Broker {
    type Result = io::Result<()>;

    fn handle(&mut self, Listen { socket }: Listen, ctx: &mut Context<Self>) -> io::Result<()> {
        self.listeners.push(Listener::new(socket, ctx.address())?.start());
        Ok(())
    }
}

/// A connection was accepted.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Accepted {
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
}

impl Handler<Accepted> for Broker {
    type Result = ();

    fn handle(&mut self, accepted: Accepted, ctx: &mut Context<Self>) {
        if self.stopped {
            return;
        }
        let id = ConnectionId::next();
        let lease = Lease::new(ctx.address().recipient(), id);
        let over_limit = self
            .node
            .settings
            .max_connections
            .is_some_and(|most| self.connections.len() >= most);
        let worker = self.node.workers.by_turn();
        let node = Arc::clone(&self.node);
        let arbiter = self.node.workers.arbiter(worker);
        let connection = Connection::start_in_arbiter(arbiter, move |_| {
            Connection::new(id, node, worker, accepted, over_limit, lease)
        });
        self.connections.insert(id, connection);
    }
}

impl Handler<Gone<ConnectionId>> for Broker {
    type Result = ();

    fn handle(&mut self, Gone { id, crashed }: Gone<ConnectionId>, _: &mut Context<Self>) {
        if crashed {
            error!(connection = id.0, "a connection crashed");
        }
        self.connections.remove(&id);
        if self.connections.is_empty()
            && let Some(stopping) = self.stopping.take()
        {
            let _ = stopping.send(());
        }
    }
}

/// An alarm was raised or cleared: the connections look.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct AlarmsChanged;

impl Handler<AlarmsChanged> for Broker {
    type Result = ();

    fn handle(&mut self, _: AlarmsChanged, _: &mut Context<Self>) {
        let raised = self.node.alarms.raised();
        if raised.any() {
            warn!(reason = %raised, "resource alarm: publishers are held back");
        } else {
            info!("no resource alarm: publishers go on");
        }
        for connection in self.connections.values() {
            connection.do_send(AlarmChanged);
        }
    }
}

/// How the stop went.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// Connections whose clients did not answer in time.
    pub connections_forced: usize,
}

/// Stop in order.
#[derive(Message)]
#[rtype(result = "Stopped")]
pub(super) struct Stop {
    pub(super) reason: String,
    pub(super) deadline: Duration,
}

impl Handler<Stop> for Broker {
    type Result = ResponseActFuture<Self, Stopped>;

    fn handle(&mut self, Stop { reason, deadline }: Stop, _: &mut Context<Self>) -> Self::Result {
        self.stopped = true;
        for listener in self.listeners.drain(..) {
            listener.do_send(StopListening);
        }
        info!(connections = self.connections.len(), "stopping");
        let (all_gone, wait) = oneshot::channel();
        if self.connections.is_empty() {
            drop(all_gone);
            self.stopping = None;
        } else {
            self.stopping = Some(all_gone);
        }
        for connection in self.connections.values() {
            connection.do_send(Shutdown {
                reason: reason.clone(),
            });
        }
        let closed = tokio::time::timeout(deadline, wait);
        Box::pin(fut::wrap_future::<_, Self>(closed).map(|_, broker, _| Stopped {
            connections_forced: broker.connections.len(),
        }))
    }
}
