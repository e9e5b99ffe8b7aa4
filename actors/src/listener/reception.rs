//! The connections of one worker: started there, known while they live, and told what concerns them all.
//!
//! When an alarm is raised, all hear of it at once: they stop reading. When it is over they go on in turns, because ten thousand
//! publishers that flood at the same moment would leave everybody else waiting.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;
use tracing::error;

use super::messages::{Accepted, AlarmsChanged, CloseAll};
use crate::connection::actor::Connection;
use crate::connection::messages::{AlarmChanged, Shutdown};
use crate::id::ConnectionId;
use crate::lease::{Gone, Lease};
use crate::node::{self, Context, Node, WorkerId};

/// Connections that go on in one turn after an alarm.
const TURN: usize = 64;
/// Between two turns: ten thousand connections of two workers go on within half a second.
const PAUSE: Duration = Duration::from_millis(5);

/// Starts the connections of a worker and keeps a list of them.
pub(crate) struct Reception {
    node: Arc<Node>,
    pub(crate) connections: FxHashMap<ConnectionId, Addr<Connection>>,
    /// Those that have not heard yet that they may go on.
    untold: Vec<Addr<Connection>>,
    next_turn: SpawnHandle,
    /// Whether a stop was asked for: what was accepted just before comes too late.
    stopped: bool,
    /// Told when the last connection is gone.
    last_gone: Option<oneshot::Sender<()>>,
    _lease: Lease<WorkerId>,
}

impl Reception {
    pub(crate) fn new(node: Arc<Node>, lease: Lease<WorkerId>) -> Self {
        Reception {
            node,
            connections: FxHashMap::default(),
            untold: Vec::new(),
            next_turn: SpawnHandle::default(),
            stopped: false,
            last_gone: None,
            _lease: lease,
        }
    }

    fn tell_next(&mut self, ctx: &mut Context<Self>) {
        for connection in self.untold.drain(self.untold.len().saturating_sub(TURN)..) {
            connection.do_send(AlarmChanged);
        }
        if !self.untold.is_empty() {
            self.next_turn = ctx.run_later(PAUSE, Self::tell_next);
        }
    }
}

impl Actor for Reception {
    type Context = Context<Self>;
}

impl Handler<Accepted> for Reception {
    type Result = ();

    fn handle(&mut self, accepted: Accepted, ctx: &mut Context<Self>) {
        if self.stopped {
            return;
        }
        let id = ConnectionId::next();
        let lease = Lease::new(ctx.address().recipient(), id);
        let connection = Connection::new(id, Arc::clone(&self.node), accepted, lease);
        self.connections.insert(id, node::start(connection));
    }
}

impl Handler<Gone<ConnectionId>> for Reception {
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

impl Handler<AlarmsChanged> for Reception {
    type Result = ();

    fn handle(&mut self, _: AlarmsChanged, ctx: &mut Context<Self>) {
        ctx.cancel_future(self.next_turn);
        if self.node.alarms.raised().any() {
            self.untold.clear();
            for connection in self.connections.values() {
                connection.do_send(AlarmChanged);
            }
        } else {
            self.untold = self.connections.values().cloned().collect();
            self.tell_next(ctx);
        }
    }
}

impl Handler<CloseAll> for Reception {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, CloseAll { reason }: CloseAll, _: &mut Context<Self>) -> Self::Result {
        self.stopped = true;
        let (last_gone, wait) = oneshot::channel();
        self.last_gone = Some(last_gone).filter(|_| !self.connections.is_empty());
        for connection in self.connections.values() {
            connection.do_send(Shutdown {
                reason: reason.clone(),
            });
        }
        Box::pin(async {
            let _ = wait.await;
        })
    }
}

/// The receptions of all workers.
#[derive(Clone)]
pub(crate) struct Receptions {
    by_worker: Arc<[(WorkerId, Addr<Reception>)]>,
}

impl Receptions {
    /// Opens one on each worker; `lease` is of each.
    pub(crate) fn open(node: &Arc<Node>, lease: impl Fn(WorkerId) -> Lease<WorkerId>) -> Self {
        let open = |worker| {
            let (shared, lease) = (Arc::clone(node), lease(worker));
            let reception = node.workers.place(worker, move || Reception::new(shared, lease));
            (worker, reception)
        };
        Receptions {
            by_worker: node.workers.all().map(open).collect(),
        }
    }

    /// Hands a socket to the worker of its seat.
    pub(super) fn receive(&self, accepted: Accepted) {
        let there = |(worker, _): &&(WorkerId, _)| *worker == accepted.seat.worker;
        if let Some((_, reception)) = self.by_worker.iter().find(there) {
            reception.do_send(accepted);
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Addr<Reception>> {
        self.by_worker.iter().map(|(_, reception)| reception)
    }
}
