//! What is being recorded and does not hold yet, and who waits for that.

use std::hash::Hash;

use rustc_hash::FxHashMap;
use tokio::sync::oneshot;

/// What is being recorded, and who wants to change the same.
#[derive(Debug)]
pub(super) struct UnderWay<K>(FxHashMap<K, Vec<oneshot::Sender<()>>>);

impl<K> Default for UnderWay<K> {
    fn default() -> Self {
        UnderWay(FxHashMap::default())
    }
}

impl<K: Eq + Hash> UnderWay<K> {
    pub(super) fn begin(&mut self, what: K) {
        self.0.insert(what, Vec::new());
    }

    /// All that is being recorded.
    pub(super) fn iter(&self) -> impl Iterator<Item = &K> {
        self.0.keys()
    }

    /// Those who wait are told by the drop of what they wait for.
    pub(super) fn end(&mut self, what: &K) {
        self.0.remove(what);
    }

    pub(super) fn wait(&mut self, what: &K) -> Option<oneshot::Receiver<()>> {
        let waiting = self.0.get_mut(what)?;
        let (over, wait) = oneshot::channel();
        waiting.push(over);
        Some(wait)
    }
}
