//! What a log leaves at a clean stop, and takes away when it begins anew.

use std::io;

use super::checkpoint;
use super::files::write_all;
use super::log::{Log, Op};
use super::recovery::lengths;
use super::sink::Sink;
use super::spare;
use crate::id::StoreId;

impl Log {
    /// Leaves a checkpoint, after which nothing can be written any more.
    ///
    /// None when something was found that can't be read: the next start is to report it again.
    ///
    /// # Errors
    /// When it can't be written. Nothing of it is left then, or something that does not hold.
    pub fn leave_checkpoint(&mut self) -> io::Result<()> {
        self.close()?;
        if self.is_damaged || self.is_dirty() {
            return Ok(());
        }
        let lengths = lengths(&*self.files)?;
        let Sink { index, queues, .. } = &self.sink;
        let bytes = checkpoint::encode(index, queues, self.next_segment, &lengths);
        self.drop_checkpoint()?;
        let mut file = self.files.create(checkpoint::UNFINISHED)?;
        write_all(&mut *file, &[&bytes])?;
        file.sync_data()?;
        self.files.rename(checkpoint::UNFINISHED, checkpoint::FILE)?;
        self.files.sync_dir()
    }

    /// Gives back the room that was made ready. Nothing can be written any more.
    ///
    /// # Errors
    /// When the disk does not take it: the next start does the same.
    pub fn close(&mut self) -> io::Result<()> {
        self.drop_spare()?;
        self.end_segment()
    }

    /// The broker is about to serve: what tells of one that stopped in order holds no longer.
    ///
    /// # Errors
    /// When the checkpoint can't be deleted.
    pub fn begin(&mut self) -> io::Result<()> {
        if self.sink.index.stores().next().is_some() {
            let (store, positions) = (StoreId(0), Vec::new());
            self.take(Op::Settled { store, positions });
        }
        self.drop_spare()?;
        self.drop_checkpoint()
    }

    /// Deletes all files of a log that is not to be written.
    ///
    /// # Errors
    /// When one can't be deleted.
    pub(super) fn remove(mut self) -> io::Result<()> {
        self.drop_checkpoint()?;
        self.delete_all()
    }

    /// Deletes the segment that is kept to be written over.
    pub(super) fn drop_spare(&mut self) -> io::Result<()> {
        self.spare.take();
        spare::delete(&*self.files)
    }

    fn drop_checkpoint(&self) -> io::Result<()> {
        let mut dropped = false;
        for name in [checkpoint::FILE, checkpoint::UNFINISHED] {
            match self.files.delete(name) {
                Ok(()) => dropped = true,
                Err(failure) if failure.kind() == io::ErrorKind::NotFound => {}
                Err(failure) => return Err(failure),
            }
        }
        if dropped { self.files.sync_dir() } else { Ok(()) }
    }
}
