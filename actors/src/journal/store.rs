//! The journal of a broker: the log in its folder, from start to stop.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashSet;
use tracing::warn;

use super::durable::Durable;
use super::files::{Directory, Files};
use super::health::Healths;
use super::homes::Homes;
use super::log::{Durability, Log, LogSettings, Op};
use super::opening::{OpenedLog, open_log};
use super::recovery::Recovered;
use super::scratch::Scratch;
use super::segment::file_number;
use super::threads::Threads;
use super::writer::{Health, Writer};
use super::{Journal, Keeper, Volatile};
use crate::id::StoreId;

pub use super::opening::JournalError;

/// The folder in the data directory.
pub const FOLDER: &str = "journal";
/// The folder of what memory has no room for.
pub const SCRATCH_FOLDER: &str = "scratch";

/// The journals that were read, and are not written yet.
pub struct JournalStore {
    /// The first `count` are for new queues; further ones run until they are empty.
    logs: Vec<OpenedLog>,
    count: usize,
    scratch: Log,
    threads: Arc<Threads>,
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
        Self::open_several(directory, settings, 1)
    }

    /// As [`open`](Self::open), with as many logs as said, at least one, each with a thread of its own. One left over from an
    /// earlier, larger number is read and written on as long as it holds messages.
    ///
    /// # Errors
    /// When files can't be read, or a later version wrote them.
    pub fn open_several(directory: &Path, settings: LogSettings, count: usize) -> Result<Self, JournalError> {
        let count = count.max(1);
        let mut logs = Vec::with_capacity(count);
        for number in 1..=count {
            logs.push(open_log(directory.join(folder(number)), settings)?);
        }
        for path in left_over(directory, count)? {
            let opened = open_log(path.clone(), settings)?;
            if !opened.is_empty() {
                logs.push(opened);
            } else if let Err(failure) = opened.log.remove().and_then(|()| fs::remove_dir(&path)) {
                warn!(folder = %path.display(), error = %failure, "a journal that is not needed can't be removed");
            }
        }
        Ok(JournalStore {
            logs,
            count,
            scratch: empty_scratch(directory)?,
            threads: Arc::default(),
        })
    }

    /// The threads that will use the directory.
    pub fn threads(&self) -> Arc<Threads> {
        Arc::clone(&self.threads)
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
        let mut homes = Homes::new(self.count);
        for (number, opened) in self.logs.iter_mut().enumerate() {
            for (&store, queue) in &opened.queues {
                if !known.contains(&store) {
                    opened.log.take(Op::QueueDeleted { store });
                } else {
                    let has_messages = opened.log.index().waiting(store).is_some();
                    homes.found(store, number, *queue, has_messages);
                }
            }
        }
        let first = self.logs.first();
        let durability = first.map_or_else(Durability::default, |opened| opened.log.settings.durability);
        let health = Healths::new(health);
        let defects = Arc::new(AtomicU64::new(
            self.logs.iter().map(|opened| opened.defects).sum(),
        ));
        let start = |keeper, log, number| {
            let (writer, thread) = Writer::start(keeper, log, Arc::clone(&defects), health.of(number))?;
            self.threads.add(writer.clone(), thread);
            io::Result::Ok(writer)
        };
        let scratch = start(Keeper::Scratch, self.scratch, 0)?;
        let mut writers = Vec::with_capacity(self.logs.len());
        for (number, mut opened) in self.logs.into_iter().enumerate() {
            opened.log.begin()?;
            writers.push(start(Keeper::Journal, opened.log, number + 1)?);
        }
        Ok(Journals {
            durability,
            writers,
            scratch,
            scratch_ids: AtomicU64::new(1),
            defects,
            threads: self.threads,
            homes: Mutex::new(homes),
        })
    }
}

/// The folder of the log of this number, from 1.
fn folder(number: usize) -> String {
    match number {
        1 => FOLDER.to_owned(),
        _ => format!("{FOLDER}-{number}"),
    }
}

/// Folders of logs with numbers above `count`.
fn left_over(directory: &Path, count: usize) -> Result<Vec<PathBuf>, JournalError> {
    let failed = |source| JournalError::Io {
        path: directory.to_owned(),
        source,
    };
    let mut numbers: Vec<usize> = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_prefix(FOLDER)?.strip_prefix('-'));
        numbers.extend(
            number
                .and_then(|number| number.parse::<usize>().ok())
                .filter(|number| *number > count),
        );
    }
    numbers.sort_unstable();
    let paths = numbers.into_iter().map(|number| directory.join(folder(number)));
    Ok(paths.filter(|path| path.is_dir()).collect())
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
    durability: Durability,
    writers: Vec<Writer>,
    scratch: Writer,
    scratch_ids: AtomicU64,
    defects: Arc<AtomicU64>,
    threads: Arc<Threads>,
    homes: Mutex<Homes>,
}

impl Journals {
    /// When a message is safe.
    pub fn durability(&self) -> Durability {
        self.durability
    }

    /// The journal of a queue that is declared, comes back after a restart, or crashed.
    pub fn queue(&self, store: StoreId) -> Box<dyn Journal> {
        let mut homes = self.homes.lock().unwrap_or_else(PoisonError::into_inner);
        let (log, start) = homes.take(store);
        match self.writers.get(log) {
            Some(writer) => Box::new(Durable::new(store, writer.clone(), start)),
            None => Box::new(Volatile),
        }
    }

    /// Whether messages of a queue were found at the start.
    pub(crate) fn found_messages(&self, store: StoreId) -> bool {
        let homes = self.homes.lock().unwrap_or_else(PoisonError::into_inner);
        homes.found_messages(store)
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

    /// Makes all durable, notes that the broker stopped in order, and ends the threads.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub async fn stop(&self) -> io::Result<()> {
        // Nothing in the scratch log matters any more.
        drop(self.scratch.stop());
        let stops: Vec<_> = self.writers.iter().map(Writer::stop).collect();
        for stopped in stops {
            let ended = |_| io::Error::other("the journal has ended");
            stopped.await.map_err(ended)??;
        }
        self.threads.end();
        Ok(())
    }

    /// Makes durable what has been told and ends the threads, after something failed.
    pub fn end(&self) {
        self.threads.end();
    }
}
