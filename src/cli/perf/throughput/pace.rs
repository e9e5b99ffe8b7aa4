//! Sending at a steady rate.

use std::time::{Duration, Instant};

/// The shortest pause worth making: below it a few messages at once cost less than waking up for each.
const SHORTEST_PAUSE: Duration = Duration::from_micros(100);

/// Messages due since a beginning; what could not be sent in time stays due.
#[derive(Debug)]
pub(crate) struct Pace {
    begun: Instant,
    /// Messages a second.
    rate: f64,
}

impl Pace {
    pub(crate) fn new(rate: f64, begun: Instant) -> Self {
        Self { begun, rate }
    }

    /// How many messages are to be sent at `now`, `sent` having been sent.
    pub(crate) fn due(&self, sent: u64, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.begun).as_secs_f64();
        ((elapsed * self.rate) as u64 + 1).saturating_sub(sent)
    }

    /// How long to wait at `now` until another message is due.
    pub(crate) fn pause(&self, sent: u64, now: Instant) -> Duration {
        let elapsed = now.saturating_duration_since(self.begun).as_secs_f64();
        Duration::try_from_secs_f64(sent as f64 / self.rate - elapsed)
            .unwrap_or_default()
            .max(SHORTEST_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_message_is_due_at_once_and_the_others_in_time() {
        let begun = Instant::now();
        let pace = Pace::new(10.0, begun);
        assert_eq!(pace.due(0, begun), 1);
        assert_eq!(pace.due(1, begun), 0);
        assert_eq!(pace.due(1, begun + Duration::from_millis(101)), 1);
        assert_eq!(pace.due(1, begun + Duration::from_secs(1)), 10);
    }

    #[test]
    fn the_pause_ends_when_the_next_message_is_due() {
        let begun = Instant::now();
        let pause = Pace::new(10.0, begun).pause(1, begun + Duration::from_millis(40));
        assert!((pause.as_secs_f64() - 0.06).abs() < 1e-6, "{pause:?}");
        assert_eq!(Pace::new(1e9, begun).pause(1, begun), SHORTEST_PAUSE);
    }
}
