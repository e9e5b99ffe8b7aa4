//! A dead segment that is kept, so that a new one can be written over it.

use std::io;

use super::files::Files;
use super::segment::file_name;

/// The file. What it holds means nothing.
pub(super) const FILE: &str = "spare";

/// Whether there is one.
#[derive(Debug, Default)]
pub(super) struct Spare(bool);

impl Spare {
    /// Takes the place of deleting a segment. False when there is one already.
    pub(super) fn keep(&mut self, files: &dyn Files, number: u32) -> io::Result<bool> {
        if self.0 {
            return Ok(false);
        }
        files.rename(&file_name(number), FILE)?;
        self.0 = true;
        Ok(true)
    }

    /// Gives it away, if there is one.
    pub(super) fn take(&mut self) -> Option<&'static str> {
        std::mem::take(&mut self.0).then_some(FILE)
    }
}

/// Deletes one that is there, also one that an earlier broker left.
pub(super) fn delete(files: &dyn Files) -> io::Result<()> {
    match files.delete(FILE) {
        Err(failure) if failure.kind() != io::ErrorKind::NotFound => Err(failure),
        _ => Ok(()),
    }
}
