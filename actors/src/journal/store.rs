//! The journal of a broker: the log in its folder, from start to stop.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use rustc_hash::FxHashSet;
use tracing::{error, info, warn};

use super::durable::Durable;
use super::files::{Directory, Files};
use super::log::{Log, LogSettings, Op};
use super::record::Unreadable;
use super::recovery::{DefectKind, RecoveredQueue, repair, scan};
use super::writer::{Health, Writer};
use crate::id::StoreId;

/// The folder in the data directory.
pub const FOLDER: &str = "journal";

/// Why a journal can't be used. Nothing of it was changed.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It can't be made, read or written.
    #[error("cannot use the journal {}: {source}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A later version of Leveret wrote it.
    #[error("the journal file {} was written by a later version: format {version}", path.display())]
    Later {
        /// The file.
        path: PathBuf,
        /// The version of its format.
        version: u16,
    },
}

/// A journal that was read, and is not written yet.
pub struct JournalStore {
    log: Log,
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
        let path = directory.join(FOLDER);
        let failed = |source| JournalError::Io {
            path: path.clone(),
            source,
        };
        let begun = Instant::now();
        let files = Directory::open(&path).map_err(failed)?;
        let mut recovered = scan(&files).map_err(failed)?;
        for defect in &recovered.defects {
            match defect.kind {
                DefectKind::Unreadable(Unreadable::Version(version)) => {
                    let path = path.join(&defect.file);
                    return Err(JournalError::Later { path, version });
                }
                DefectKind::Torn | DefectKind::Unreadable(Unreadable::Short) => warn!("journal: {defect}"),
                _ => error!("journal: {defect}"),
            }
        }
        repair(&files, &recovered).map_err(failed)?;
        let ms = begun.elapsed().as_millis();
        let segments = recovered.index.segments().count();
        let orderly = recovered.stopped_in_order;
        info!(segments, orderly, ms, "read the journal");
        let mut queues: HashMap<_, _> = recovered.queues.drain().collect();
        if !orderly {
            // No one knows what was handed out.
            queues.values_mut().for_each(RecoveredQueue::suspect);
        }
        let files: Arc<dyn Files> = Arc::new(files);
        let log = Log::new(files, settings, recovered);
        Ok(JournalStore { log, queues })
    }

    /// Starts to write. The messages of queues that are not among `known` are dropped.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(
        mut self,
        known: &FxHashSet<StoreId>,
        health: impl Fn(Health) + Send + 'static,
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
        let (writer, thread) = Writer::start(self.log, health)?;
        Ok(Journals {
            writer,
            thread: Mutex::new(Some(thread)),
            queues: Mutex::new(self.queues),
        })
    }
}

/// Gives each durable queue its journal.
pub struct Journals {
    writer: Writer,
    thread: Mutex<Option<JoinHandle<()>>>,
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

    /// Makes all durable and ends the thread.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub async fn stop(&self) -> io::Result<()> {
        let ended = io::Error::other("the journal has ended");
        self.writer.stop().await.map_err(|_| ended)??;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
        Ok(())
    }
}
