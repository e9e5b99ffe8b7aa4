//! The first bytes of a segment; see `docs/storage.md`. Pure.

use super::fields::Fields;

/// The version of the format that is written.
pub const VERSION: u16 = 3;
/// The oldest version of the format that is read.
const OLDEST: u16 = 1;
/// Bytes of a segment before its first record.
pub const SEGMENT_HEADER: usize = 32;
/// The first bytes of every segment.
const MAGIC: [u8; 8] = *b"LEVERETJ";

/// What the header of a segment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The version of the format it is written in.
    pub version: u16,
    /// Counts the segments of a journal.
    pub number: u32,
    /// Random; part of every check of the segment.
    pub salt: u64,
}

/// Why a segment can't be read at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It ends within its header.
    #[error("the file ends within its header")]
    Short,
    /// Its header is damaged, or it is something else.
    #[error("the header is damaged")]
    Header,
    /// A later version of Leveret wrote it.
    #[error("the format version {0} is not known")]
    Version(u16),
}

impl SegmentHeader {
    /// The header as it is written.
    pub fn encode(self) -> [u8; SEGMENT_HEADER] {
        let mut bytes = Vec::with_capacity(SEGMENT_HEADER);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.version.to_le_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.salt.to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        let mut header = [0; SEGMENT_HEADER];
        header.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        header
    }

    /// Reads the header at the start of a segment.
    pub fn decode(segment: &[u8]) -> Result<Self, Unreadable> {
        let mut fields = Fields(segment.get(..SEGMENT_HEADER).ok_or(Unreadable::Short)?);
        let checked = fields.0.get(..24).ok_or(Unreadable::Short)?;
        let (Some(magic), Some(version), Some(_), Some(number), Some(salt), Some(check)) = (
            fields.take(8),
            fields.u16(),
            fields.u16(),
            fields.u32(),
            fields.u64(),
            fields.u32(),
        ) else {
            return Err(Unreadable::Short);
        };
        if magic != MAGIC || crc32fast::hash(checked) != check {
            return Err(Unreadable::Header);
        }
        if !(OLDEST..=VERSION).contains(&version) {
            return Err(Unreadable::Version(version));
        }
        Ok(SegmentHeader {
            version,
            number,
            salt,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_header_reads_back_or_says_what_is_wrong() {
        let header = SegmentHeader {
            version: VERSION,
            number: 7,
            salt: 0x1234_5678_9abc_def0,
        };
        let bytes = header.encode();
        assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
        assert_eq!(SegmentHeader::decode(&bytes[..31]), Err(Unreadable::Short));
        let mut damaged = bytes;
        damaged[20] ^= 1;
        assert_eq!(SegmentHeader::decode(&damaged), Err(Unreadable::Header));
        let of_version = |version| SegmentHeader { version, ..header };
        for (version, is_read) in [(0, false), (1, true), (2, true), (3, true), (4, false)] {
            let other = of_version(version);
            let expected = if is_read {
                Ok(other)
            } else {
                Err(Unreadable::Version(version))
            };
            assert_eq!(SegmentHeader::decode(&other.encode()), expected);
        }
    }
}
