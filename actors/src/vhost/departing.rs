//! Queues that are deleted, and of which there is something to be carried away: nobody sees them, and the broker knows of them until
//! that is done, over crashes and restarts.

use std::sync::Arc;

use actix::prelude::*;
use tracing::{debug, error, info};

use super::actor::VirtualHost;
use super::crashes::MOST;
use super::definitions::Change;
use super::directory::QueueHandle;
use super::messages::Leavers;
use crate::forwarder::actor::{Errand, Forwarder};
use crate::id::{QueueId, StoreId};
use crate::lease::Lease;
use crate::queue::actor::{Queue, QueueSeed};
use crate::queue::options::QueueOptions;
use crate::queue::{Departing, MemoryBudget};

/// One of them.
pub(super) struct Leaver {
    /// What its messages are kept under.
    pub(super) store_id: StoreId,
    /// What had died in it when it was deleted.
    pub(super) departing: Arc<Departing>,
    pub(super) addr: Addr<Queue>,
    /// How often it has crashed since.
    pub(super) crashes: usize,
}

impl VirtualHost {
    /// Starts those that departed when the broker ended.
    pub(super) fn recover_departing(
        &mut self,
        departing: Vec<(StoreId, Departing)>,
        ctx: &mut Context<Self>,
    ) {
        if !departing.is_empty() {
            let (vhost, queues) = (&self.directory.vhost, departing.len());
            info!(%vhost, queues, "what had died in queues that were deleted is carried on");
        }
        for (store_id, departing) in departing {
            debug!(queue = %departing.name, store_id = store_id.0, "it was deleted before the broker started");
            self.start_departing(store_id, Arc::new(departing), 0, ctx);
        }
    }

    /// A queue is deleted, and departs.
    pub(super) fn see_off(&mut self, queue: &QueueHandle, store_id: StoreId, departing: &Arc<Departing>) {
        let leaver = Leaver {
            store_id,
            departing: Arc::clone(departing),
            addr: queue.addr().clone(),
            crashes: 0,
        };
        self.departing.insert(queue.id, leaver);
    }

    fn start_departing(
        &mut self,
        store_id: StoreId,
        departing: Arc<Departing>,
        crashes: usize,
        ctx: &mut Context<Self>,
    ) {
        let id = QueueId::next();
        let seed = QueueSeed {
            id,
            name: departing.name.clone(),
            effective: Arc::new(departing.effective()),
            options: Arc::new(QueueOptions::departing()),
            store_id: Some(store_id),
            journal: self.journal(true, Some(store_id)),
            scratch: self.scratch(),
            memory: MemoryBudget::of(self.node.settings.memory_limit),
            start_forwarder: Forwarder::starting(&self.directory, Errand::DeadLetters),
            ended: ctx.address().recipient(),
            lease: Lease::new(ctx.address().recipient(), id),
        };
        let workers = &self.node.workers;
        let known = Arc::clone(&departing);
        let place = workers.by_name(&departing.name);
        let addr = workers.place(place, move || Queue::departing(seed, &known));
        let leaver = Leaver {
            store_id,
            departing,
            addr,
            crashes,
        };
        self.departing.insert(id, leaver);
    }

    /// One that had this name.
    #[cfg(feature = "faults")]
    pub(crate) fn departing_of(&self, name: &str) -> Option<Addr<Queue>> {
        let mut leavers = self.departing.values();
        leavers
            .find(|leaver| &*leaver.departing.name == name)
            .map(|leaver| leaver.addr.clone())
    }

    /// A queue has crashed that may be one of them.
    pub(super) fn departing_crashed(&mut self, id: QueueId, ctx: &mut Context<Self>) {
        let Some(leaver) = self.departing.remove(&id) else {
            return;
        };
        let (queue, vhost, crashes) = (&leaver.departing.name, &self.directory.vhost, leaver.crashes + 1);
        if crashes >= MOST {
            error!(
                %queue, %vhost,
                "a queue that was deleted crashed {MOST} times; what has died in it is carried on when the broker starts again"
            );
            return;
        }
        error!(%queue, %vhost, "a queue that was deleted crashed; what has died in it is carried on");
        self.start_departing(leaver.store_id, leaver.departing, crashes, ctx);
    }

    /// All that had died in a queue is away, or given up.
    pub(super) fn departed(&mut self, queue: QueueId) {
        if let Some(Leaver { store_id: id, .. }) = self.departing.remove(&queue) {
            self.remove_from_record(Change::QueueDeparted { id });
        }
    }
}

impl Handler<Leavers> for VirtualHost {
    type Result = Vec<Addr<Queue>>;

    fn handle(&mut self, _: Leavers, _: &mut Context<Self>) -> Self::Result {
        let leavers = self.departing.values();
        leavers.map(|leaver| leaver.addr.clone()).collect()
    }
}
