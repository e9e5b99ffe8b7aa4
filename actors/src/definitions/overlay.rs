//! A file to look at as if it could be written: what is written stays in memory, the file as it is.
//!
//! A database that was not closed is repaired when it is opened. Here that happens beside the file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

/// Bytes that are kept together.
const BLOCK: u64 = 4096;

/// A file, and what was written over it.
#[derive(Debug)]
pub(super) struct Overlay {
    file: File,
    over: Mutex<Over>,
}

#[derive(Debug)]
struct Over {
    len: u64,
    /// Bytes of the file that count; what is beyond was cut off.
    of_file: u64,
    /// Whole blocks, by their number.
    blocks: BTreeMap<u64, Vec<u8>>,
}

impl Overlay {
    /// The file at `path`, which must exist.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        let over = Mutex::new(Over {
            len,
            of_file: len,
            blocks: BTreeMap::new(),
        });
        Ok(Overlay { file, over })
    }

    fn over(&self) -> MutexGuard<'_, Over> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block as it is now.
    fn block(&self, over: &Over, number: u64) -> io::Result<Vec<u8>> {
        if let Some(block) = over.blocks.get(&number) {
            return Ok(block.clone());
        }
        let mut block = vec![0; BLOCK as usize];
        let there = over.of_file.saturating_sub(number * BLOCK).min(BLOCK);
        if let Some(part) = block.get_mut(..there as usize) {
            self.file.read_exact_at(part, number * BLOCK)?;
        }
        Ok(block)
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.over().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let over = self.over();
        if offset.saturating_add(out.len() as u64) > over.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (number, from, part) in parts(offset, out) {
            let block = self.block(&over, number)?;
            part.iter_mut()
                .zip(block.iter().skip(from))
                .for_each(|(to, from)| *to = *from);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut over = self.over();
        over.len = len;
        over.of_file = over.of_file.min(len);
        let last = len / BLOCK;
        over.blocks.retain(|number, _| *number <= last);
        if let Some(block) = over.blocks.get_mut(&last) {
            block
                .iter_mut()
                .skip((len % BLOCK) as usize)
                .for_each(|byte| *byte = 0);
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut over = self.over();
        over.len = over.len.max(offset.saturating_add(data.len() as u64));
        let mut data = data.to_vec();
        for (number, from, part) in parts(offset, &mut data) {
            let mut block = self.block(&over, number)?;
            block
                .iter_mut()
                .skip(from)
                .zip(part.iter())
                .for_each(|(to, from)| *to = *from);
            over.blocks.insert(number, block);
        }
        Ok(())
    }
}

/// Cuts bytes at the ends of blocks: each with its block's number and its place in it.
fn parts(offset: u64, bytes: &mut [u8]) -> impl Iterator<Item = (u64, usize, &mut [u8])> {
    let mut at = offset;
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let from = at % BLOCK;
        let taken = rest.len().min((BLOCK - from) as usize);
        let (part, left) = std::mem::take(&mut rest).split_at_mut_checked(taken)?;
        rest = left;
        let number = at / BLOCK;
        at += taken as u64;
        (taken > 0).then_some((number, from as usize, part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_the_file_stays_as_it_was() {
        let place = tempfile::NamedTempFile::new().unwrap();
        let before: Vec<u8> = (0..10_000_u32).map(|byte| byte as u8).collect();
        std::fs::write(place.path(), &before).unwrap();
        let overlay = Overlay::open(place.path()).unwrap();
        let read = |at: u64, len: usize| {
            let mut out = vec![9; len];
            overlay.read(at, &mut out).map(|()| out)
        };
        assert_eq!(read(4000, 5000).unwrap(), before[4000..9000]);
        overlay.write(4090, &[7; 5000]).unwrap();
        assert_eq!(
            read(4089, 5002).unwrap(),
            [&before[4089..4090], &[7; 5000], &before[9090..9091]].concat()
        );
        assert!(read(9_990, 11).is_err());
        overlay.set_len(20_000).unwrap();
        assert_eq!(read(9_999, 10_001).unwrap()[1..], [0; 10_000]);
        overlay.set_len(5000).unwrap();
        overlay.set_len(6000).unwrap();
        assert_eq!(read(4999, 1001).unwrap(), [&[7; 1][..], &[0; 1000]].concat());
        assert_eq!(std::fs::read(place.path()).unwrap(), before);
    }
}
