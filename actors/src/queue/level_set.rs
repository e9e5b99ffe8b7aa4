//! A set of levels. Pure.

use std::iter;

/// Some of the levels from 0 to 255: a bit for each.
#[derive(Debug, Default)]
pub(super) struct LevelSet([u64; 4]);

impl LevelSet {
    #[inline]
    pub(super) fn insert(&mut self, level: u8) {
        if let Some(word) = self.0.get_mut(usize::from(level / 64)) {
            *word |= 1 << (level % 64);
        }
    }

    #[inline]
    pub(super) fn remove(&mut self, level: u8) {
        if let Some(word) = self.0.get_mut(usize::from(level / 64)) {
            *word &= !(1 << (level % 64));
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// All of them. The first costs the same however many there are.
    #[inline]
    pub(super) fn highest_first(&self) -> impl Iterator<Item = u8> {
        let bases = [192, 128, 64, 0];
        bases
            .into_iter()
            .zip(self.0.iter().rev())
            .flat_map(|(base, &word)| {
                let mut left = word;
                iter::from_fn(move || {
                    let bit = left.checked_ilog2()?;
                    left ^= 1 << bit;
                    Some(base + bit as u8)
                })
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_come_from_the_highest_down() {
        let mut set = LevelSet::default();
        for level in [0, 3, 255, 63, 64, 191, 3, 128] {
            set.insert(level);
        }
        set.remove(191);
        set.remove(7);
        let levels: Vec<u8> = set.highest_first().collect();
        assert_eq!(levels, [255, 128, 64, 63, 3, 0]);
        assert_eq!(set.len(), 6);
    }
}
