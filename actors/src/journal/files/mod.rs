//! What the journal needs of a file system, and nothing more.
//!
//! [`Directory`] is the real one. Tests put one in its place that keeps files in memory and fails on demand.

#[cfg(test)]
pub(crate) mod faulty;

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// Slices the system takes in one write.
const MOST_SLICES: usize = 1024;
/// Laid ahead of what is written.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// The files of one directory.
pub trait Files: Send + Sync + 'static {
    /// A new, empty file to write to. Fails when there is one of that name.
    fn create(&self, name: &str) -> io::Result<Box<dyn Append>>;
    /// A file that there is, to be written to from `at` on, over what it has there.
    fn reopen(&self, name: &str, at: u64) -> io::Result<Box<dyn Append>>;
    /// A file to read from. It can be read to the end of what it held even when it is deleted meanwhile.
    fn open(&self, name: &str) -> io::Result<Box<dyn ReadAt>>;
    /// Up to `len` bytes of a file from `at`; fewer only at its end.
    fn read(&self, name: &str, at: u64, len: usize) -> io::Result<Vec<u8>>;
    /// The length of a file in bytes.
    fn len(&self, name: &str) -> io::Result<u64>;
    /// The names of all files, in no particular order.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Gives a file another name, in the place of what had that.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn delete(&self, name: &str) -> io::Result<()>;
    /// Cuts a file off after `len` bytes, durably.
    fn truncate(&self, name: &str, len: u64) -> io::Result<()>;
    /// Makes durable which files there are.
    fn sync_dir(&self) -> io::Result<()>;
}

/// A file that is written from one end to the other.
pub trait Append: Send {
    /// Writes some of the slices, in order, after what was written before, and returns how many bytes.
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
    /// Lays zeros from the end of the file, which is at `from`, up to `upto`. What is written next goes where it would have
    /// gone.
    fn fill(&mut self, from: u64, upto: u64) -> io::Result<()>;
    /// Makes durable what was written.
    fn sync_data(&mut self) -> io::Result<()>;
}

/// A file that is read from.
pub trait ReadAt: Send {
    /// Reads some of the bytes from `at`, and returns how many; 0 only at the end of the file.
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize>;
}

/// Writes all of the slices, in order.
pub(super) fn write_all(file: &mut dyn Append, slices: &[&[u8]]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
    let mut rest = slices.as_mut_slice();
    while !rest.is_empty() {
        let some = rest.get(..MOST_SLICES).unwrap_or(rest);
        match file.write_vectored(some) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => IoSlice::advance_slices(&mut rest, count),
            Err(failure) if failure.kind() == io::ErrorKind::Interrupted => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

/// A directory of the file system.
#[derive(Debug, Clone)]
pub struct Directory {
    path: PathBuf,
}

impl Directory {
    /// The directory at `path`, made if it does not exist.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        fs::create_dir_all(&path)?;
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            File::open(parent)?.sync_all()?;
        }
        Ok(Directory { path })
    }
}

impl Files for Directory {
    fn create(&self, name: &str) -> io::Result<Box<dyn Append>> {
        let path = self.path.join(name);
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        Ok(Box::new(file))
    }

    fn reopen(&self, name: &str, at: u64) -> io::Result<Box<dyn Append>> {
        let mut file = OpenOptions::new().write(true).open(self.path.join(name))?;
        file.seek(SeekFrom::Start(at))?;
        Ok(Box::new(file))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn ReadAt>> {
        Ok(Box::new(File::open(self.path.join(name))?))
    }

    fn read(&self, name: &str, at: u64, len: usize) -> io::Result<Vec<u8>> {
        let file = File::open(self.path.join(name))?;
        let rest = file.metadata()?.len().saturating_sub(at);
        let mut bytes = vec![0; usize::try_from(rest).map_or(len, |rest| rest.min(len))];
        file.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        Ok(fs::metadata(self.path.join(name))?.len())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn truncate(&self, name: &str, len: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.path.join(name))?;
        file.set_len(len)?;
        file.sync_all()
    }

    fn sync_dir(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

impl Append for File {
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Write::write_vectored(self, slices)
    }

    fn fill(&mut self, from: u64, upto: u64) -> io::Result<()> {
        let mut at = from;
        while at < upto {
            let count = (upto - at).min(ZEROS.len() as u64);
            let zeros = ZEROS.get(..count as usize).unwrap_or(&ZEROS);
            self.write_all_at(zeros, at)?;
            at += count;
        }
        Ok(())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        File::sync_data(self)
    }
}

impl ReadAt for File {
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        FileExt::read_at(self, into, at)
    }
}
