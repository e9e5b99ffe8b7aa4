//! Latencies, collected to about one percent and told in milliseconds.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// The longest latency told apart from longer ones, in nanoseconds: ten minutes.
const LONGEST: u64 = 600_000_000_000;

/// Latencies in nanoseconds.
#[derive(Debug, Clone)]
pub(crate) struct Latencies(Option<Histogram<u64>>);

impl Latencies {
    pub(crate) fn new() -> Self {
        Self(Histogram::new_with_bounds(1_000, LONGEST, 2).ok())
    }

    /// Takes note of `count` equal latencies.
    #[inline]
    pub(crate) fn record(&mut self, nanoseconds: u64, count: u64) {
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record_n(nanoseconds, count);
        }
    }

    pub(crate) fn record_duration(&mut self, duration: Duration) {
        self.record(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX), 1);
    }

    /// Moves everything collected by `other` here.
    pub(crate) fn take_from(&mut self, other: &mut Self) {
        let (Some(to), Some(from)) = (&mut self.0, &mut other.0) else {
            return;
        };
        if !from.is_empty() {
            // Both have the same bounds, so there is nothing that could not be added.
            let _ = to.add(&*from);
            from.reset();
        }
    }

    /// The figures people ask for; `None` when nothing was measured.
    pub(crate) fn percentiles(&self) -> Option<Percentiles> {
        let histogram = self.0.as_ref().filter(|histogram| !histogram.is_empty())?;
        let at = |quantile| milliseconds(histogram.value_at_quantile(quantile));
        Some(Percentiles {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: milliseconds(histogram.max()),
        })
    }
}

/// Latencies in milliseconds below which the named share of measurements lies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    #[serde(rename = "p99.9")]
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

impl std::fmt::Display for Percentiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            p50,
            p90,
            p99,
            p999,
            max,
        } = self;
        write!(
            f,
            "p50 {p50:.3} ms  p90 {p90:.3} ms  p99 {p99:.3} ms  p99.9 {p999:.3} ms  max {max:.3} ms"
        )
    }
}

fn milliseconds(nanoseconds: u64) -> f64 {
    // To the microsecond: what lies below it is noise.
    (nanoseconds / 1_000) as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_measured_has_no_percentiles() {
        assert_eq!(Latencies::new().percentiles(), None);
    }

    #[test]
    fn percentiles_are_right_to_a_percent() {
        let mut latencies = Latencies::new();
        for millisecond in 1..=1000 {
            latencies.record(millisecond * 1_000_000, 1);
        }
        let found = latencies.percentiles().unwrap();
        for (found, expected) in [(found.p50, 500.0), (found.p99, 990.0), (found.max, 1000.0)] {
            assert!((found / expected - 1.0).abs() < 0.01, "{found} {expected}");
        }
    }

    #[test]
    fn taking_empties_the_source() {
        let (mut all, mut part) = (Latencies::new(), Latencies::new());
        part.record(5_000, 3);
        all.take_from(&mut part);
        assert!(part.percentiles().is_none());
        assert!(all.percentiles().is_some());
    }

    #[test]
    fn what_is_longer_than_the_longest_counts_as_the_longest() {
        let mut latencies = Latencies::new();
        latencies.record(u64::MAX, 1);
        assert!(latencies.percentiles().unwrap().max >= 600_000.0);
    }
}
