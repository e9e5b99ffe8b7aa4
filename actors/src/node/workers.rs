//! The threads that carry connections and queues, and where a new actor is placed.

use std::hash::{BuildHasher, BuildHasherDefault};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix::prelude::*;
use rustc_hash::FxHasher;

use super::life::Context;
use super::seats::Seats;
use super::worker::Worker;

/// Names a worker of one broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WorkerId(usize);

/// The worker threads of one broker.
#[derive(Debug, Clone)]
pub struct Workers {
    workers: Arc<[Worker]>,
    next: Arc<AtomicUsize>,
    seats: Arc<Seats>,
}

impl Workers {
    /// Starts `count` threads, at least one. They end with the actix system they are started in. `together` is as in
    /// [`Settings`](super::Settings::connections_together).
    ///
    /// # Errors
    ///
    /// When the system has no thread or no descriptor left.
    pub(crate) fn start(count: usize, together: usize) -> std::io::Result<Self> {
        let workers = (0..count.max(1))
            .map(Worker::start)
            .collect::<Result<Arc<[_]>, _>>()?;
        Ok(Workers {
            seats: Arc::new(Seats::new((0..workers.len()).map(WorkerId), together)),
            workers,
            next: Arc::default(),
        })
    }

    /// What connections take on them.
    pub fn seats(&self) -> &Arc<Seats> {
        &self.seats
    }

    /// The next worker in turn: for listeners.
    pub fn by_turn(&self) -> WorkerId {
        WorkerId(self.next.fetch_add(1, Ordering::Relaxed) % self.workers.len())
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = WorkerId> + use<> {
        (0..self.workers.len()).map(WorkerId)
    }

    /// Always the same worker for the same name: for exchanges.
    pub fn by_name(&self, name: &str) -> WorkerId {
        let hash = BuildHasherDefault::<FxHasher>::default().hash_one(name);
        WorkerId((hash >> 32) as usize % self.workers.len())
    }

    /// Starts an actor on a worker.
    pub(crate) fn place<A>(&self, worker: WorkerId, make: impl FnOnce() -> A + Send + 'static) -> Addr<A>
    where
        A: Actor<Context = Context<A>>,
    {
        self.worker(worker).place(make)
    }

    /// The thread of a worker.
    #[expect(
        clippy::indexing_slicing,
        reason = "a WorkerId is made here, below the number of workers"
    )]
    pub fn worker(&self, worker: WorkerId) -> &Worker {
        &self.workers[worker.0]
    }
}
