//! The broker actor.

use std::io;
use std::net::TcpListener;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use actix::fut;
use actix::prelude::*;
use futures_util::future::join_all;
use rustc_hash::FxHashMap;
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::definitions::DefinitionStore;
use crate::id::ListenerId;
use crate::lease::{Gone, Lease};
use crate::listener::actor::Listener;
use crate::listener::messages::{AlarmsChanged, CloseAll, Listen, StopListening};
use crate::listener::reception::Receptions;
use crate::name::Name;
use crate::node::{Node, WorkerId};
use crate::vhost::VhostHandle;
use crate::vhost::actor::VirtualHost;
use crate::vhost::definitions::{Forgetful, Recovered};
use crate::vhost::directory::Directory;

/// The root of the tree of actors.
pub(crate) struct Broker {
    pub(crate) node: Arc<Node>,
    pub(crate) listeners: FxHashMap<ListenerId, (Addr<Listener>, TcpListener)>,
    pub(crate) receptions: Receptions,
    /// Whether a stop was asked for.
    stopped: bool,
    failed: watch::Sender<Option<Failure>>,
    /// Its end is the broker's, for whoever watches over it.
    _watched: mpsc::Sender<()>,
}

/// Why a broker can't go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// An actor that holds everything together crashed. Nothing can be closed in order any more.
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
        let parent = ctx.address().recipient();
        Broker {
            receptions: Receptions::open(&node, |worker| Lease::new(parent.clone(), worker)),
            node,
            listeners: FxHashMap::default(),
            stopped: false,
            failed,
            _watched: watched,
        }
    }

    /// Listens; a second handle of the socket is kept, so that a listener that crashes costs no connection.
    fn listen(
        &mut self,
        socket: TcpListener,
        ctx: &mut Context<Self>,
    ) -> io::Result<Request<Listener, Listen>> {
        let (id, spare) = (ListenerId::next(), socket.try_clone()?);
        let lease = Lease::new(ctx.address().recipient(), id);
        let workers = &self.node.workers;
        let (home, seats) = (workers.by_turn(), Arc::clone(workers.seats()));
        let receptions = self.receptions.clone();
        let listener = workers.place(home, move || Listener::new(home, seats, receptions, lease));
        let listening = listener.send(Listen { socket });
        self.listeners.insert(id, (listener, spare));
        Ok(listening)
    }
}

/// What belongs to virtual hosts that this broker is not told to have is kept, and out of sight.
fn tell_left_over(store: &DefinitionStore) {
    for (vhost, counted) in store.left_over() {
        let (exchanges, queues, bindings) = (counted.exchanges, counted.queues, counted.bindings);
        let departing = counted.departing;
        warn!(%vhost, exchanges, queues, bindings, departing, "kept for a virtual host that this broker does not have");
    }
}

impl Actor for Broker {
    type Context = Context<Self>;
}

impl Handler<Listen> for Broker {
    type Result = ResponseFuture<io::Result<()>>;

    fn handle(&mut self, Listen { socket }: Listen, ctx: &mut Context<Self>) -> Self::Result {
        let listening = self.listen(socket, ctx);
        Box::pin(async { listening?.await.map_err(io::Error::other)? })
    }
}

impl Handler<AlarmsChanged> for Broker {
    type Result = ();

    fn handle(&mut self, changed: AlarmsChanged, _: &mut Context<Self>) {
        match self.node.alarms.raised() {
            raised if raised.any() => warn!(reason = %raised, "publishers are held back"),
            _ => info!("publishers go on"),
        }
        for reception in self.receptions.all() {
            reception.do_send(changed.clone());
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
        let listening = self.handle(Listen { socket }, ctx);
        ctx.spawn(fut::wrap_future::<_, Self>(listening).map(|listening, _, _| {
            if let Err(error) = listening {
                error!(%error, "the socket can't be listened on any more");
            }
        }));
    }
}

impl Handler<Gone<WorkerId>> for Broker {
    type Result = ();

    /// A reception knew the connections of its worker; nobody else does.
    fn handle(&mut self, Gone { crashed, .. }: Gone<WorkerId>, _: &mut Context<Self>) {
        if crashed {
            self.failed.send_replace(Some(Failure::Broker));
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
    type Result = ResponseFuture<Stopped>;

    fn handle(&mut self, Stop { reason, deadline }: Stop, _: &mut Context<Self>) -> Self::Result {
        self.stopped = true;
        for (_, (listener, _)) in self.listeners.drain() {
            listener.do_send(StopListening);
        }
        let seats = Arc::clone(self.node.workers.seats());
        info!(connections = seats.taken(), "stopping");
        let close = CloseAll { reason };
        let closed = join_all(
            self.receptions
                .all()
                .map(|reception| reception.send(close.clone())),
        );
        Box::pin(async move {
            let connections_forced = match tokio::time::timeout(deadline, closed).await {
                Ok(answers) if answers.iter().all(Result::is_ok) => 0,
                _ => seats.taken(),
            };
            Stopped { connections_forced }
        })
    }
}
