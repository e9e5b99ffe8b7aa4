//! A journal that keeps nothing: messages live and end with the process.

use super::{Batch, Journal, Safety};

/// Says that everything is safe at once, because memory is all there is.
#[derive(Debug, Default)]
pub struct Volatile;

impl Journal for Volatile {
    fn keeps(&self) -> bool {
        false
    }

    fn append(&mut self, _batch: Batch<'_>) -> Safety {
        Safety::Now
    }
}
