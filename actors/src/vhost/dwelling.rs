//! Where a queue lives, and from when on.
//!
//! The worker that suits a queue is known when somebody uses it, which is after it was declared. So it has a mailbox at once, and a
//! worker when it gets its first consumer, or when anybody has something for it.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use actix::dev::channel::AddressReceiver;
use actix::prelude::*;

use super::placement::Placement;
use crate::id::ConnectionId;
use crate::node::{self, WorkerId};
use crate::queue::actor::{Queue, QueueSeed};

/// The mailbox of a queue, and its place.
pub struct Dwelling {
    addr: Addr<Queue>,
    worker: OnceLock<WorkerId>,
    /// Who declared it, and where that one lived.
    declarer: (WorkerId, ConnectionId),
    /// Apart, since most queues live.
    unborn: Mutex<Option<Box<Unborn>>>,
    placement: Arc<Placement>,
}

/// A queue that does not live yet.
struct Unborn {
    seed: QueueSeed,
    mailbox: AddressReceiver<Queue>,
}

impl Dwelling {
    /// For a queue that comes to life when it is needed.
    pub(super) fn beside(
        declarer: (WorkerId, ConnectionId),
        seed: QueueSeed,
        placement: &Arc<Placement>,
    ) -> Self {
        let (addr, mailbox) = node::mailbox();
        Dwelling {
            addr,
            worker: OnceLock::new(),
            declarer,
            unborn: Mutex::new(Some(Box::new(Unborn { seed, mailbox }))),
            placement: Arc::clone(placement),
        }
    }

    /// For a queue that lives there at once.
    pub(super) fn at(worker: WorkerId, seed: QueueSeed, placement: &Arc<Placement>) -> Self {
        let dwelling = Dwelling::beside((worker, ConnectionId::NOBODY), seed, placement);
        dwelling.settle(|| worker, None);
        dwelling
    }

    /// The queue's mailbox. It lives from now on.
    pub fn addr(&self) -> &Addr<Queue> {
        self.worker();
        &self.addr
    }

    /// Whether the queue lives.
    pub fn is_inhabited(&self) -> bool {
        self.worker.get().is_some()
    }

    /// Where the queue lives. It does from now on.
    pub fn worker(&self) -> WorkerId {
        let (home, declarer) = self.declarer;
        self.settle(|| self.placement.beside_user(home, declarer), None)
    }

    /// A consumer is about to come from `here`, which is this thread.
    pub(crate) fn expect_consumer(&self, here: WorkerId) {
        self.settle(
            || self.placement.beside_consumer(here, self.declarer.1),
            Some(here),
        );
    }

    /// A channel on `here`, which is this thread, is about to publish to it or to get from it.
    pub(crate) fn expect_use(&self, here: WorkerId) {
        self.settle(|| self.placement.beside_user(here, self.declarer.1), Some(here));
    }

    /// The virtual host is no more: whoever does not live yet never will.
    pub(super) fn abandon(&self) {
        drop(self.take_unborn());
    }

    /// Of a queue that is gone already, so that mail to it goes nowhere.
    #[cfg(test)]
    pub(crate) fn deserted() -> Self {
        let workers = System::new().block_on(async { node::Workers::start(1, 1).unwrap() });
        Dwelling {
            addr: node::mailbox().0,
            worker: OnceLock::from(workers.by_turn()),
            declarer: (workers.by_turn(), ConnectionId::NOBODY),
            unborn: Mutex::default(),
            placement: Arc::new(Placement::new(workers, 1)),
        }
    }

    /// Lets the queue come to life on the worker that is chosen, unless it lives.
    fn settle(&self, choose: impl FnOnce() -> WorkerId, here: Option<WorkerId>) -> WorkerId {
        *self.worker.get_or_init(|| {
            let worker = choose();
            if let Some(unborn) = self.take_unborn() {
                let Unborn { seed, mailbox } = *unborn;
                self.placement.add(worker);
                let make = |near: &_| Queue::new(seed).entered(near);
                match here == Some(worker) {
                    // Who is about to look for it here finds it.
                    true => drop(node::run(make, mailbox)),
                    false => self.placement.workers().worker(worker).place_at(mailbox, make),
                }
            }
            worker
        })
    }

    fn take_unborn(&self) -> Option<Box<Unborn>> {
        self.unborn.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for Dwelling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dwelling")
            .field("worker", &self.worker)
            .finish_non_exhaustive()
    }
}
