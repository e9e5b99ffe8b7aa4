//! Files in memory that fail on demand and can lose what was not synced.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use super::{Append, Files, ReadAt};

/// A disk that knows what has been synced.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faulty {
    disk: Arc<Mutex<Disk>>,
}

#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(crate) files: BTreeMap<String, Contents>,
    /// Bytes all files may take together.
    pub(crate) space: Option<usize>,
    /// The most bytes one write takes.
    pub(crate) write_limit: Option<usize>,
    /// The most bytes one read gives.
    pub(crate) read_limit: Option<usize>,
    /// The most bytes that were read at once.
    pub(crate) longest_read: usize,
    /// Fail so many of the next reads with EIO.
    pub(crate) failing_reads: usize,
    /// Fail the writes after so many more with EIO.
    pub(crate) writes_left: Option<usize>,
    /// Fail so many of the next syncs.
    pub(crate) failing_syncs: usize,
    /// Syncs that succeeded.
    pub(crate) syncs: usize,
    /// Bytes ever written.
    pub(crate) written: usize,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Contents {
    pub(crate) bytes: Vec<u8>,
    /// What the disk has of it.
    durable: Vec<u8>,
    /// What was written since, one write after the other.
    unsynced: Range<usize>,
    /// Whether the directory durably knows the file.
    pub(crate) named: bool,
}

impl Contents {
    fn write(&mut self, at: usize, bytes: impl Iterator<Item = u8>) -> usize {
        let end = bytes.fold(at, |at, byte| {
            match self.bytes.get_mut(at) {
                Some(old) => *old = byte,
                None => self.bytes.push(byte),
            }
            at + 1
        });
        if self.unsynced.is_empty() {
            self.unsynced.start = at;
        }
        self.unsynced.end = end;
        end
    }

    fn sync(&mut self) {
        let Range { start, end } = std::mem::take(&mut self.unsynced);
        self.durable.resize(self.bytes.len(), 0);
        self.durable[start..end].copy_from_slice(&self.bytes[start..end]);
    }

    /// The disk has `kept` of a thousand parts of what was written since the last sync. Whether it has become longer, it
    /// knows with more than half of them only.
    fn cut(&mut self, kept: usize) {
        let Range { start, end } = std::mem::take(&mut self.unsynced);
        let end = start + (end - start) * kept / 1000;
        let (written, len) = (self.bytes[start..end].to_vec(), self.bytes.len());
        self.bytes.clone_from(&self.durable);
        if kept >= 500 {
            self.bytes.resize(len.max(end), 0);
        } else {
            self.bytes.resize(self.bytes.len().max(end), 0);
        }
        self.bytes[start..end].copy_from_slice(&written);
        self.durable.clone_from(&self.bytes);
    }
}

impl Faulty {
    pub(crate) fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap()
    }

    /// What a power cut leaves: of each file what was synced and `kept` of a thousand parts of the rest.
    pub(crate) fn after_power_cut(&self, kept: usize) -> Faulty {
        let mut files = self.disk().files.clone();
        files.retain(|_, file| file.named || kept >= 500);
        files.values_mut().for_each(|file| file.cut(kept));
        let disk = Disk {
            files,
            ..Disk::default()
        };
        Faulty {
            disk: Arc::new(Mutex::new(disk)),
        }
    }

    /// The name of the last segment.
    pub(crate) fn last(&self) -> String {
        let disk = self.disk();
        let mut segments = disk.files.keys().filter(|name| name.ends_with(".journal"));
        segments.next_back().unwrap().clone()
    }
}

impl Disk {
    fn file(&mut self, name: &str) -> io::Result<&mut Contents> {
        self.files
            .get_mut(name)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn fail_reading(&mut self) -> io::Result<()> {
        let Some(left) = self.failing_reads.checked_sub(1) else {
            return Ok(());
        };
        self.failing_reads = left;
        Err(io::Error::other("EIO"))
    }

    fn room(&self) -> usize {
        let used: usize = self.files.values().map(|file| file.bytes.len()).sum();
        self.space.map_or(usize::MAX, |space| space.saturating_sub(used))
    }
}

impl Files for Faulty {
    fn create(&self, name: &str) -> io::Result<Box<dyn Append>> {
        let mut disk = self.disk();
        if disk.files.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        disk.files.insert(name.to_owned(), Contents::default());
        Ok(Box::new(FaultyFile {
            disk: self.clone(),
            name: name.to_owned(),
            at: 0,
        }))
    }

