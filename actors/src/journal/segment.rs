//! Segments: how their files are called, and the walk through one from its first record to its end. Pure.

use std::ops::Range;

use super::header::{SEGMENT_HEADER, SegmentHeader, Unreadable};
use super::record::Record;

const SUFFIX: &str = ".journal";

/// The name of a segment's file.
pub fn file_name(number: u32) -> String {
    format!("{number:010}{SUFFIX}")
}

/// The number of the segment a file of this name holds, if it holds one.
pub fn file_number(name: &str) -> Option<u32> {
    let number = name.strip_suffix(SUFFIX)?.parse().ok()?;
    (file_name(number) == name).then_some(number)
}

/// What a walk meets next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A good record, and where it begins.
    Record(u32, Record<'a>),
    /// No good record begins in these bytes, but one does after them.
    Damaged(Range<usize>),
    /// No good record begins in the rest of the segment.
    Torn(Range<usize>),
    /// The rest of the segment is zeros: nothing was written there, if it is the last one.
    Unused(Range<usize>),
}

/// Walks through the records of a segment.
pub struct Walk<'a> {
    segment: &'a [u8],
    salt: u64,
    at: usize,
}

impl<'a> Walk<'a> {
    /// A walk from the first record.
    pub fn new(segment: &'a [u8]) -> Result<Self, Unreadable> {
        let salt = SegmentHeader::decode(segment)?.salt;
        let at = SEGMENT_HEADER;
        Ok(Walk { segment, salt, at })
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Step<'a>;

    fn next(&mut self) -> Option<Step<'a>> {
        let (from, end) = (self.at, self.segment.len());
        if from >= end {
            return None;
        }
        if let Some((record, next)) = Record::read(self.segment, self.salt, from) {
            self.at = next;
            return Some(Step::Record(from as u32, record));
        }
        if segment_is_zero(self.segment, from) {
            self.at = end;
            return Some(Step::Unused(from..end));
        }
        let good = |&at: &usize| Record::read(self.segment, self.salt, at).is_some();
        let resumed = (from + 1..end).find(good);
        self.at = resumed.unwrap_or(end);
        Some(match resumed {
            Some(at) => Step::Damaged(from..at),
            None => Step::Torn(from..end),
        })
    }
}

fn segment_is_zero(segment: &[u8], from: usize) -> bool {
    let rest = segment.get(from..).unwrap_or_default();
    rest.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::StoreId;
    use crate::journal::gather::Gather;

    #[test]
    fn names_sort_as_their_numbers_do() {
        assert_eq!(file_name(42), "0000000042.journal");
        assert_eq!(file_number("0000000042.journal"), Some(42));
        assert_eq!(file_number("42.journal"), None);
        assert_eq!(file_number("lock"), None);
        assert_eq!(file_number(&file_name(u32::MAX)), Some(u32::MAX));
    }

    /// Three records, and where they begin.
    fn segment() -> (Vec<u8>, [usize; 3]) {
        let header = SegmentHeader {
            version: 2,
            number: 1,
            salt: 99,
        };
        let mut bytes = header.encode().to_vec();
        let mut gather = Gather::default();
        gather.begin(99, bytes.len() as u64);
        gather.handed_out(StoreId(1), 1);
        gather.handed_out(StoreId(1), 2);
        gather.handed_out(StoreId(1), 3);
        bytes.extend(gather.slices().concat());
        (bytes, [32, 64, 96])
    }

    fn record(at: u32, upto: u64) -> Step<'static> {
        let store = StoreId(1);
        Step::Record(at, Record::HandedOut { store, upto })
    }

    #[test]
    fn a_torn_tail_is_told_at_every_byte() {
        let (bytes, starts) = segment();
        for cut in starts[2] + 1..bytes.len() {
            let steps: Vec<_> = Walk::new(&bytes[..cut]).unwrap().collect();
            let torn = Step::Torn(starts[2]..cut);
            assert_eq!(steps, [record(32, 1), record(64, 2), torn]);
        }
        assert_eq!(Walk::new(&bytes[..96]).unwrap().count(), 2);
    }

    #[test]
    fn a_walk_goes_on_after_damage() {
        let (bytes, starts) = segment();
        for bit in starts[1] * 8..starts[2] * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let steps: Vec<_> = Walk::new(&bad).unwrap().collect();
            let damaged = Step::Damaged(starts[1]..starts[2]);
            assert_eq!(steps, [record(32, 1), damaged, record(96, 3)]);
        }
    }
}
