//! Copies that are about to be sent, until their page is finished. Pure.

use std::mem;
use std::ops::RangeInclusive;

use rustc_hash::FxHashMap;

use super::course::Target;

/// Copies by their targets.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    bundles: Vec<Bundle>,
    /// Their places, by the keys of their targets.
    places: FxHashMap<u32, usize>,
}

/// Copies for one target.
#[derive(Debug)]
pub(super) struct Bundle {
    pub(super) target: Target,
    /// Where they are in the page.
    pub(super) offsets: Vec<u32>,
    /// The numbers of their messages, in the same order.
    pub(super) numbers: Vec<RangeInclusive<u64>>,
}

impl Gathered {
    /// Copies of messages go to a target. The messages have numbers from `first` on.
    pub(super) fn add(&mut self, target: &Target, first: u64, offsets: &[u32]) {
        let Some(bundle) = self.bundle(target) else { return };
        bundle.offsets.extend_from_slice(offsets);
        let last = first + offsets.len() as u64 - 1;
        match bundle.numbers.last_mut() {
            Some(before) if before.end() + 1 == first => *before = *before.start()..=last,
            _ => bundle.numbers.push(first..=last),
        }
    }

    /// All that was gathered.
    pub(super) fn take(&mut self) -> Vec<Bundle> {
        self.places.clear();
        mem::take(&mut self.bundles)
    }

    fn bundle(&mut self, target: &Target) -> Option<&mut Bundle> {
        let bundles = &mut self.bundles;
        let place = match bundles.as_slice() {
            [only] if only.target.key == target.key => 0,
            _ => *self.places.entry(target.key).or_insert_with(|| {
                bundles.push(Bundle {
                    target: target.clone(),
                    offsets: Vec::new(),
                    numbers: Vec::new(),
                });
                bundles.len() - 1
            }),
        };
        bundles.get_mut(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_gathered_by_target_and_neighbours_in_one_range() {
        let target = |key, name: &str| Target {
            key,
            name: name.into(),
        };
        let (a, b) = (target(3, "a"), target(7, "b"));
        let mut gathered = Gathered::default();
        gathered.add(&a, 0, &[10, 20]);
        gathered.add(&b, 0, &[10, 20]);
        gathered.add(&a, 2, &[30]);
        gathered.add(&b, 5, &[60]);
        let bundles = gathered.take();
        let bundles: Vec<_> = bundles
            .iter()
            .map(|bundle| (&*bundle.target.name, &*bundle.offsets, &*bundle.numbers))
            .collect();
        let a = ("a", &[10, 20, 30][..], &[0..=2][..]);
        let b = ("b", &[10, 20, 60][..], &[0..=1, 5..=5][..]);
        assert_eq!(bundles, [a, b]);
        assert!(gathered.take().is_empty() && gathered.places.is_empty());
    }
}
