//! Why a store can't be opened, with what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use super::encoding::Unreadable;

/// Why a store can't be opened. What the file held is still there.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It can't be read or written.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another process has it open.
    #[error("cannot use {}: another process has it open", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// It is not a store, or not whole.
    #[error(
        "{} is damaged ({what}); restore it from a backup, or move it away to start without exchanges and queues",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// A later version wrote it.
    #[error(
        "{} has format {found}, and this version reads formats up to {known}; start the version that wrote it, or a later one",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The format of the file, or of something in it.
        found: u64,
        /// The latest format this version reads.
        known: u64,
    },
}

impl StoreError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        StoreError::Io {
            path: path.to_owned(),
            source,
        }
    }

    /// What the database said.
    pub(super) fn database(path: &Path, error: impl Into<redb::Error>) -> Self {
        let path = path.to_owned();
        match error.into() {
            redb::Error::Io(source) if !is_damage(&source) => StoreError::Io { path, source },
            redb::Error::DatabaseAlreadyOpen => StoreError::Busy { path },
            damaged => StoreError::Damaged {
                path,
                what: damaged.to_string(),
            },
        }
    }

    /// An entry that can't be read.
    pub(super) fn entry(path: &Path, what: &str, why: Unreadable) -> Self {
        let path = path.to_owned();
        match why {
            Unreadable::Newer(found) => StoreError::Newer {
                path,
                found: found.into(),
                known: super::encoding::VERSION.into(),
            },
            why => StoreError::Damaged {
                path,
                what: format!("{what}: {why}"),
            },
        }
    }
}

/// Whether the file was read, but is not what it should be.
fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
    )
}
