//! A set that counts how often each member was added.

use std::hash::Hash;

use crate::exchange::shared_map::SharedMap;

/// Bindings that differ only in their arguments lead to one member, held until the last is gone.
#[derive(Clone)]
pub(super) struct Counted<T>(SharedMap<T, u32>);

impl<T> Default for Counted<T> {
    fn default() -> Self {
        Self(SharedMap::default())
    }
}

impl<T: Clone + Eq + Hash> Counted<T> {
    pub(super) fn add(&mut self, member: &T) {
        *self.0.get_or_insert_with(member.clone(), || 0) += 1;
    }

    /// Whether the member was held.
    pub(super) fn remove(&mut self, member: &T) -> bool {
        match self.0.get_mut(member) {
            None => return false,
            Some(1) => {
                self.0.remove(member);
            }
            Some(count) => *count -= 1,
        }
        true
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn each(&self, sink: &mut (impl FnMut(&T) + ?Sized)) {
        for (member, _) in self.0.iter() {
            sink(member);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_leaves_with_its_last_count() {
        let mut set = Counted::default();
        set.add(&"a");
        set.add(&"a");
        assert_eq!(set.len(), 1);
        assert!(set.remove(&"a"));
        assert!(!set.is_empty());
        assert!(set.remove(&"a"));
        assert!(set.is_empty());
        assert!(!set.remove(&"a"));
    }
}
