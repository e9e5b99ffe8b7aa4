//! The log: what was asked of it is written to the active segment and synced, in order.
//!
//! Everything not known to be durable is also kept in memory. When a write or a sync fails, the segment is
//! left as it was when it was last synced, and what came after is written anew to a fresh one: what a failed
//! sync leaves in a file can't be trusted, even if the next sync succeeds.

use std::fmt;
use std::io;
use std::sync::Arc;

use tracing::{debug, error, warn};

use super::active::Active;
use super::cleaning::Cleaning;
use super::files::Files;
use super::gather::Gather;
use super::index::{Index, Location};
use super::recent::Recent;
use super::recovery::{Defect, Recovered};
use super::segment::file_name;
use super::sink::Sink;
use super::spare::Spare;
use crate::id::StoreId;

pub use super::op::{Copied, CopiedBody, Lender, Op};

/// Bytes gathered for one write.
const WRITE: u64 = 4 * 1024 * 1024;
/// Operations that no one waits for, after which they are synced anyway.
const MOST_UNSYNCED: usize = 4096;

/// When a message is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// When the disk has it: it survives a power cut.
    #[default]
    Fsync,
    /// When the operating system has it: it survives a crash of the broker, but not one of the machine.
    Os,
}

impl fmt::Display for Durability {
    /// As the command line has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Durability::Fsync => "fsync",
            Durability::Os => "os",
        })
    }
}

/// What can be set about a log.
#[derive(Debug, Clone, Copy)]
pub struct LogSettings {
    /// Bytes after which a segment is followed by the next. At most 1 GiB.
    pub segment_bytes: u64,
    /// When a message is safe.
    pub durability: Durability,
    /// It is needed until the broker ends, and not read after that: nothing is synced, and a segment is deleted as
    /// soon as nothing in it lives.
    pub passing: bool,
}

impl Default for LogSettings {
    fn default() -> Self {
        LogSettings {
            segment_bytes: 64 * 1024 * 1024,
            durability: Durability::Fsync,
            passing: false,
        }
    }
}

impl LogSettings {
    /// Whether room is made ready ahead of what is written: it pays where that is synced.
    pub(super) fn reserves(&self) -> bool {
        self.durability == Durability::Fsync && !self.passing
    }

    /// Of a log that is not read after the broker ends.
    pub fn passing() -> Self {
        LogSettings {
            segment_bytes: 16 * 1024 * 1024,
            durability: Durability::Os,
            passing: true,
        }
    }
}

/// A log and its segments.
pub struct Log {
    pub(super) files: Arc<dyn Files>,
    pub(super) settings: LogSettings,
    pub(super) sink: Sink,
    pub(super) active: Option<Active>,
    /// Nothing could be written the last time.
    failing: bool,
    pub(super) spare: Spare,
    pub(super) cleaning: Cleaning,
    pub(super) next_segment: u32,
    /// Something in the segments can't be read.
    pub(super) is_damaged: bool,
    /// What may not be durable yet, in order.
    pub(super) unsynced: Vec<Op>,
    /// How many of these are written to the active segment.
    pub(super) written: usize,
    /// Tickets whose messages have become safe.
    safe: Vec<(StoreId, u64)>,
}

impl Log {
    /// The log that goes on after what was recovered.
    pub fn new(files: Arc<dyn Files>, settings: LogSettings, recovered: Recovered) -> Self {
        Log {
            is_damaged: recovered.defects.iter().any(Defect::lasts),
            files,
            settings,
            sink: Sink {
                index: recovered.index,
                queues: recovered.queues,
                recent: Recent::default(),
                gather: Gather::default(),
                passing: settings.passing,
            },
            active: None,
            failing: false,
            spare: Spare::default(),
            cleaning: Cleaning::default(),
            next_segment: recovered.next_segment,
            unsynced: Vec::new(),
            written: 0,
            safe: Vec::new(),
        }
    }

    /// Takes an operation; [`commit`](Self::commit) makes it durable.
    pub fn take(&mut self, op: Op) {
        self.unsynced.push(op);
    }

    /// Where the unsettled messages are, as far as operations were committed.
    pub fn index(&self) -> &Index {
        &self.sink.index
    }

