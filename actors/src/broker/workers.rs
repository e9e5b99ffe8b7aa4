//! The threads that carry connections and queues, and where a new actor is placed.

use std::hash::{BuildHasher, BuildHasherDefault};
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_rt::{Arbiter, ArbiterHandle};
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

    /// Always the same worker for the same name: for queues and exchanges.
    pub fn by_name(&self, name: &str) -> WorkerId {
        let hash = BuildHasherDefault::<FxHasher>::default().hash_one(name);
        WorkerId((hash >> 32) as usize % self.arbiters.len())
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
