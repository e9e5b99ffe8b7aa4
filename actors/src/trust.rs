//! Whether it pays to look for work again before a thread sleeps, by how it went so far. Pure.

/// The score where it has always paid.
pub(crate) const BEST: u8 = 8;
/// How often a thread for which it does not pay sleeps at once before it tries again.
pub(crate) const REST: u8 = 32;

/// Whether a hope was fulfilled so far.
#[derive(Debug)]
pub(crate) struct Trust {
    /// From 0 to [`BEST`].
    pub(crate) score: u8,
    /// Times the thread slept at once since it last tried.
    pub(crate) rested: u8,
}

impl Trust {
    pub(crate) const fn new() -> Self {
        Trust {
            score: BEST,
            rested: 0,
        }
    }

    pub(crate) fn paid(&mut self) {
        self.score = BEST.min(self.score + 1);
    }

    pub(crate) fn failed(&mut self) {
        self.score = self.score.saturating_sub(1);
    }

    /// Whether to try once more; now and then though it does not pay.
    pub(crate) fn tries(&mut self) -> bool {
        let tries = self.score > 0 || self.rested >= REST;
        self.rested = if tries { 0 } else { self.rested + 1 };
        tries
    }
}
