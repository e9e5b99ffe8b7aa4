//! Watches a run until it is over, and takes its figures.

use std::time::{Duration, Instant};

use super::args::Load;
use super::live::Live;
use super::meter::{Meter, Reading};
use super::run::Run;
use crate::cli::perf::clock;
use crate::cli::perf::latency::Latencies;

/// How often the run is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// How long nothing may move before what is missing is given up.
const STALLED: Duration = Duration::from_secs(10);

/// What was measured.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) published: Reading,
    pub(super) consumed: Reading,
    /// The seconds in which that was published and consumed.
    pub(super) publish_seconds: f64,
    pub(super) consume_seconds: f64,
    pub(super) latencies: Latencies,
    pub(super) confirm_latencies: Latencies,
}

/// An eye on the run.
#[derive(Debug)]
pub(super) struct Watch<'r> {
    load: &'r Load,
    run: &'r Run,
    begun: Instant,
    begun_at: u64,
    live: Live,
}

impl<'r> Watch<'r> {
    pub(super) fn new(load: &'r Load, run: &'r Run) -> Self {
        Self {
            load,
            run,
            begun: Instant::now(),
            begun_at: clock::now(),
            live: Live::new(load),
        }
    }

    /// Watches until everything is published and received, or given up.
    pub(super) fn until_done(mut self) -> Measured {
        if self.is_timed() {
            let measured = self.until_time_is_up();
            self.run.stop_publishing();
            self.until_drained(Duration::from_secs_f64(self.load.drain));
            measured
        } else {
            self.until_drained(Duration::MAX);
            self.until_last_message()
        }
    }

    /// Whether the run ends with its duration; otherwise it does with its messages.
    fn is_timed(&self) -> bool {
        self.load.count.is_none() && (self.load.publishers > 0 || self.load.pre_fill == 0)
    }

    /// Lets the duration pass, and takes the figures at its end.
    fn until_time_is_up(&mut self) -> Measured {
        let duration = Duration::from_secs_f64(self.load.duration);
        while self.begun.elapsed() < duration && !self.run.failed() {
            self.run
                .wait(LOOK.min(duration.saturating_sub(self.begun.elapsed())));
            self.look();
        }
        let seconds = self.begun.elapsed().as_secs_f64();
        let (published, consumed) = self.look();
        self.measured((published, seconds), (consumed, seconds))
    }

    /// Takes the figures of all messages, which took until the last of them.
    fn until_last_message(&mut self) -> Measured {
        let begun_at = self.begun_at;
        let taking = |reading: Reading| (reading, reading.last_at.saturating_sub(begun_at) as f64 / 1e9);
        let (published, consumed) = self.look();
        self.measured(taking(published), taking(consumed))
    }

    fn measured(&mut self, published: (Reading, f64), consumed: (Reading, f64)) -> Measured {
        let (latencies, confirm_latencies) = self.live.latencies();
        Measured {
            published: published.0,
            consumed: consumed.0,
            publish_seconds: published.1,
            consume_seconds: consumed.1,
            latencies,
            confirm_latencies,
        }
    }

    /// Waits until consumers have received what was published, or have no hope to.
    fn until_drained(&mut self, at_most: Duration) {
        let since = Instant::now();
        let (mut progress, mut progress_at) = (0, since);
        while !self.run.failed() {
            let (published, consumed) = self.look();
            let sum = published.messages + published.confirmed + consumed.messages;
            if sum != progress {
                (progress, progress_at) = (sum, Instant::now());
            }
            // Publishers end in bounded time by themselves, and have a reason to tell when they are late.
            if self.run.publishers_are_done() {
                let received = consumed.messages >= expected(self.load, self.run);
                if received || since.elapsed() > at_most || progress_at.elapsed() > STALLED {
                    return;
                }
            }
            self.run.wait(LOOK);
        }
    }

    fn look(&mut self) -> (Reading, Reading) {
        let (latencies, confirm_latencies) = self.live.of_this_second();
        let consumed = Meter::read(&self.run.consumers, latencies);
        let published = Meter::read(&self.run.publishers, confirm_latencies);
        self.live.tell(self.begun.elapsed(), published, consumed);
        (published, consumed)
    }
}

/// How many messages consumers are to receive of what was published by now.
pub(super) fn expected(load: &Load, run: &Run) -> u64 {
    let published = run.publishers.iter().enumerate();
    let of_run: u64 = published
        .map(|(index, meter)| load.consumed_copies(index) * meter.messages())
        .sum();
    of_run + load.pre_fill * load.consumers.min(load.queues) as u64
}
