//! Numbers by chance, for choices that nobody has to guard against.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

thread_local! {
    static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(()));
}

/// A number like no other: evenly spread over all of `u64`.
pub fn draw() -> u64 {
    STATE.with(|state| {
        let next = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        state.set(next);
        mixed(next)
    })
}

/// Spreads a number: two that differ in one bit come out unlike each other, and no two come out the same.
#[must_use]
pub fn mixed(number: u64) -> u64 {
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_is_spread_evenly() {
        let mut drawn = [0_u32; 10];
        for _ in 0..100_000 {
            drawn[(draw() % 10) as usize] += 1;
        }
        assert!(
            drawn.iter().all(|count| (9_000..11_000).contains(count)),
            "{drawn:?}"
        );
    }
}
