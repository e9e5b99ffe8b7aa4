//! Who lives on this thread, for those of the thread that know a number of them, and an address for others to use.

use std::cell::RefCell;
use std::hash::Hash;
use std::thread::LocalKey;

use rustc_hash::FxHashMap;

/// Those of one kind, by their numbers: a thread-local.
pub(crate) struct Here<I: 'static, N: 'static>(RefCell<FxHashMap<I, N>>);

impl<I, N> Default for Here<I, N> {
    fn default() -> Self {
        Here(RefCell::default())
    }
}

impl<I: Copy + Eq + Hash, N: Clone> Here<I, N> {
    /// Whoever has this number, if they live here.
    pub(crate) fn find(here: &'static LocalKey<Self>, id: I) -> Option<N> {
        here.with(|here| here.0.borrow().get(&id).cloned())
    }

    /// Enters one that is to be found until what this returns is dropped, on the same thread.
    pub(crate) fn enter(here: &'static LocalKey<Self>, id: I, near: N) -> Entered<I, N> {
        here.with(|here| here.0.borrow_mut().insert(id, near));
        Entered { here, id }
    }
}

/// One that is to be found.
pub(crate) struct Entered<I: Copy + Eq + Hash + 'static, N: 'static> {
    here: &'static LocalKey<Here<I, N>>,
    id: I,
}

impl<I: Copy + Eq + Hash, N> Drop for Entered<I, N> {
    fn drop(&mut self) {
        // When the thread ends, so may the register have.
        let left = self.here.try_with(|here| here.0.borrow_mut().remove(&self.id));
        drop(left);
    }
}
