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
    /// All that was published, and the seconds until the broker had taken it. What a publisher has written
    /// may wait in the sockets for long; only the broker's farewell tells that it was read.
    pub(super) published: (Reading, f64),
    /// What was consumed until the time was up or everything was received, and the seconds that took.
    pub(super) consumed: (Reading, f64),
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
        let in_time = self.is_timed().then(|| self.until_time_is_up());
        let drain = in_time
            .as_ref()
            .map_or(Duration::MAX, |_| Duration::from_secs_f64(self.load.drain));
        self.until_drained(drain);
        let (published, consumed) = self.look();
        let published = (published, self.seconds_until(published.last_at));
        match in_time {
            Some(measured) => Measured {
                published,
                ..measured
            },
            None => self.measured(published, (consumed, self.seconds_until(consumed.last_at))),
        }
    }

    /// Whether the run ends with its duration; otherwise it does with its messages.
    fn is_timed(&self) -> bool {
        self.load.count.is_none() && (self.load.publishers > 0 || self.load.pre_fill == 0)
    }

    /// Lets the duration pass, ends publishing, and takes the figures at that time.
    fn until_time_is_up(&mut self) -> Measured {
        let duration = Duration::from_secs_f64(self.load.duration);
        while self.begun.elapsed() < duration && !self.run.failed() {
            self.run
                .wait(LOOK.min(duration.saturating_sub(self.begun.elapsed())));
            self.look();
        }
        let seconds = self.begun.elapsed().as_secs_f64();
        let (published, consumed) = self.look();
        self.run.stop_publishing();
        self.measured((published, seconds), (consumed, seconds))
    }

    fn measured(&mut self, published: (Reading, f64), consumed: (Reading, f64)) -> Measured {
        let (latencies, confirm_latencies) = self.live.latencies();
        Measured {
            published,
            consumed,
            latencies,
            confirm_latencies,
        }
    }

    fn seconds_until(&self, time: u64) -> f64 {
        time.saturating_sub(self.begun_at) as f64 / 1e9
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
    if load.publishers == 0 && load.pre_fill == 0 {
        return load.count.unwrap_or(0);
    }
    let published = run.publishers.iter().enumerate();
    let of_run: u64 = published
        .map(|(index, meter)| load.consumed_copies(index) * meter.messages())
        .sum();
    of_run + load.pre_fill * load.subscriptions().min(load.queues) as u64
}
