//! The threads that carry connections and queues, and where a new actor is placed.

use std::hash::{BuildHasher, BuildHasherDefault};
use std::sync::atomic::{AtomicUsize, Ordering};

use actix::dev::channel::channel;
use actix::prelude::*;
use rustc_hash::FxHasher;

/// Names a worker of one broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerId(usize);

/// The worker threads of one broker.
#[derive(Debug)]
pub struct Workers {
    arbiters: Vec<ArbiterHandle>,
    next: AtomicUsize,
}

impl Workers {
    /// Starts `count` threads, at least one. They end with the actix system they are started in.
    pub(crate) fn start(count: usize) -> Self {
        let arbiters = (0..count.max(1)).map(|_| Arbiter::new().handle()).collect();
        Workers {
            arbiters,
            next: AtomicUsize::new(0),
        }
    }

    /// The next worker in turn: for connections.
    pub fn by_turn(&self) -> WorkerId {
        WorkerId(self.next.fetch_add(1, Ordering::Relaxed) % self.arbiters.len())
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = WorkerId> + use<> {
        (0..self.arbiters.len()).map(WorkerId)
    }

    /// Always the same worker for the same name: for exchanges.
    pub fn by_name(&self, name: &str) -> WorkerId {
        let hash = BuildHasherDefault::<FxHasher>::default().hash_one(name);
        WorkerId((hash >> 32) as usize % self.arbiters.len())
    }

    /// Starts an actor on a worker. Its mailbox has no bound: in a bounded one a question that finds it full steps
    /// aside, and what is sent later goes past it.
    pub(crate) fn place<A>(&self, worker: WorkerId, make: impl FnOnce() -> A + Send + 'static) -> Addr<A>
    where
        A: Actor<Context = Context<A>>,
    {
        let (road, mailbox) = channel(0);
        self.arbiter(worker).spawn_fn(move || {
            actix_rt::spawn(Context::with_receiver(mailbox).into_future(make()));
        });
        Addr::new(road)
    }

    /// The thread of a worker.
    #[expect(
        clippy::indexing_slicing,
        reason = "a WorkerId is made here, below the number of arbiters"
    )]
    pub fn arbiter(&self, worker: WorkerId) -> &ArbiterHandle {
        &self.arbiters[worker.0]
    }
}
