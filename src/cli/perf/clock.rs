//! The clocks measurements are taken from.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of the host's monotonic clock: comparable between processes of one host.
pub(crate) fn now() -> u64 {
    nanoseconds(ClockId::Monotonic)
}

/// Processor time this process has used, all threads together.
pub(crate) fn processor_time() -> Duration {
    Duration::from_nanos(nanoseconds(ClockId::ProcessCPUTime))
}

fn nanoseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    (time.tv_sec as u64) * 1_000_000_000 + time.tv_nsec as u64
}
