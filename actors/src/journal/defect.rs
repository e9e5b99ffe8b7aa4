//! What of a journal can't be read.

use std::fmt;
use std::ops::Range;

use super::header::Unreadable;

/// Something that can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    /// The file.
    pub file: String,
    /// The bytes of it.
    pub bytes: Range<usize>,
    /// What is wrong with them.
    pub kind: DefectKind,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefectKind {
    /// The end of a segment was never completed, as a crash leaves it.
    Torn,
    /// Records before good ones are damaged.
    Damaged,
    /// The publication a record refers to is not there.
    Dangling,
    /// The whole segment is unreadable.
    Unreadable(Unreadable),
}

impl Defect {
    /// Whether [`repair`] leaves it as it is.
    pub(super) fn lasts(&self) -> bool {
        !matches!(
            self.kind,
            DefectKind::Torn | DefectKind::Unreadable(Unreadable::Short)
        )
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { start, end } = self.bytes;
        write!(f, "{}, bytes {start} to {end}: ", self.file)?;
        match self.kind {
            DefectKind::Torn => write!(f, "the tail was never completed"),
            DefectKind::Damaged => write!(f, "damaged records"),
            DefectKind::Dangling => write!(f, "a reference to a publication that is not there"),
            DefectKind::Unreadable(why) => write!(f, "unreadable: {why}"),
        }
    }
}