    /// Whether operations are not known to be durable.
    pub fn is_dirty(&self) -> bool {
        !self.unsynced.is_empty()
    }

    /// Whether an operation of this store is not written yet.
    pub(super) fn concerns(&self, store: StoreId) -> bool {
        let unwritten = self.unsynced.get(self.written..).unwrap_or_default();
        unwritten.iter().any(|op| op.store() == Some(store))
    }

    /// The queues and tickets whose messages have become safe since this was asked last, in order.
    pub fn take_safe(&mut self) -> std::vec::Drain<'_, (StoreId, u64)> {
        self.safe.drain(..)
    }

    /// Writes what was taken, and syncs it unless no one waits for it. Then deletes segments without a live message.
    ///
    /// # Errors
    /// When it can't be written to a fresh segment either. Nothing is lost: a later call tries again.
    pub fn commit(&mut self) -> io::Result<()> {
        let urgent = self.unsynced.len() > MOST_UNSYNCED || self.unsynced.iter().any(Op::is_urgent);
        self.commit_with(urgent)
    }

    /// Writes what was taken without a sync.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn write_down(&mut self) -> io::Result<()> {
        self.commit_with(false)
    }

    /// Makes all durable, also what no one waits for.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn flush(&mut self) -> io::Result<()> {
        self.commit_with(true)
    }

    /// Deletes all segments. Nothing can be written or read any more.
    ///
    /// # Errors
    /// When one can't be deleted.
    pub fn delete_all(&mut self) -> io::Result<()> {
        self.active = None;
        self.drop_spare()?;
        for (number, _) in self.sink.index.segments() {
            self.files.delete(&file_name(number))?;
        }
        Ok(())
    }

    fn commit_with(&mut self, urgent: bool) -> io::Result<()> {
        if let Err(failure) = self.write(urgent) {
            // Once, however often it is tried in vain.
            if !self.failing {
                warn!(error = %failure, "the journal goes on in another segment");
            }
            self.abandon();
            if let Err(failure) = self.write(urgent) {
                self.failing = true;
                self.abandon();
                let _ = self.drop_spare();
                self.settle_unwritten();
                return Err(failure);
            }
        }
        self.failing = false;
        if self.unsynced.is_empty() {
            self.delete_dead();
        }
        Ok(())
    }

    fn write(&mut self, urgent: bool) -> io::Result<()> {
        while self.written < self.unsynced.len() {
            self.make_room()?;
            self.write_some(urgent)?;
        }
        if urgent && !self.unsynced.is_empty() {
            self.sync(self.settings.durability)?;
        }
        Ok(())
    }

    /// Sees that there is an active segment that is not full.
    fn make_room(&mut self) -> io::Result<()> {
        let full = self.settings.segment_bytes;
        if self.active.as_ref().is_some_and(|active| active.len >= full) {
            self.sync(Durability::Fsync)?;
            self.end_segment()?;
        }
        if self.active.is_none() {
            self.sink.recent.clear();
            self.active = Some(self.create()?);
        }
        Ok(())
    }

    fn create(&mut self) -> io::Result<Active> {
        let number = self.next_segment;
        self.next_segment = number.checked_add(1).ok_or(io::ErrorKind::FileTooLarge)?;
        let active = match self.spare.take() {
            Some(spare) => Active::replace(&*self.files, spare, number)?,
            None => Active::create(&*self.files, number)?,
        };
        if let Err(failure) = self.sync_dir() {
            let _ = self.files.delete(&file_name(number));
            return Err(failure);
        }
        self.sink.index.grow(number, active.len);
        Ok(active)
    }

    /// The active segment is written to no more, and all of it is safe.
    pub(super) fn end_segment(&mut self) -> io::Result<()> {
        if let Some(active) = &self.active {
            active.end(&*self.files)?;
        }
        self.active = None;
        Ok(())
    }

    /// One write of the operations not written yet, as far as they fit. Room is made ready for what is synced soon.
    fn write_some(&mut self, urgent: bool) -> io::Result<()> {
        let Some(active) = &mut self.active else {
            return Ok(());
        };
        self.sink.gather.begin(active.salt, active.len);
        for op in self.unsynced.iter().skip(self.written) {
            self.sink.put(active.number, op);
            self.written += 1;
            if self.sink.gather.len() >= WRITE {
                break;
            }
        }
        self.sink.recent.shrink();
        let bytes = self.sink.gather.len();
        if urgent && self.settings.reserves() {
            active.make_ready(bytes, self.settings.segment_bytes);
        }
        active.write(&self.sink.gather.slices(), bytes)?;
        self.sink.index.grow(active.number, bytes);
        Ok(())
    }

    /// Makes durable what is written.
    fn sync(&mut self, durability: Durability) -> io::Result<()> {
        let Some(active) = &mut self.active else {
            return Ok(());
        };
        if durability == Durability::Fsync && !self.settings.passing {
            active.sync()?;
        }
        active.trusted = active.len;
        active.trusted_part = self.sink.index.segment(active.number);
        for op in self.unsynced.drain(..self.written) {
            if let Op::Append { store, ticket, .. } = op {
                self.safe.push((store, ticket));
            }
        }
        self.written = 0;
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        if self.settings.passing {
            return Ok(());
        }
        self.files.sync_dir()
    }

    /// Gives the active segment up, but for what was known to be safe.
    fn abandon(&mut self) {
        self.written = 0;
        let active = self.active.take();
        self.drop_copies(active.as_ref().map(|active| Location {
            segment: active.number,
            // A segment is far smaller than 4 GiB.
            offset: active.trusted as u32,
        }));
        let Some(active) = active else { return };
        let Active { number, trusted, .. } = active;
        let name = file_name(number);
        let done = if trusted == 0 {
            self.sink.index.forget(number);
            self.files.delete(&name)
        } else {
            self.sink.index.cut(number, active.trusted_part);
            self.files.truncate(&name, trusted)
        };
        if let Err(failure) = done {
            error!(file = name, error = %failure, "a failed segment could not be cut off; it is not used again");
        }
    }

    /// Deletes the oldest segments while they have no live message.
    ///
    /// Only ever the oldest, if they are ever read again: what was settled is told by later segments than the messages
    /// are in.
    fn delete_dead(&mut self) {
        let mut synced = self.settings.durability == Durability::Fsync;
        while let Some(number) = self.next_dead() {
            // What was copied from it must be durable first.
            if !synced && self.sync(Durability::Fsync).is_err() {
                return;
            }
            synced = true;
            let deleted = self.retire(number);
            // One that came back after a power cut must not come without the next one, which tells what was settled.
            if let Err(failure) = deleted.and_then(|()| self.sync_dir()) {
                warn!(number, error = %failure, "a segment without live messages could not be deleted");
                return;
            }
            debug!(number, "deleted a segment without live messages");
            self.sink.index.forget(number);
            self.cleaning.forget(number);
        }
    }

    /// Deletes a segment, or keeps it for the next one: a full disk needs the room.
    fn retire(&mut self, number: u32) -> io::Result<()> {
        let is_large = self.sink.index.bytes(number) >= self.settings.segment_bytes / 2;
        if self.settings.reserves() && is_large && !self.failing && self.spare.keep(&*self.files, number)? {
            return Ok(());
        }
        self.files.delete(&file_name(number))
    }

    fn next_dead(&self) -> Option<u32> {
        let active = self.active.as_ref().map(|active| active.number);
        let candidates = if self.settings.passing { usize::MAX } else { 1 };
        let mut segments = self.sink.index.segments().take(candidates);
        let dead = segments.find(|(number, segment)| segment.is_dead() && Some(*number) != active);
        dead.map(|(number, _)| number)
    }

    /// The disk takes nothing: what is settled may still make room on it.
    fn settle_unwritten(&mut self) {
        for op in &self.unsynced {
            match op {
                Op::Settled { store, positions } => {
                    for range in positions {
                        self.sink.index.settle(*store, *range);
                    }
                }
                Op::QueueDeleted { store } => self.sink.index.remove(*store),
                _ => {}
            }
        }
        self.delete_dead();
    }
}
