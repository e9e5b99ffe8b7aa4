//! The broker actor.

use std::io;
use std::net::TcpListener;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use actix::fut;
use actix::prelude::*;
use rustc_hash::FxHashMap;
use tokio::sync::{oneshot, watch};
use tracing::{error, info, warn};

use super::alarms::Untold;
use crate::connection::actor::Connection;
use crate::connection::messages::{Accepted, Shutdown};
use crate::definitions::DefinitionStore;
use crate::id::{ConnectionId, ListenerId};
use crate::lease::{Gone, Lease};
use crate::listener::{Listener, StopListening};
use crate::name::Name;
use crate::node::Node;
use crate::vhost::VhostHandle;
use crate::vhost::actor::VirtualHost;
use crate::vhost::definitions::{Forgetful, Recovered};
use crate::vhost::directory::Directory;

/// The root of the tree of actors.
pub(crate) struct Broker {
    pub(crate) node: Arc<Node>,
    pub(crate) listeners: FxHashMap<ListenerId, (Addr<Listener>, TcpListener)>,
    pub(crate) connections: FxHashMap<ConnectionId, Addr<Connection>>,
    pub(super) untold: Untold,
    /// Whether a stop was asked for: what was accepted just before comes too late.
    stopped: bool,
    /// Told when the last connection is gone.
    last_gone: Option<oneshot::Sender<()>>,
    failed: watch::Sender<Option<Failure>>,
    /// Its end is the broker's, for whoever watches over it.
    _watched: mpsc::Sender<()>,
}

/// Why a broker can't go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The actor that holds everything together crashed. Nothing can be closed in order any more.
    #[error("the root of the broker crashed")]
    Broker,
    /// A virtual host crashed, and with it the tables that say which names and queues belong together.
    #[error("the virtual host '{0}' crashed")]
    VirtualHost(Name),
    /// The thread that records what is declared crashed: a restart finds all that was answered.
    #[error(
        "the store of definitions crashed: nothing durable can be declared or deleted; start the broker again"
    )]
    Definitions,
}

impl Broker {
    /// Starts the virtual hosts with what `store` holds. What can't be survived is told through `failed`, also by closing it.
    pub(super) fn new(
        node: Arc<Node>,
        store: Option<&DefinitionStore>,
        failed: watch::Sender<Option<Failure>>,
        watched: mpsc::Sender<()>,
        ctx: &mut Context<Self>,
    ) -> Self {
        for name in &node.settings.vhosts {
            let name = Name::from(name.as_str());
            let directory = Arc::new(Directory::new(name.clone()));
            let lease = Lease::new(ctx.address().recipient(), name.clone());
            let definitions = match store {
                Some(store) => store.vhost(&name),
                None => (Arc::new(Forgetful::default()) as _, Recovered::default()),
            };
            let host = VirtualHost::new(Arc::clone(&node), Arc::clone(&directory), definitions, lease);
            node.put_vhost(Arc::new(VhostHandle {
                name,
                addr: host.start(),
                directory,
            }));
        }
        if let Some(store) = store {
            tell_left_over(store);
            let crashed = fut::wrap_future::<_, Self>(store.crashed());
            ctx.spawn(crashed.map(|(), broker, _| {
                broker.failed.send_replace(Some(Failure::Definitions));
            }));
        }
        Broker {
            node,
            listeners: FxHashMap::default(),
            connections: FxHashMap::default(),
            untold: Untold::default(),
            stopped: false,
            last_gone: None,
            failed,
            _watched: watched,
        }
    }

    /// Listens; a second handle of the socket is kept, so that a listener that crashes costs no connection.
    fn listen(&mut self, socket: TcpListener, ctx: &mut Context<Self>) -> io::Result<()> {
        let (id, spare) = (ListenerId::next(), socket.try_clone()?);
        let lease = Lease::new(ctx.address().recipient(), id);
        let listener = Listener::new(socket, ctx.address().recipient(), lease)?.start();
        self.listeners.insert(id, (listener, spare));
        Ok(())
    }
}

/// What belongs to virtual hosts that this broker is not told to have is kept, and out of sight.
fn tell_left_over(store: &DefinitionStore) {
    for (vhost, counted) in store.left_over() {
        let (exchanges, queues, bindings) = (counted.exchanges, counted.queues, counted.bindings);
        warn!(%vhost, exchanges, queues, bindings, "kept for a virtual host that this broker does not have");
    }
}

impl Actor for Broker {
    type Context = Context<Self>;
}

/// Start to accept connections.
#[derive(Message)]
#[rtype(result = "io::Result<()>")]
pub(super) struct Listen {
    pub(super) socket: TcpListener,
}

impl Handler<Listen> for Broker {
    type Result = io::Result<()>;

    fn handle(&mut self, Listen { socket }: Listen, ctx: &mut Context<Self>) -> io::Result<()> {
        self.listen(socket, ctx)
    }
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
        let connection = self.node.workers.place(worker, move || {
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
            && let Some(last_gone) = self.last_gone.take()
        {
            let _ = last_gone.send(());
        }
    }
}

impl Handler<Gone<ListenerId>> for Broker {
    type Result = ();

    fn handle(&mut self, Gone { id, crashed }: Gone<ListenerId>, ctx: &mut Context<Self>) {
        let Some((_, socket)) = self.listeners.remove(&id).filter(|_| crashed && !self.stopped) else {
            return;
        };
        error!("a listener crashed; it is started anew");
        if let Err(error) = self.listen(socket, ctx) {
            error!(%error, "the socket can't be listened on any more");
        }
    }
}

impl Handler<Gone<Name>> for Broker {
    type Result = ();

    /// A virtual host is the single writer of its tables; what a crash left of them can't be trusted.
    fn handle(&mut self, Gone { id, crashed }: Gone<Name>, _: &mut Context<Self>) {
        if crashed {
            self.failed.send_replace(Some(Failure::VirtualHost(id)));
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
        for (_, (listener, _)) in self.listeners.drain() {
            listener.do_send(StopListening);
        }
        info!(connections = self.connections.len(), "stopping");
        let (last_gone, wait) = oneshot::channel();
        self.last_gone = Some(last_gone).filter(|_| !self.connections.is_empty());
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
