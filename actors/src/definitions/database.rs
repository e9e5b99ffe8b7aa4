//! The database file: opened, checked, written to, and opened again after a failure.

use std::fs::File;
use std::path::{Path, PathBuf};

use redb::{Builder, Database, DatabaseError};

use super::error::StoreError;
use super::loading::{self, Contents};
use super::tables;
use crate::name::Name;
use crate::vhost::definitions::Change;

/// Memory for the pages of the database, in bytes. Nothing is read but at start.
pub(super) const CACHE: usize = 8 << 20;

/// The file, and the database in it unless the last write failed.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    path: PathBuf,
    database: Option<Database>,
}

impl DatabaseFile {
    /// Opens the file or makes it, and reads everything in it.
    pub(super) fn open(path: &Path) -> Result<(Self, Contents), StoreError> {
        let new = !path.exists();
        let database = open(path).map_err(|error| StoreError::database(path, error))?;
        let contents = loading::load(&database, path)?;
        if new && let Some(directory) = path.parent() {
            // The file's name must be as safe as what is in it.
            File::open(directory)
                .and_then(|directory| directory.sync_all())
                .map_err(|source| StoreError::io(directory, source))?;
        }
        let file = DatabaseFile {
            path: path.to_owned(),
            database: Some(database),
        };
        Ok((file, contents))
    }

    /// Applies the changes in order, all or none, and syncs. When that fails they may be on the disk all the same; `undo` then
    /// has what takes their bindings back.
    pub(super) fn record<'c>(
        &mut self,
        changes: impl Iterator<Item = &'c (Name, Change)>,
        undo: &mut Vec<(Name, Change)>,
    ) -> Result<(), redb::Error> {
        // A database whose write failed refuses everything until it is opened, and repaired, anew.
        let database = match self.database.take() {
            Some(database) => database,
            None => open(&self.path)?,
        };
        tables::apply(&database, changes, undo)?;
        self.database = Some(database);
        Ok(())
    }
}

fn open(path: &Path) -> Result<Database, DatabaseError> {
    Builder::new()
        .set_cache_size(CACHE)
        .set_check_integrity_on_open(true)
        .create(path)
}
