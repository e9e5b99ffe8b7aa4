//! The windows of all consumers of a connection together.
//!
//! They write to the same socket: a client that does not read stalls them all, and what all of their windows may
//! hold then waits in memory. A consumer's window is therefore no wider than its share at its start.

use std::sync::Arc;

use super::credit::WIDEST_WINDOW;

/// Bytes that are shared out, in decreasing shares: about three times as much for a thousand consumers.
const SHARED: usize = 4 * WIDEST_WINDOW as usize;
/// Bytes that a consumer gets however many there are.
const LEAST: usize = 4 * 1024;

/// Counts the consumers of one connection; each holds a clone.
#[derive(Debug, Clone, Default)]
pub struct Windows(Arc<()>);

impl Windows {
    /// How many consumers there are.
    pub fn consumers(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }

    /// How wide, in bytes, the window of one more consumer may become.
    pub fn widest(&self) -> u32 {
        let consumers = Arc::strong_count(&self.0);
        (SHARED / consumers).clamp(LEAST, WIDEST_WINDOW as usize) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_consumers_may_have_the_widest_window_each() {
        let windows = Windows::default();
        let _others = vec![windows.clone(); 3];
        assert_eq!(windows.widest(), WIDEST_WINDOW);
    }

    #[test]
    fn the_windows_of_many_are_bounded_together() {
        let windows = Windows::default();
        let mut consumers = Vec::new();
        let mut bytes = 0;
        for _ in 0..1000 {
            bytes += windows.widest() as usize;
            consumers.push(windows.clone());
        }
        assert!(bytes < 8 * SHARED, "{bytes}");
        consumers.clear();
        assert_eq!(windows.widest(), WIDEST_WINDOW);
    }
}
