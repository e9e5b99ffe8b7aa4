//! The journal of a broker: the log in its folder, from start to stop.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rustc_hash::FxHashSet;

use super::durable::Durable;
use super::files::{Directory, Files};
use super::health::Healths;
use super::log::{Log, LogSettings, Op};
use super::opening::{OpenedLog, open_log};
use super::recovery::{Recovered, RecoveredQueue};
use super::scratch::Scratch;
use super::segment::file_number;
use super::writer::{Health, Writer};
use super::{Journal, Keeper};
use crate::id::StoreId;

pub use super::opening::JournalError;

/// The folder in the data directory.
pub const FOLDER: &str = "journal";
/// The folder of what memory has no room for.
pub const SCRATCH_FOLDER: &str = "scratch";

/// A journal that was read, and is not written yet.
pub struct JournalStore {
    log: Log,
    scratch: Log,
    defects: Arc<AtomicU64>,
    queues: HashMap<StoreId, RecoveredQueue>,
}

impl fmt::Debug for JournalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalStore").finish_non_exhaustive()
    }
}

impl JournalStore {
    /// Reads the journal in `directory`; makes an empty one when there is none. What can't be read is logged.
    ///
    /// # Errors
    /// When files can't be read, or a later version wrote them.
    pub fn open(directory: &Path, settings: LogSettings) -> Result<Self, JournalError> {
        let OpenedLog { log, queues, defects } = open_log(directory.join(FOLDER), settings)?;
        Ok(JournalStore {
            log,
            scratch: empty_scratch(directory)?,
            defects: Arc::new(AtomicU64::new(defects)),
            queues,
        })
    }

    /// Starts to write. The messages of queues that are not among `known` are dropped. `health` is told when a disk begins
    /// to fail, and when all are good again.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(
        mut self,
        known: &FxHashSet<StoreId>,
        health: impl Fn(Health) + Send + Sync + 'static,
    ) -> io::Result<Journals> {
        let unknown: Vec<StoreId> = self
            .queues
            .keys()
            .copied()
            .filter(|id| !known.contains(id))
            .collect();
        for store in unknown {
            self.queues.remove(&store);
            self.log.take(Op::QueueDeleted { store });
        }
        self.log.begin()?;
        let health = Healths::new(health);
        let defects = || Arc::clone(&self.defects);
        let (writer, thread) = Writer::start(Keeper::Journal, self.log, defects(), health.of(1))?;
        let (scratch, scratch_thread) =
            Writer::start(Keeper::Scratch, self.scratch, defects(), health.of(0))?;
        Ok(Journals {
            writer,
            scratch,
            scratch_ids: AtomicU64::new(1),
            defects: self.defects,
            threads: Mutex::new(vec![thread, scratch_thread]),
            queues: Mutex::new(self.queues),
        })
    }
}

/// An empty log in its folder: what an earlier broker left there no one can ask for.
fn empty_scratch(directory: &Path) -> Result<Log, JournalError> {
    let path = directory.join(SCRATCH_FOLDER);
    let failed = |source| JournalError::Io {
        path: path.clone(),
        source,
    };
    let files = Directory::open(&path).map_err(failed)?;
    for name in files.list().map_err(failed)? {
        if file_number(&name).is_some() {
            files.delete(&name).map_err(failed)?;
        }
    }
    Ok(Log::new(
        Arc::new(files),
        LogSettings::passing(),
        Recovered::empty(),
    ))
}

/// Gives each queue its journals.
pub struct Journals {
    writer: Writer,
    scratch: Writer,
    scratch_ids: AtomicU64,
    defects: Arc<AtomicU64>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    queues: Mutex<HashMap<StoreId, RecoveredQueue>>,
}

impl Journals {
    /// The journal of a queue that is declared, comes back after a restart, or crashed.
    pub fn queue(&self, store: StoreId) -> Durable {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let start = queues.remove(&store).unwrap_or_else(|| {
            // It may have handed out all it had when it crashed.
            let mut start = RecoveredQueue::default();
            start.suspect();
            start
        });
        Durable::new(store, self.writer.clone(), start)
    }

    /// A place for what a queue has no room for in memory, until the queue ends.
    pub fn scratch(&self) -> Box<dyn Journal> {
        let store = StoreId(self.scratch_ids.fetch_add(1, Ordering::Relaxed));
        Box::new(Scratch::new(store, self.scratch.clone()))
    }

    /// What could not be read since the start: messages, and damaged places found at the start.
    pub fn defects(&self) -> u64 {
        self.defects.load(Ordering::Relaxed)
    }

    /// Makes all durable and ends the threads.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub async fn stop(&self) -> io::Result<()> {
        let ended = || io::Error::other("the journal has ended");
        let (stopped, scratch_stopped) = (self.writer.stop().await, self.scratch.stop().await);
        stopped.map_err(|_| ended())??;
        // Nothing in it matters any more.
        let _ = scratch_stopped;
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            let _ = thread.join();
        }
        Ok(())
    }
}
