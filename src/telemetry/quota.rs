//! How much of the log strangers may cause.
//!
//! Each refused login and each closed channel is worth a line, and a hostile client can cause thousands of them a second.
//! Beyond a quota such lines are left out, and how many they were is told with the next one.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Lines a second in the long run.
const RATE: f64 = 50.0;
/// Lines at once.
const BURST: f64 = 500.0;

/// Leaves out warnings and information beyond the quota. Errors, and what is only shown for debugging, always pass.
pub(super) struct Quota {
    left: Mutex<Left>,
}

impl Quota {
    pub(super) fn new() -> Self {
        Quota {
            left: Mutex::new(Left::full(Instant::now())),
        }
    }
}

impl<S: Subscriber> Layer<S> for Quota {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        if !matches!(*event.metadata().level(), Level::WARN | Level::INFO) {
            return true;
        }
        let passed = self
            .left
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(Instant::now());
        if let Some(omitted @ 1..) = passed {
            let _ = writeln!(io::stderr(), "{omitted} lines were left out of the log");
        }
        passed.is_some()
    }
}

/// What is left of the quota.
struct Left {
    lines: f64,
    at: Instant,
    omitted: u64,
}

impl Left {
    fn full(now: Instant) -> Self {
        Left {
            lines: BURST,
            at: now,
            omitted: 0,
        }
    }

    /// Takes a line, and gives how many were left out since the last; `None` when there is none to take.
    fn take(&mut self, now: Instant) -> Option<u64> {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.lines = (self.lines + since * RATE).min(BURST);
        self.at = now;
        if self.lines < 1.0 {
            self.omitted += 1;
            return None;
        }
        self.lines -= 1.0;
        Some(std::mem::take(&mut self.omitted))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_passes_and_a_flood_does_not() {
        let now = Instant::now();
        let mut left = Left::full(now);
        let passed = (0..10_000).filter_map(|_| left.take(now)).count();
        assert_eq!(passed, BURST as usize);
    }

    #[test]
    fn what_was_left_out_is_told_with_the_next_line() {
        let now = Instant::now();
        let mut left = Left::full(now);
        let passed = (0..BURST as usize + 7).filter_map(|_| left.take(now));
        assert_eq!(passed.count(), BURST as usize);
        assert_eq!(left.take(now), None);
        let later = now + Duration::from_secs(1);
        assert_eq!((left.take(later), left.take(later)), (Some(8), Some(0)));
    }

    #[test]
    fn a_flood_that_goes_on_is_held_to_the_rate() {
        let now = Instant::now();
        let mut left = Left::full(now);
        let passed = (0..100_000)
            .filter_map(|n| left.take(now + Duration::from_millis(n)))
            .count();
        assert!(passed < (BURST + 101.0 * RATE) as usize, "{passed} in 100 s");
    }
}
