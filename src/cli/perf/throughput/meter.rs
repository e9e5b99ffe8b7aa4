//! What a publisher or consumer has done so far, readable while it goes on.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::cli::perf::latency::Latencies;

/// The figures of one publisher or consumer, written by its thread alone.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Meter {
    messages: AtomicU64,
    confirmed: AtomicU64,
    refused: AtomicU64,
    /// When the last message was counted, in nanoseconds of the monotonic clock.
    last_at: AtomicU64,
    latencies: Mutex<Latencies>,
}

/// The sum of some meters at one time.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) messages: u64,
    pub(crate) confirmed: u64,
    pub(crate) refused: u64,
    pub(crate) last_at: u64,
}

impl Meter {
    pub(crate) fn new() -> Self {
        Self {
            messages: AtomicU64::new(0),
            confirmed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            last_at: AtomicU64::new(0),
            latencies: Mutex::new(Latencies::new()),
        }
    }

    pub(crate) fn count(&self, messages: u64, now: u64) {
        add(&self.messages, messages);
        self.last_at.store(now, Relaxed);
    }

    pub(crate) fn count_confirmed(&self, messages: u64) {
        add(&self.confirmed, messages);
    }

    pub(crate) fn count_refused(&self, messages: u64) {
        add(&self.refused, messages);
    }

    pub(crate) fn latencies(&self) -> MutexGuard<'_, Latencies> {
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many messages there are by now.
    pub(crate) fn messages(&self) -> u64 {
        self.messages.load(Relaxed)
    }

    pub(crate) fn reading(&self) -> Reading {
        Reading {
            messages: self.messages(),
            confirmed: self.confirmed.load(Relaxed),
            refused: self.refused.load(Relaxed),
            last_at: self.last_at.load(Relaxed),
        }
    }

    /// Adds up `meters`, and moves their latencies to `latencies`.
    pub(crate) fn read(meters: &[Self], latencies: &mut Latencies) -> Reading {
        meters.iter().fold(Reading::default(), |sum, meter| {
            latencies.take_from(&mut meter.latencies());
            let reading = meter.reading();
            Reading {
                messages: sum.messages + reading.messages,
                confirmed: sum.confirmed + reading.confirmed,
                refused: sum.refused + reading.refused,
                last_at: sum.last_at.max(reading.last_at),
            }
        })
    }
}

/// A plain addition: each counter has one writer.
fn add(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Relaxed) + count, Relaxed);
}
