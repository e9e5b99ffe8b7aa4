//! The allocator of the program, and how it gives freed memory back.

use tikv_jemalloc_ctl::{Access, AsName, Name};
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Gives back to the system what is freed and would be kept for some seconds, in case that it is needed again.
pub(crate) fn give_back() {
    let arenas: u32 = "arenas.narenas\0".name().read().unwrap_or_default();
    for arena in 0..arenas {
        // One that was never used has no such name.
        let _ = give_back_of(format!("arena.{arena}.dirty_decay_ms\0").name());
    }
}

/// An arena gives back at once what it may keep for no time.
fn give_back_of(decay: &Name) -> tikv_jemalloc_ctl::Result<()> {
    let usual: isize = decay.read()?;
    decay.write(0_isize)?;
    decay.write(usual)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Pages of memory in RAM.
    fn resident() -> usize {
        let statm = fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').nth(1).unwrap().parse().unwrap()
    }

    #[test]
    fn what_is_freed_goes_back_and_later_memory_is_kept_as_long_as_before() {
        let decay = || -> isize { "arena.0.dirty_decay_ms\0".name().read().unwrap() };
        let usual = decay();
        let block = || vec![1_u8; 1 << 20];
        let blocks: Vec<_> = (0..64).map(|_| block()).collect();
        let before = resident();
        drop(blocks);
        give_back();
        assert!(resident() < before - before / 2, "{} of {before}", resident());
        assert_eq!(decay(), usual);
    }
}
