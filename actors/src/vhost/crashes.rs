//! When a queue that crashes again and again is left down.
//!
//! What made it crash is likely to be what it begins with: a message or a state that it meets again as soon as it is
//! there. Started anew each time, it would do nothing but crash.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::name::Name;

/// The crash with which a queue is left down.
pub(super) const MOST: usize = 5;

/// The time in which so many crashes are too many.
pub(super) const WITHIN: Duration = Duration::from_secs(60);

/// When queues have crashed lately.
#[derive(Debug, Default)]
pub(super) struct Crashes(FxHashMap<Name, VecDeque<Instant>>);

impl Crashes {
    /// A queue has crashed. True when it is to be left down; its crashes so far are forgotten then.
    pub(super) fn too_many(&mut self, queue: &Name, now: Instant) -> bool {
        self.forget_old(now);
        let times = self.0.entry(queue.clone()).or_default();
        times.push_back(now);
        let too_many = times.len() >= MOST;
        if too_many {
            self.0.remove(queue);
        }
        too_many
    }

    /// The queue is deleted: another one of that name begins anew.
    pub(super) fn forget(&mut self, queue: &Name) {
        self.0.remove(queue);
    }

    fn forget_old(&mut self, now: Instant) {
        self.0.retain(|_, times| {
            times.retain(|time| now.saturating_duration_since(*time) < WITHIN);
            !times.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fifth_crash_within_a_minute_is_too_much() {
        let (mut crashes, queue, start) = (Crashes::default(), Name::from("q"), Instant::now());
        for second in 0..4 {
            assert!(!crashes.too_many(&queue, start + Duration::from_secs(second)));
        }
        assert!(!crashes.too_many(&Name::from("another"), start));
        assert!(crashes.too_many(&queue, start + Duration::from_secs(59)));
        assert!(
            !crashes.too_many(&queue, start + Duration::from_secs(59)),
            "it may try again"
        );
    }

    #[test]
    fn a_crash_now_and_then_is_forgotten() {
        let (mut crashes, queue, start) = (Crashes::default(), Name::from("q"), Instant::now());
        for quarter in 0..100 {
            assert!(!crashes.too_many(&queue, start + quarter * WITHIN / 4));
        }
        crashes.forget(&queue);
        assert!(!crashes.too_many(&Name::from("another"), start + 50 * WITHIN));
        assert_eq!(crashes.0.len(), 1);
    }
}
