//! How long a channel works before others get their turn. Pure.
//!
//! A remembered route costs next to nothing. One that must be found can cost milliseconds, if somebody bound many keys
//! for that purpose, and a read can bring thousands of them. The other actors of the thread are not to wait for all.

use std::time::{Duration, Instant};

/// The time after which a channel rests.
const MOST: Duration = Duration::from_millis(2);

/// Time spent on finding routes since the channel last rested.
#[derive(Debug, Default)]
pub(super) struct Labour {
    spent: Duration,
}

impl Labour {
    /// Adds the time since `begun`.
    pub(super) fn add(&mut self, begun: Instant) {
        self.spent += begun.elapsed();
    }

    /// Whether it is time to rest; asked once, since that is when the time begins anew.
    pub(super) fn is_over(&mut self) -> bool {
        let over = self.spent >= MOST;
        if over {
            self.spent = Duration::ZERO;
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rest_is_due_after_some_milliseconds_of_work_and_not_again() {
        let mut labour = Labour::default();
        assert!(!labour.is_over());
        let begun = Instant::now().checked_sub(MOST / 2).unwrap();
        labour.add(begun);
        assert!(!labour.is_over());
        labour.add(begun);
        assert!(labour.is_over());
        assert!(!labour.is_over());
    }
}
