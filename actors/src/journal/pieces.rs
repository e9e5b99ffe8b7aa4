//! The walk through a segment that is read piece by piece, so that little more of it is in memory than its longest record. Pure.

use super::checks::len_at;
use super::header::{SEGMENT_HEADER, SegmentHeader, Unreadable};
use super::record::{RECORD_HEADER, Record};
use super::segment::Step;

/// Zeros are passed in such steps.
const STEP: usize = 16;

/// Tells the same steps as a [`Walk`](super::segment::Walk) through the whole segment.
#[derive(Debug)]
pub(super) struct Pieces {
    header: SegmentHeader,
    /// What is here of the segment, and where in it that begins.
    bytes: Vec<u8>,
    from: usize,
    /// Where the next record begins.
    at: usize,
    /// No more pieces follow.
    is_all: bool,
    /// No good record begins from here on, as far as it was looked through.
    bad: Option<Bad>,
}

#[derive(Clone, Copy, Debug)]
struct Bad {
    from: usize,
    is_zero: bool,
}

/// What is at a place.
enum Place {
    /// A good record of so many bytes.
    Good(usize),
    Bad,
    /// What begins there is not all here.
    Cut,
}

impl Pieces {
    /// A walk through the segment whose first piece this is. It has the whole header, if the segment has.
    pub(super) fn new(first: &[u8]) -> Result<Self, Unreadable> {
        let header = SegmentHeader::decode(first)?;
        Ok(Pieces {
            header,
            bytes: first.to_vec(),
            from: 0,
            at: SEGMENT_HEADER,
            is_all: false,
            bad: None,
        })
    }

    /// What the segment's header says.
    pub(super) fn header(&self) -> SegmentHeader {
        self.header
    }

    /// The next piece, after all steps were taken that the others allow.
    pub(super) fn push(&mut self, piece: &[u8]) {
        let done = self.at.saturating_sub(self.from).min(self.bytes.len());
        self.bytes.drain(..done);
        self.from += done;
        self.bytes.extend_from_slice(piece);
    }

    /// There are no more pieces.
    pub(super) fn end(&mut self) {
        self.is_all = true;
    }

    /// The next step, if the pieces allow one.
    pub(super) fn next(&mut self) -> Option<Step<'_>> {
        let end = self.from + self.bytes.len();
        while self.at < end {
            let at = self.at;
            match self.place(at) {
                Place::Cut if !self.is_all => return None,
                Place::Good(_) if self.bad.is_some() => {
                    let bad = self.bad.take()?;
                    return Some(Step::Damaged(bad.from..at));
                }
                Place::Good(len) => {
                    self.at += len;
                    let begin = at - self.from;
                    let record = Record::decode(self.bytes.get(begin..begin + len)?)?;
                    return Some(Step::Record(at as u32, record));
                }
                Place::Bad | Place::Cut => self.pass_bad(),
            }
        }
        let bad = self.bad.take_if(|_| self.is_all)?;
        Some(match bad.is_zero {
            true => Step::Unused(bad.from..end),
            false => Step::Torn(bad.from..end),
        })
    }

    fn place(&self, at: usize) -> Place {
        let rest = self.bytes.get(at - self.from..).unwrap_or_default();
        match len_at(rest, self.header.salt, at) {
            Some(len) if len > rest.len() => Place::Cut,
            Some(len) => match Record::read_from(rest, at, self.header.salt, at) {
                Some(_) => Place::Good(len),
                None => Place::Bad,
            },
            None if rest.len() < RECORD_HEADER => Place::Cut,
            None => Place::Bad,
        }
    }

    /// Goes on to where a good record may begin: what is zero for long begins none.
    fn pass_bad(&mut self) {
        let at = self.at;
        let rest = self.bytes.get(at - self.from..).unwrap_or_default();
        let zeros = rest
            .chunks_exact(STEP)
            .take_while(|chunk| *chunk == [0; STEP])
            .count()
            * STEP;
        let is_zero = zeros > 0 || rest.first() == Some(&0);
        // A record may begin with so many zeros, and does not end within them.
        let passed = zeros.saturating_sub(RECORD_HEADER).max(1);
        let bad = self.bad.get_or_insert(Bad { from: at, is_zero });
        bad.is_zero &= is_zero;
        self.at = at + passed;
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::super::gather::Gather;
    use super::super::segment::Walk;
    use super::*;
    use crate::id::StoreId;
    use crate::journal::Positions;

    const HEADER: SegmentHeader = SegmentHeader {
        version: 2,
        number: 1,
        salt: 77,
    };

    /// Records of these lengths, roughly.
    fn segment(lengths: &[usize]) -> Vec<u8> {
        let mut bytes = HEADER.encode().to_vec();
        let mut gather = Gather::default();
        gather.begin(HEADER.salt, bytes.len() as u64);
        for &length in lengths {
            let all = vec![Positions { first: 0, last: 0 }; length / 16];
            gather.settled(StoreId(1), &all);
        }
        bytes.extend(gather.slices().concat());
        bytes
    }

    /// All steps, as text.
    fn steps(segment: &[u8], pieces: &[usize]) -> Vec<String> {
        let mut rest = segment;
        let mut next_piece = pieces.iter().cycle().map(|&len| {
            let (piece, after) = rest.split_at(len.min(rest.len()));
            rest = after;
            piece
        });
        let mut pieces = Pieces::new(next_piece.next().unwrap()).unwrap();
        let mut steps = Vec::new();
        loop {
            while let Some(step) = pieces.next() {
                steps.push(format!("{step:?}"));
            }
            if pieces.is_all {
                return steps;
            }
            match next_piece.next().unwrap() {
                [] => pieces.end(),
                piece => pieces.push(piece),
            }
        }
    }

    proptest! {
        #[test]
        fn pieces_tell_what_the_whole_does(
            lengths in vec(prop_oneof![4 => 0..100_usize, 1 => 0..3_000_usize], 0..20),
            damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            cut in prop::option::of(any::<prop::sample::Index>()),
            zeros in prop_oneof![Just(0), 0..300_usize],
            pieces in vec(32..700_usize, 1..6),
        ) {
            let mut segment = segment(&lengths);
            if let Some(cut) = cut {
                segment.truncate(SEGMENT_HEADER + cut.index(segment.len() - SEGMENT_HEADER + 1));
            }
            segment.extend(vec![0; zeros]);
            let len = segment.len() - SEGMENT_HEADER;
            for (at, with) in damage.into_iter().filter(|_| len > 0) {
                segment[SEGMENT_HEADER + at.index(len)] = with;
            }
            let whole: Vec<String> = Walk::new(&segment).unwrap().map(|step| format!("{step:?}")).collect();
            prop_assert_eq!(steps(&segment, &pieces), whole);
        }
    }

    #[test]
    fn no_more_is_in_memory_than_a_record_and_a_piece() {
        let segment = segment(&[1_000; 100]);
        let mut pieces = Pieces::new(&segment[..500]).unwrap();
        for piece in segment[500..].chunks(500) {
            while pieces.next().is_some() {}
            pieces.push(piece);
            assert!(pieces.bytes.len() < 1_600, "{}", pieces.bytes.len());
        }
    }
}
