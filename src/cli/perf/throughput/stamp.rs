//! What a message of the load carries in the first bytes of its body.
//!
//! From 8 bytes on a body begins with the time it was sent at; from 16 bytes on it also tells who sent
//! it, in which run, and as which of its messages, so that losses and repetitions are seen.

/// The length of a complete stamp, in bytes.
pub(crate) const STAMP_LEN: usize = 16;
/// The length of the time alone, in bytes.
pub(crate) const TIME_LEN: usize = 8;

/// The most publishers of one run.
pub(crate) const MOST_PUBLISHERS: usize = 1 << PUBLISHER_BITS;

const PUBLISHER_BITS: u32 = 14;
const SEQUENCE_BITS: u32 = 40;

/// Which message of which publisher of which run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin(u64);

impl Origin {
    /// The first message of a publisher; of `run` only the lowest ten bits are kept.
    pub(crate) fn first(run: u64, publisher: usize) -> Self {
        let sender = (run << PUBLISHER_BITS) | (publisher as u64 & (MOST_PUBLISHERS as u64 - 1));
        Self(sender << SEQUENCE_BITS)
    }

    /// The message `count` after this one.
    pub(crate) fn after(self, count: u64) -> Self {
        Self(self.0 + count)
    }

    /// Whether the message belongs to this run.
    pub(crate) fn is_of_run(self, run: u64) -> bool {
        let Self(first) = Self::first(run, 0);
        (self.0 ^ first) >> (PUBLISHER_BITS + SEQUENCE_BITS) == 0
    }

    pub(crate) fn publisher(self) -> usize {
        (self.0 >> SEQUENCE_BITS) as usize & (MOST_PUBLISHERS - 1)
    }

    /// The publisher's messages counted from 0.
    pub(crate) fn sequence(self) -> u64 {
        self.0 & ((1 << SEQUENCE_BITS) - 1)
    }
}

/// Writes as much of the stamp as the body has room for.
pub(crate) fn write(body: &mut [u8], sent_at: u64, origin: Origin) {
    if let Some((time, rest)) = body.split_first_chunk_mut::<TIME_LEN>() {
        *time = sent_at.to_be_bytes();
        if let Some((number, _)) = rest.split_first_chunk_mut::<8>() {
            *number = origin.0.to_be_bytes();
        }
    }
}

/// Reads the time a message was sent at, and its origin, if the body is long enough for them.
pub(crate) fn read(body: &[u8]) -> (Option<u64>, Option<Origin>) {
    let Some((time, rest)) = body.split_first_chunk::<TIME_LEN>() else {
        return (None, None);
    };
    let origin = rest
        .first_chunk::<8>()
        .map(|number| Origin(u64::from_be_bytes(*number)));
    (Some(u64::from_be_bytes(*time)), origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_as_it_was_written() {
        let mut body = [0; STAMP_LEN + 3];
        write(&mut body, 77, Origin::first(1023, 5).after(9));
        let (time, origin) = read(&body);
        assert_eq!(time, Some(77));
        let origin = origin.unwrap();
        assert_eq!((origin.publisher(), origin.sequence()), (5, 9));
        assert!(origin.is_of_run(1023) && !origin.is_of_run(1022));
    }

    #[test]
    fn a_short_body_carries_what_fits() {
        let mut body = [0; TIME_LEN];
        write(&mut body, 77, Origin::first(1, 1));
        assert_eq!(read(&body), (Some(77), None));
        let mut body = [3; TIME_LEN - 1];
        write(&mut body, 77, Origin::first(1, 1));
        assert_eq!(body, [3; TIME_LEN - 1]);
        assert_eq!(read(&body), (None, None));
    }

    #[test]
    fn runs_are_told_apart_by_their_lowest_bits() {
        assert_eq!(Origin::first(1 << 10, 0), Origin::first(0, 0));
    }
}