    fn reopen(&self, name: &str, at: u64) -> io::Result<Box<dyn Append>> {
        self.disk().file(name)?;
        Ok(Box::new(FaultyFile {
            disk: self.clone(),
            name: name.to_owned(),
            at: at as usize,
        }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn ReadAt>> {
        let contents = self.disk().file(name)?.clone();
        Ok(Box::new(FaultyRead {
            disk: self.clone(),
            name: name.to_owned(),
            contents,
        }))
    }

    fn read(&self, name: &str, at: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut disk = self.disk();
        disk.fail_reading()?;
        let rest = disk.file(name)?.bytes.get(at as usize..).unwrap_or_default();
        let bytes = rest[..rest.len().min(len)].to_vec();
        disk.longest_read = disk.longest_read.max(bytes.len());
        Ok(bytes)
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        Ok(self.disk().file(name)?.bytes.len() as u64)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.disk().files.keys().cloned().collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut disk = self.disk();
        disk.file(from)?;
        let file = disk.files.remove(from);
        disk.files.extend(file.map(|file| (to.to_owned(), file)));
        Ok(())
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.disk().file(name)?;
        self.disk().files.remove(name);
        Ok(())
    }

    fn truncate(&self, name: &str, len: u64) -> io::Result<()> {
        let mut disk = self.disk();
        let file = disk.file(name)?;
        file.bytes.resize(len as usize, 0);
        file.unsynced = 0..0;
        file.durable.clone_from(&file.bytes);
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.disk().files.values_mut().for_each(|file| file.named = true);
        Ok(())
    }
}

/// Sees what is appended later, and what there was when the file is deleted.
struct FaultyRead {
    disk: Faulty,
    name: String,
    contents: Contents,
}

impl ReadAt for FaultyRead {
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        let mut disk = self.disk.disk();
        disk.fail_reading()?;
        let contents = disk.files.get(&self.name).unwrap_or(&self.contents);
        let rest = contents.bytes.get(at as usize..).unwrap_or_default();
        let count = rest
            .len()
            .min(into.len())
            .min(disk.read_limit.unwrap_or(usize::MAX));
        into[..count].copy_from_slice(&rest[..count]);
        disk.longest_read = disk.longest_read.max(count);
        Ok(count)
    }
}

struct FaultyFile {
    disk: Faulty,
    name: String,
    /// Where the next byte goes.
    at: usize,
}

impl Append for FaultyFile {
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut disk = self.disk.disk();
        if let Some(left) = &mut disk.writes_left {
            *left = left.checked_sub(1).ok_or_else(|| io::Error::other("EIO"))?;
        }
        let wanted: usize = slices.iter().map(|slice| slice.len()).sum();
        let there = disk.file(&self.name)?.bytes.len().saturating_sub(self.at);
        let count = wanted
            .min(disk.write_limit.unwrap_or(usize::MAX))
            .min(disk.room().saturating_add(there));
        if count == 0 && wanted > 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.written += count;
        let all = slices.iter().flat_map(|slice| slice.iter().copied()).take(count);
        self.at = disk.file(&self.name)?.write(self.at, all);
        Ok(count)
    }

    fn fill(&mut self, from: u64, upto: u64) -> io::Result<()> {
        let mut disk = self.disk.disk();
        let wanted = (upto - from) as usize;
        let count = wanted.min(disk.room());
        let file = disk.file(&self.name)?;
        assert_eq!(file.bytes.len(), from as usize, "zeros are laid at the end");
        file.bytes.resize(file.bytes.len() + count, 0);
        if count < wanted {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    /// A sync that fails loses what it should have made durable, as Linux does: the next one succeeds.
    fn sync_data(&mut self) -> io::Result<()> {
        let mut disk = self.disk.disk();
        if disk.failing_syncs > 0 {
            disk.failing_syncs -= 1;
            let file = disk.file(&self.name)?;
            let lost = std::mem::take(&mut file.unsynced);
            file.bytes[lost].fill(0);
            return Err(io::Error::other("EIO"));
        }
        disk.syncs += 1;
        disk.file(&self.name)?.sync();
        Ok(())
    }
}
