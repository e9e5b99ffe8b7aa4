//! A map that is cheap to clone and cheap to change after it was cloned.
//!
//! Most maps of a routing table hold one or two entries, so they begin as a short list. A map that
//! grows becomes a trie whose unchanged parts are shared between clones.

use std::{borrow::Borrow, hash::Hash};

/// The longest list kept; cloning one copies at most this many entries.
const FEW: usize = 8;

#[derive(Clone)]
pub(super) enum SharedMap<K, V> {
    Few(Vec<(K, V)>),
    Many(imbl::HashMap<K, V>),
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl<K: Clone + Eq + Hash, V: Clone> SharedMap<K, V> {
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Few(list) => list.is_empty(),
            Self::Many(map) => map.is_empty(),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Few(list) => list.len(),
            Self::Many(map) => map.len(),
        }
    }

    pub(super) fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        match self {
            Self::Few(list) => list.iter().find(|(k, _)| k.borrow() == key).map(|(_, v)| v),
            Self::Many(map) => map.get(key),
        }
    }

    pub(super) fn get_mut<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        match self {
            Self::Few(list) => list
                .iter_mut()
                .find(|(k, _)| (*k).borrow() == key)
                .map(|(_, v)| v),
            Self::Many(map) => map.get_mut(key),
        }
    }

    /// The value of `key`, put there if it is missing.
    #[expect(clippy::indexing_slicing, reason = "the index was found or pushed")]
    pub(super) fn get_or_insert_with(&mut self, key: K, value: impl FnOnce() -> V) -> &mut V {
        self.widen_unless_held(&key);
        match self {
            Self::Few(list) => {
                let at = list.iter().position(|(k, _)| *k == key).unwrap_or_else(|| {
                    if list.is_empty() {
                        list.reserve_exact(1);
                    }
                    list.push((key, value()));
                    list.len() - 1
                });
                &mut list[at].1
            }
            Self::Many(map) => map.entry(key).or_insert_with(value),
        }
    }

    pub(super) fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        match self {
            Self::Few(list) => {
                let at = list.iter().position(|(k, _)| k.borrow() == key)?;
                Some(list.remove(at).1)
            }
            Self::Many(map) => {
                let removed = map.remove(key);
                if map.is_empty() {
                    *self = Self::default();
                }
                removed
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let (list, map) = match self {
            Self::Few(list) => (list.as_slice(), None),
            Self::Many(map) => ([].as_slice(), Some(map)),
        };
        list.iter()
            .map(|(k, v)| (k, v))
            .chain(map.into_iter().flat_map(|map| map.iter()))
    }

    /// Turns a full list into a trie when `key` would be one entry too many.
    fn widen_unless_held(&mut self, key: &K) {
        if let Self::Few(list) = self
            && list.len() >= FEW
            && list.iter().all(|(k, _)| k != key)
        {
            *self = Self::Many(std::mem::take(list).into_iter().collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squares(upto: u32) -> SharedMap<u32, u32> {
        let mut map = SharedMap::default();
        for n in 0..upto {
            map.get_or_insert_with(n, || n * n);
        }
        map
    }

    #[test]
    fn entries_are_found_before_and_after_the_list_became_a_trie() {
        for upto in [1, 8, 9, 500] {
            let map = squares(upto);
            assert_eq!(map.len(), upto as usize);
            assert!((0..upto).all(|n| map.get(&n) == Some(&(n * n))));
            assert_eq!(map.get(&upto), None);
            assert_eq!(map.iter().count(), upto as usize);
        }
    }

    #[test]
    fn a_held_key_keeps_its_value() {
        let mut map = squares(8);
        assert_eq!(*map.get_or_insert_with(3, || 0), 9);
        assert!(matches!(map, SharedMap::Few(_)));
    }

    #[test]
    fn a_clone_does_not_see_later_changes() {
        for upto in [3, 100] {
            let mut map = squares(upto);
            let before = map.clone();
            map.remove(&1);
            *map.get_or_insert_with(2, || 0) = 7;
            assert_eq!(before.get(&1), Some(&1));
            assert_eq!(before.get(&2), Some(&4));
        }
    }

    #[test]
    fn an_emptied_trie_becomes_a_list_again() {
        let mut map = squares(20);
        for n in 0..20 {
            assert_eq!(map.remove(&n), Some(n * n));
        }
        assert!(map.is_empty());
        assert!(matches!(map, SharedMap::Few(_)));
        assert_eq!(map.remove(&1), None);
    }
}
