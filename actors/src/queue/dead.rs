//! Messages that are dead, one or some. Pure.

use super::fifo::Entry;
use super::reason::Reason;
use crate::journal::{Keeper, Positions};

/// One that is dead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dead {
    pub(super) position: u64,
    pub(super) entry: Entry,
    pub(super) reason: Reason,
}

/// Neighbours that died together and are not in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Buried {
    pub(super) keeper: Keeper,
    pub(super) positions: Positions,
    pub(super) reason: Reason,
    /// The bytes of their bodies count as waiting until they are read.
    pub(super) counted: bool,
}

/// One that waits for the forwarder, or some.
#[derive(Debug)]
pub(super) enum Waiting {
    One(Dead),
    Absent(Buried),
}

impl Dead {
    /// As one that waits, in memory or not.
    pub(super) fn waiting(self) -> Waiting {
        if !self.entry.is_absent() {
            return Waiting::One(self);
        }
        Waiting::Absent(Buried {
            keeper: self.entry.keeper(),
            positions: Positions::one(self.position),
            reason: self.reason,
            counted: false,
        })
    }
}
