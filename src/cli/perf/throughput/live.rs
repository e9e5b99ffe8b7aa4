//! The line a second on standard error.

use std::time::Duration;

use super::args::Load;
use super::meter::Reading;
use crate::cli::perf::latency::Latencies;

const MEGABYTE: f64 = 1e6;

/// What was told last, and what was collected since and before.
#[derive(Debug)]
pub(super) struct Live {
    quiet: bool,
    /// Bytes of a body.
    size: f64,
    told_at: Duration,
    published: u64,
    consumed: u64,
    second: Collected,
    all: Collected,
}

#[derive(Debug, Clone)]
struct Collected {
    latencies: Latencies,
    confirm_latencies: Latencies,
}

impl Live {
    pub(super) fn new(load: &Load) -> Self {
        let none = Collected {
            latencies: Latencies::new(),
            confirm_latencies: Latencies::new(),
        };
        Self {
            quiet: load.quiet,
            size: load.size as f64,
            told_at: Duration::ZERO,
            published: 0,
            consumed: 0,
            second: none.clone(),
            all: none,
        }
    }

    /// Where to put the latencies of deliveries, and those of confirms.
    pub(super) fn of_this_second(&mut self) -> (&mut Latencies, &mut Latencies) {
        (&mut self.second.latencies, &mut self.second.confirm_latencies)
    }

    /// All latencies of deliveries until now, and those of confirms.
    pub(super) fn latencies(&mut self) -> (Latencies, Latencies) {
        self.all.latencies.take_from(&mut self.second.latencies);
        self.all
            .confirm_latencies
            .take_from(&mut self.second.confirm_latencies);
        (self.all.latencies.clone(), self.all.confirm_latencies.clone())
    }

    /// Tells about the last second, once it is over.
    pub(super) fn tell(&mut self, elapsed: Duration, published: Reading, consumed: Reading) {
        let since = (elapsed - self.told_at).as_secs_f64();
        if since < 1.0 {
            return;
        }
        if !self.quiet {
            let rate = |now: u64, before: u64| (now - before) as f64 / since;
            let (sent, received) = (
                rate(published.messages, self.published),
                rate(consumed.messages, self.consumed),
            );
            eprintln!(
                "{:4.0} s  in {sent:9.0} msg/s {:7.1} MB/s  out {received:9.0} msg/s {:7.1} MB/s{}",
                elapsed.as_secs_f64(),
                sent * self.size / MEGABYTE,
                received * self.size / MEGABYTE,
                self.second.latency_of_line(),
            );
        }
        self.told_at = elapsed;
        self.published = published.messages;
        self.consumed = consumed.messages;
        self.latencies();
    }
}

impl Collected {
    /// The latency to show: that of deliveries, or for lack of those that of confirms.
    fn latency_of_line(&self) -> String {
        let named = [("latency", &self.latencies), ("confirm", &self.confirm_latencies)];
        let measured = named
            .iter()
            .find_map(|(name, latencies)| Some((name, latencies.percentiles()?)));
        measured.map_or_else(String::new, |(name, found)| {
            format!("  {name} p50 {:.3} ms p99 {:.3} ms", found.p50, found.p99)
        })
    }
}
