//! The unsettled messages of a queue, read back from the segments.

use std::io;
use std::sync::Arc;

use super::files::Files;
use super::index::{Index, Location};
use super::record::{RECORD_HEADER, Record, SEGMENT_HEADER, SegmentHeader};
use super::segment::file_name;
use crate::id::StoreId;
use crate::publication::{Page, PageBuilder};

/// Size at which a page of restored messages is closed.
const PAGE: u64 = 64 * 1024;
/// Bytes of the first read of a run, and the most of a later one.
const READ: (usize, usize) = (4 * 1024, 1024 * 1024);

/// Some messages of a queue, in order.
#[derive(Debug)]
pub struct Restored {
    /// Where the publications are.
    pub page: Arc<Page>,
    /// The messages' positions, which rise, and the places of their publications in the page.
    pub messages: Vec<(u64, u32)>,
}

/// Reads all unsettled messages of a queue.
///
/// A message that can't be read is left out, and `unreadable` hears its position.
///
/// # Errors
/// When a file can't be read.
pub fn restore(
    files: &dyn Files,
    index: &Index,
    store: StoreId,
    mut unreadable: impl FnMut(u64, Location),
) -> io::Result<Vec<Restored>> {
    let mut reader = Reader::new(files);
    let mut restored = Vec::new();
    let (mut builder, mut messages) = (PageBuilder::new(), Vec::new());
    for (position, location) in index.messages(store) {
        match reader.read(location, &mut builder)? {
            Some(offset) => messages.push((position, offset)),
            None => unreadable(position, location),
        }
        if builder.len() >= PAGE {
            restored.push(Restored {
                page: builder.finish(),
                messages: std::mem::take(&mut messages),
            });
        }
    }
    if !messages.is_empty() {
        let page = builder.finish();
        restored.push(Restored { page, messages });
    }
    Ok(restored)
}

/// Reads records, ahead while they follow each other.
struct Reader<'a> {
    files: &'a dyn Files,
    segment: Option<SegmentHeader>,
    /// What was read last, and where in the segment it begins.
    bytes: Vec<u8>,
    from: usize,
    ahead: usize,
}

impl<'a> Reader<'a> {
    fn new(files: &'a dyn Files) -> Self {
        Reader {
            files,
            segment: None,
            bytes: Vec::new(),
            from: 0,
            ahead: READ.0,
        }
    }

    /// Copies the publication at a location; `None` when no good one is there.
    fn read(&mut self, location: Location, builder: &mut PageBuilder) -> io::Result<Option<u32>> {
        let Some(salt) = self.open(location.segment)? else {
            return Ok(None);
        };
        let offset = location.offset as usize;
        self.load(location.segment, offset, RECORD_HEADER)?;
        let Some(len) = self
            .bytes
            .get(offset - self.from..)
            .and_then(|rest| rest.first_chunk())
        else {
            return Ok(None);
        };
        let len = RECORD_HEADER + u32::from_le_bytes(*len) as usize;
        self.load(location.segment, offset, len)?;
        Ok(match Record::read_from(&self.bytes, self.from, salt, offset) {
            Some((Record::Publication { publication, .. }, _)) => Some(builder.copy(publication)),
            _ => None,
        })
    }

    fn open(&mut self, number: u32) -> io::Result<Option<u64>> {
        if let Some(header) = self.segment.filter(|header| header.number == number) {
            return Ok(Some(header.salt));
        }
        let header = self.files.read(&file_name(number), 0, SEGMENT_HEADER)?;
        self.segment = SegmentHeader::decode(&header).ok();
        self.bytes.clear();
        Ok(self.segment.map(|header| header.salt))
    }

    /// Sees that `len` bytes from `offset` are there, if the segment has them.
    fn load(&mut self, number: u32, offset: usize, len: usize) -> io::Result<()> {
        let end = self.from + self.bytes.len();
        if offset >= self.from && offset + len <= end {
            return Ok(());
        }
        let follows = offset >= self.from && offset <= end;
        self.ahead = if follows {
            (self.ahead * 2).min(READ.1)
        } else {
            READ.0
        };
        self.bytes = self
            .files
            .read(&file_name(number), offset as u64, len.max(self.ahead))?;
        self.from = offset;
        Ok(())
    }
}
