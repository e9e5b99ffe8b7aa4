//! What the threads of a run share: the starting gate, the signals to stop, the figures.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::meter::Meter;
use crate::cli::perf::clock;

/// A run from the moment its threads are made.
#[derive(Debug)]
pub(crate) struct Run {
    /// Tells this run's messages from those of others.
    pub(crate) id: u64,
    pub(crate) publishers: Vec<Meter>,
    pub(crate) consumers: Vec<Meter>,
    pub(crate) rejecters: Vec<Meter>,
    publishing: AtomicBool,
    consuming: AtomicBool,
    crew: Mutex<Crew>,
    changed: Condvar,
}

/// How far the threads are.
#[derive(Debug, Default)]
struct Crew {
    ready: usize,
    begun: Option<Instant>,
    publishers_done: usize,
    failures: Vec<String>,
}

impl Run {
    pub(crate) fn new(publishers: usize, consumers: usize, rejecters: usize) -> Self {
        let meters = |count| (0..count).map(|_| Meter::new()).collect();
        Self {
            id: clock::now() >> 16,
            publishers: meters(publishers),
            consumers: meters(consumers),
            rejecters: meters(rejecters),
            publishing: AtomicBool::new(true),
            consuming: AtomicBool::new(true),
            crew: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Says that a thread is ready, and waits for the beginning; `None` when there will be none.
    pub(crate) fn ready(&self) -> Option<Instant> {
        self.crew().ready += 1;
        self.changed.notify_all();
        let waiting = |crew: &mut Crew| crew.begun.is_none() && self.consuming.load(Ordering::Relaxed);
        let crew = self.changed.wait_while(self.crew(), waiting);
        crew.unwrap_or_else(PoisonError::into_inner).begun
    }

    /// Opens the gate once everybody is ready; `None` when somebody failed or is late.
    pub(crate) fn begin(&self, at_most: Duration) -> Option<Instant> {
        let all = self.publishers.len() + self.consumers.len() + self.rejecters.len();
        let waiting = |crew: &mut Crew| crew.ready < all && crew.failures.is_empty();
        let waited = self.changed.wait_timeout_while(self.crew(), at_most, waiting);
        let (mut crew, late) = waited.unwrap_or_else(PoisonError::into_inner);
        if late.timed_out() {
            let late = format!("only {} of {all} connections are open in time", crew.ready);
            crew.failures.push(late);
        }
        if crew.failures.is_empty() {
            crew.begun = Some(Instant::now());
        }
        let begun = crew.begun;
        drop(crew);
        self.changed.notify_all();
        begun
    }

    pub(crate) fn publisher_done(&self) {
        self.crew().publishers_done += 1;
        self.changed.notify_all();
    }

    pub(crate) fn publishers_are_done(&self) -> bool {
        self.crew().publishers_done == self.publishers.len()
    }

    pub(crate) fn fail(&self, failure: String) {
        self.crew().failures.push(failure);
        self.changed.notify_all();
    }

    pub(crate) fn failed(&self) -> bool {
        !self.crew().failures.is_empty()
    }

    pub(crate) fn take_failures(&self) -> Vec<String> {
        std::mem::take(&mut self.crew().failures)
    }

    pub(crate) fn is_publishing(&self) -> bool {
        self.publishing.load(Ordering::Relaxed)
    }

    pub(crate) fn stop_publishing(&self) {
        self.publishing.store(false, Ordering::Relaxed);
    }

    pub(crate) fn is_consuming(&self) -> bool {
        self.consuming.load(Ordering::Relaxed)
    }

    /// Ends everything.
    pub(crate) fn stop(&self) {
        self.stop_publishing();
        // Under the lock: nobody may begin to wait between the change and the call that wakes them.
        let crew = self.crew();
        self.consuming.store(false, Ordering::Relaxed);
        drop(crew);
        self.changed.notify_all();
    }

    /// Waits for a change of the crew, `at_most` as long.
    pub(crate) fn wait(&self, at_most: Duration) {
        let _ = self.changed.wait_timeout(self.crew(), at_most);
    }

    fn crew(&self) -> MutexGuard<'_, Crew> {
        self.crew.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
