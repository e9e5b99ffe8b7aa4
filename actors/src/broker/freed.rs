//! Freed memory that the allocator has not given back to the system.
//!
//! The system counts it as used, and so does the [watch](super::resources). Which allocator there is the program knows, and
//! so it says how to make it give back what it has.

use std::sync::OnceLock;

static GIVE_BACK: OnceLock<fn()> = OnceLock::new();

/// From now on, `give_back` is called when memory is short: it makes the allocator of this process give back what is freed.
/// It is called by a thread that has time, at most ten times a second. The first call of this function counts.
pub fn give_freed_memory_back_by(give_back: fn()) {
    let _ = GIVE_BACK.set(give_back);
}

/// Gives back what is freed, as far as the program has said how.
pub(super) fn give_back() {
    if let Some(give_back) = GIVE_BACK.get() {
        give_back();
    }
}
