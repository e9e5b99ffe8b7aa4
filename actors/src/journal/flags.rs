//! The octet of flags in the record of a publication. Pure.

use crate::publication::Publication;

/// It was not published with delivery mode 2.
pub(super) const TRANSIENT: u8 = 1;
/// The deadline of its first queue's message follows what all publications have.
pub(super) const DEADLINE: u8 = 2;
/// The broker has dead-lettered it.
pub(super) const DEAD_LETTERED: u8 = 4;
/// Its headers have a `BCC` that no receiver is to see.
pub(super) const BLIND: u8 = 8;

/// The flags of a publication with a deadline, or without when that is 0.
pub(super) fn of(publication: &Publication<'_>, deadline: u64) -> u8 {
    let flag = |flag: u8, is: bool| if is { flag } else { 0 };
    flag(TRANSIENT, !publication.persistent)
        | flag(DEADLINE, deadline != 0)
        | flag(DEAD_LETTERED, publication.dead_lettered)
        | flag(BLIND, publication.blind)
}
