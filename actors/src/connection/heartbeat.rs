//! Who is late: a pure account of heartbeats.
//!
//! It ticks twice an interval. At each tick the writer is told to send a heartbeat if it wrote nothing else, and
//! the peer is missed if nothing arrived. Any bytes count. The spec gives up on a peer after two
//! intervals without a byte; ticks at which we did not read do not count, unless that is because
//! the peer itself does not read.

use std::time::Duration;

/// Ticks without a byte after which the peer is given up: two intervals and a tick, so that a heartbeat which was
/// sent just after a tick is not held against it.
const MOST_MISSED: u32 = 5;

/// By what a peer can show that it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Bytes from it.
    Bytes,
    /// Its taking what we write: we do not read from it before.
    Reading,
    /// By nothing: we hold it back.
    Nothing,
}

/// The heartbeat account of one connection.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    interval: Duration,
    received: u64,
    sent: u64,
    missed: u32,
}

impl Heartbeat {
    /// None when the peers agreed on no heartbeats (0 seconds).
    pub(crate) fn new(seconds: u16) -> Option<Self> {
        let interval = Duration::from_secs(seconds.into());
        (seconds > 0).then_some(Heartbeat {
            interval,
            received: 0,
            sent: 0,
            missed: 0,
        })
    }

    /// How often to tick.
    pub(crate) fn tick_every(&self) -> Duration {
        self.interval / 2
    }

    /// One tick: `received` and `sent` count all bytes so far. False when the peer must be given up.
    #[must_use]
    pub(crate) fn tick(&mut self, received: u64, sent: u64, due: Due) -> bool {
        let shown = match due {
            Due::Bytes => received != self.received,
            Due::Reading => received != self.received || sent != self.sent,
            Due::Nothing => true,
        };
        (self.received, self.sent) = (received, sent);
        self.missed = if shown { 0 } else { self.missed + 1 };
        self.missed < MOST_MISSED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_interval_means_no_heartbeats() {
        assert!(Heartbeat::new(0).is_none());
    }

    #[test]
    fn a_silent_peer_is_given_up_after_two_to_three_intervals() {
        let mut heartbeat = Heartbeat::new(10).unwrap();
        let silent = (1..).find(|_| !heartbeat.tick(0, 0, Due::Bytes)).unwrap();
        let after = heartbeat.tick_every() * silent;
        assert!(
            (Duration::from_secs(20)..=Duration::from_secs(30)).contains(&after),
            "{after:?}"
        );
    }

    #[test]
    fn any_bytes_keep_a_peer_alive() {
        let mut heartbeat = Heartbeat::new(10).unwrap();
        assert!((1..100).all(|tick| heartbeat.tick(tick / 4, 0, Due::Bytes)));
    }

    #[test]
    fn a_peer_we_do_not_read_from_is_not_missed() {
        let mut heartbeat = Heartbeat::new(10).unwrap();
        assert!((1..100).all(|_| heartbeat.tick(7, 7, Due::Nothing)));
    }

    #[test]
    fn a_peer_that_leaves_its_answers_unread_lives_as_long_as_it_reads_some() {
        let mut heartbeat = Heartbeat::new(10).unwrap();
        assert!((1..100).all(|tick| heartbeat.tick(7, tick / 4, Due::Reading)));
        assert!(!(1..100).all(|_| heartbeat.tick(7, 25, Due::Reading)));
    }
}
