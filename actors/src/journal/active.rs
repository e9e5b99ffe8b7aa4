//! The segment that is written to, and the room that is made ready for it.
//!
//! A sync costs about half as much where the file has its blocks already as where it becomes longer. So a segment is
//! written over a dead one where there is one, and is filled with zeros a little ahead while little is written at a time.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;

use tracing::debug;

use super::files::{Append, Files, write_all};
use super::header::{SEGMENT_HEADER, SegmentHeader, VERSION};
use super::index::Segment;
use super::segment::file_name;

/// The most bytes written at once for which zeros are laid ahead: with more, writing them twice costs more than it gives.
const LITTLE: u64 = 16 * 1024;
/// Zeros laid at once: as many as the segment has bytes, within these bounds.
const AHEAD: (u64, u64) = (64 * 1024, 1024 * 1024);

/// The segment that is written to.
pub(super) struct Active {
    pub(super) number: u32,
    file: Box<dyn Append>,
    pub(super) salt: u64,
    /// Bytes written.
    pub(super) len: u64,
    /// Bytes that the file is long; more when the disk had no room to lay zeros.
    room: u64,
    /// Its length when it was last known to be safe, and what it had.
    pub(super) trusted: u64,
    pub(super) trusted_part: Segment,
}

impl Active {
    /// A new segment in a file of its own.
    pub(super) fn create(files: &dyn Files, number: u32) -> io::Result<Self> {
        let name = file_name(number);
        let mut file = files.create(&name)?;
        let header = header(number);
        if let Err(failure) = write_all(&mut *file, &[&header.encode()]) {
            let _ = files.delete(&name);
            return Err(failure);
        }
        debug!(number, "a new segment");
        Ok(Self::begun(header, file, SEGMENT_HEADER as u64))
    }

    /// A new segment in the place of what the file `old` holds.
    ///
    /// The file gets its name once its header is safe: it is never taken for the segment that it was.
    pub(super) fn replace(files: &dyn Files, old: &str, number: u32) -> io::Result<Self> {
        let (name, header) = (file_name(number), header(number));
        let mut file = files.reopen(old, 0)?;
        write_all(&mut *file, &[&header.encode()])?;
        file.sync_data()?;
        files.rename(old, &name)?;
        let opened = files.len(&name).and_then(|room| {
            let file = files.reopen(&name, SEGMENT_HEADER as u64)?;
            Ok(Self::begun(header, file, room))
        });
        if opened.is_err() {
            let _ = files.delete(&name);
        }
        debug!(number, "a new segment in the place of an old one");
        opened
    }

    fn begun(header: SegmentHeader, file: Box<dyn Append>, room: u64) -> Self {
        Active {
            number: header.number,
            file,
            salt: header.salt,
            len: SEGMENT_HEADER as u64,
            room,
            trusted: 0,
            trusted_part: Segment::default(),
        }
    }

    /// Sees that the file has blocks for the next `bytes`, if they are few, and for some more up to `most` in all.
    /// Without room on the disk it does not.
    pub(super) fn make_ready(&mut self, bytes: u64, most: u64) {
        if self.len + bytes <= self.room || bytes > LITTLE {
            return;
        }
        let upto = most.min(self.room + self.len.clamp(AHEAD.0, AHEAD.1));
        if upto > self.room {
            let filled = self.file.fill(self.room, upto);
            // What is missing is noticed by the writes themselves. It is not tried again.
            self.room = filled.map_or(u64::MAX, |()| upto);
        }
    }

    /// Writes all of the slices, which are `bytes` long together.
    pub(super) fn write(&mut self, slices: &[&[u8]], bytes: u64) -> io::Result<()> {
        write_all(&mut *self.file, slices)?;
        self.len += bytes;
        self.room = self.room.max(self.len);
        Ok(())
    }

    /// Makes durable what is written.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Nothing more is written: gives back the room that is left.
    pub(super) fn end(&self, files: &dyn Files) -> io::Result<()> {
        if self.room > self.len {
            return files.truncate(&file_name(self.number), self.len);
        }
        Ok(())
    }
}

fn header(number: u32) -> SegmentHeader {
    SegmentHeader {
        version: VERSION,
        number,
        salt: RandomState::new().build_hasher().finish(),
    }
}
