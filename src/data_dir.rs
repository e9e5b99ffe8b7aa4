//! The directory for what must survive a restart, and the lock that keeps a second broker out of it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;

use leveret_actors::broker::Stores;
use leveret_actors::definitions::{self, DefinitionStore, StoreError};
use leveret_actors::journal::inspect::inspect;
use leveret_actors::journal::log::LogSettings;
use leveret_actors::journal::store::{self, JournalError, JournalStore};
use leveret_actors::journal::threads::Threads;
use tracing::warn;

/// Locked by the broker that uses the directory, and holds its process number.
const LOCK: &str = "leveret.lock";

/// A data directory that no other broker uses.
#[derive(Debug)]
pub(crate) struct DataDir {
    // Closed before the lock is given up: fields are dropped in this order.
    definitions: DefinitionStore,
    /// Until it is started.
    journal: Option<JournalStore>,
    /// They use the directory, however the broker ends.
    threads: Arc<Threads>,
    _lock: Lock,
}

/// A file that is locked, until it is dropped.
#[derive(Debug)]
struct Lock {
    file: File,
}

impl Drop for Lock {
    /// To close it would not do: a child that a program is just starting shares the lock until it runs a program of its own.
    fn drop(&mut self) {
        if let Err(failure) = self.file.unlock() {
            warn!(error = %failure, "the data directory can't be unlocked");
        }
    }
}

/// Why a data directory can't be used. Nothing in it was lost.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// It can't be made, read or written.
    #[error("cannot use the data directory {}: {source}; choose another, or give the broker's user access to it", directory.display())]
    Unusable {
        /// The directory asked for.
        directory: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another broker uses it.
    #[error("the data directory {} is in use by another broker{}", directory.display(), named(*process))]
    InUse {
        /// The directory asked for.
        directory: PathBuf,
        /// The other broker's process number, if it can be read.
        process: Option<u32>,
    },
    /// Messages wait in the journal, and what says whose they are is gone.
    #[error(
        "{} is missing or empty, and {messages} messages wait in {}: without it they belong to no queue and would be dropped; \
         restore the file from a backup, or move the folder away to start without exchanges, queues and messages",
        definitions.display(),
        journal.display()
    )]
    DefinitionsMissing {
        /// The store of exchanges, queues and bindings.
        definitions: PathBuf,
        /// The folder of the messages.
        journal: PathBuf,
        /// How many there are.
        messages: u64,
    },
    /// The store of exchanges, queues and bindings can't be opened.
    #[error(transparent)]
    Definitions(#[from] StoreError),
    /// The journal of messages can't be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl DataDir {
    /// Makes the directory if need be, locks it and opens what is in it.
    pub(crate) fn open(directory: &Path, log: LogSettings, journals: usize) -> Result<Self, DataDirError> {
        let unusable = |source| DataDirError::Unusable {
            directory: directory.to_owned(),
            source,
        };
        fs::create_dir_all(directory).map_err(unusable)?;
        let mut lock = open_lock(directory).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DataDirError::InUse {
                    directory: directory.to_owned(),
                    process: holder(&mut lock),
                });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        let mut lock = Lock { file: lock };
        sign(&mut lock.file).map_err(unusable)?;
        check_definitions(directory)?;
        let definitions = DefinitionStore::open(directory)?;
        let journal = JournalStore::open_several(directory, log, journals)?;
        Ok(DataDir {
            definitions,
            threads: journal.threads(),
            journal: Some(journal),
            _lock: lock,
        })
    }

    /// What is in it: once.
    pub(crate) fn stores(&mut self) -> Option<Stores<'_>> {
        Some(Stores {
            definitions: &self.definitions,
            journal: self.journal.take()?,
        })
    }
}

impl Drop for DataDir {
    /// The lock is given up when nothing is written any more.
    fn drop(&mut self) {
        self.threads.end();
    }
}

/// Refuses journals with messages whose definitions are not there: a new store would know none of their queues.
fn check_definitions(directory: &Path) -> Result<(), DataDirError> {
    let definitions = directory.join(definitions::FILE);
    // One that is empty would be taken for new.
    if definitions.metadata().is_ok_and(|file| file.len() > 0) {
        return Ok(());
    }
    let unusable = |source| DataDirError::Unusable {
        directory: directory.to_owned(),
        source,
    };
    for entry in fs::read_dir(directory).map_err(unusable)? {
        let journal = entry.map_err(unusable)?.path();
        let named = journal.file_name().and_then(|name| name.to_str());
        if !named.is_some_and(is_journal) || !journal.is_dir() {
            continue;
        }
        let messages = inspect(&journal).map_err(unusable)?.queues.values().sum();
        if messages > 0 {
            return Err(DataDirError::DefinitionsMissing {
                definitions,
                journal,
                messages,
            });
        }
    }
    Ok(())
}

/// The folder of the first journal, or of a further one.
fn is_journal(name: &str) -> bool {
    name.strip_prefix(store::FOLDER).is_some_and(|rest| {
        rest.is_empty()
            || rest
                .strip_prefix('-')
                .is_some_and(|number| number.parse::<u32>().is_ok())
    })
}

fn open_lock(directory: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(directory.join(LOCK))
}

fn sign(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", process::id())
}

fn holder(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn named(process: Option<u32>) -> String {
    process.map_or_else(String::new, |process| format!(", process {process}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_made_locked_and_free_again() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("a/b");
        let first = DataDir::open(&directory, LogSettings::default(), 1).unwrap();
        let refused = DataDir::open(&directory, LogSettings::default(), 1)
            .unwrap_err()
            .to_string();
        assert_eq!(
            refused,
            format!(
                "the data directory {} is in use by another broker, process {}",
                directory.display(),
                process::id()
            )
        );
        drop(first);
        DataDir::open(&directory, LogSettings::default(), 1).unwrap();
    }

    #[test]
    fn a_directory_is_free_although_someone_else_still_has_the_lock_file_open() {
        let directory = tempfile::tempdir().unwrap();
        let open = || DataDir::open(directory.path(), LogSettings::default(), 1);
        let first = open().unwrap();
        // As a child has between fork and exec.
        let _inherited = first._lock.file.try_clone().unwrap();
        drop(first);
        open().unwrap();
    }

    #[test]
    fn a_file_is_no_directory() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let refused = DataDir::open(file.path(), LogSettings::default(), 1).unwrap_err();
        assert!(matches!(refused, DataDirError::Unusable { .. }), "{refused}");
    }
}
