//! How much memory the process uses, and how much space a disk has left.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::statvfs;
use rustix::param::page_size;

/// The memory this process uses: what it has in RAM, without the pages of files that the system can take back.
pub(super) struct ProcessMemory {
    statm: File,
}

impl ProcessMemory {
    /// # Errors
    ///
    /// Where the system does not tell, as Linux does.
    pub(super) fn open() -> io::Result<Self> {
        let statm = File::open("/proc/self/statm")?;
        Ok(ProcessMemory { statm })
    }

    /// Bytes. Costs a few microseconds, however much there is.
    pub(super) fn read(&self) -> io::Result<u64> {
        let mut text = [0; 128];
        let len = self.statm.read_at(&mut text, 0)?;
        let pages = text.get(..len).and_then(anonymous_pages);
        let pages = pages.ok_or(io::ErrorKind::InvalidData)?;
        Ok(pages.saturating_mul(page_size() as u64))
    }
}

/// The fields are the pages of the whole address space, those in RAM, those of them that belong to files, and more.
fn anonymous_pages(statm: &[u8]) -> Option<u64> {
    let mut fields = str::from_utf8(statm).ok()?.split_ascii_whitespace().skip(1);
    let resident: u64 = fields.next()?.parse().ok()?;
    let shared: u64 = fields.next()?.parse().ok()?;
    Some(resident.saturating_sub(shared))
}

/// Bytes that a program without privileges can still write to the file system of `directory`.
pub(super) fn free_space(directory: &Path) -> io::Result<u64> {
    let is = statvfs(directory)?;
    Ok(is.f_bavail.saturating_mul(is.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_files_do_not_count() {
        assert_eq!(anonymous_pages(b"5000 1200 200 50 0 900 0\n"), Some(1000));
        assert_eq!(anonymous_pages(b"5000 1200"), None);
        assert_eq!(anonymous_pages(b""), None);
    }

    #[test]
    fn memory_that_is_written_is_seen() {
        let memory = ProcessMemory::open().unwrap();
        let before = memory.read().unwrap();
        let block = vec![1_u8; 64 << 20];
        let after = memory.read().unwrap();
        assert!(after >= before + (48 << 20), "{before} {after} {}", block.len());
    }

    #[test]
    fn a_disk_has_some_space() {
        assert!(free_space(Path::new("/")).unwrap() > 0);
        assert!(free_space(Path::new("/not/there")).is_err());
    }
}
