//! The time, as deadlines are measured and kept.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch.
///
/// They rise evenly for as long as the process lives, whatever is done to the system's clock meanwhile: a deadline is
/// neither early nor late for that. The next process begins with what the system's clock says then.
pub fn now() -> u64 {
    static START: OnceLock<(u64, Instant)> = OnceLock::new();
    let (epoch, start) = START.get_or_init(|| {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        (millis(since_epoch.unwrap_or_default()), Instant::now())
    });
    epoch.saturating_add(millis(start.elapsed()))
}

/// The end of a time that begins `now` and lasts so many milliseconds.
///
/// [`now`] is rounded down, so a millisecond is added: nothing ends before its whole time is over.
pub fn end_of(now: u64, lasts: u64) -> u64 {
    now.saturating_add(lasts).saturating_add(1)
}

/// Milliseconds, rounded down.
pub fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
