//! Threads that do the same thing over and over, and how long it takes each time.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::failure::Failure;
use super::latency::{Latencies, Percentiles};
use super::spawn;
use super::usage::{Gauge, Usage};

/// Whether there is more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It was done once more.
    Done,
    /// There was nothing left to do.
    NothingLeft,
}

/// What a crew came to.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Tally {
    /// How often it was done.
    times: u64,
    seconds: f64,
    per_second: f64,
    /// How long it took each time, in milliseconds.
    latency_ms: Option<Percentiles>,
    /// What the broker used, where its process is known.
    broker: Option<Usage>,
    pub(super) errors: Vec<String>,
}

/// Calls `prepare` on each of `size` threads, and then the step it gives until that has nothing left
/// to do or `duration` is over. A step that fails ends its thread. `broker` is the process to measure meanwhile.
pub(super) fn run<S>(
    size: usize,
    duration: Option<Duration>,
    broker: Option<u32>,
    prepare: impl Fn(usize) -> Result<S, Failure> + Sync,
) -> Result<Tally, Failure>
where
    S: FnMut() -> Result<Step, Failure>,
{
    let gauge = Gauge::start(broker)?;
    let begun = Instant::now();
    let (report, reports) = mpsc::channel();
    thread::scope(|scope| {
        for index in 0..size {
            let report = report.clone();
            let prepare = &prepare;
            spawn(scope, format!("worker {index}"), move || {
                let mut part = Part {
                    times: 0,
                    latencies: Latencies::new(),
                    error: None,
                };
                let worked = prepare(index).and_then(|step| part.work(step, duration));
                part.error = worked.err().map(|failure| failure.to_string());
                let _ = report.send(part);
            })?;
        }
        drop(report);
        let (mut times, mut latencies, mut errors) = (0, Latencies::new(), Vec::new());
        for mut part in reports {
            times += part.times;
            latencies.take_from(&mut part.latencies);
            errors.extend(part.error);
        }
        let seconds = begun.elapsed().as_secs_f64();
        let latency_ms = latencies.percentiles();
        Ok(Tally {
            times,
            seconds,
            per_second: times as f64 / seconds,
            latency_ms,
            broker: gauge.read(),
            errors,
        })
    })
}

/// What one thread of a crew has done.
struct Part {
    times: u64,
    latencies: Latencies,
    error: Option<String>,
}

impl Part {
    fn work<S>(&mut self, mut step: S, duration: Option<Duration>) -> Result<(), Failure>
    where
        S: FnMut() -> Result<Step, Failure>,
    {
        let begun = Instant::now();
        let mut now = begun;
        while duration.is_none_or(|duration| now - begun < duration) {
            if step()? == Step::NothingLeft {
                break;
            }
            let before = std::mem::replace(&mut now, Instant::now());
            self.latencies.record_duration(now - before);
            self.times += 1;
        }
        Ok(())
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            times,
            seconds,
            per_second,
            ..
        } = self;
        write!(f, "{per_second:.1} /s  ({times} in {seconds:.2} s)")?;
        if let Some(latency) = self.latency_ms {
            write!(f, "\nlatency  {latency}")?;
        }
        match self.broker {
            Some(usage) => write!(f, "\n{}", usage.line(*times)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn a_crew_works_until_nothing_is_left() {
        let left = AtomicU64::new(10);
        let take = || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        let step = || {
            Ok(if take().is_ok() {
                Step::Done
            } else {
                Step::NothingLeft
            })
        };
        let tally = run(3, None, None, |_| Ok(step)).unwrap();
        assert_eq!((tally.times, tally.errors.len()), (10, 0));
    }

    #[test]
    fn a_failure_ends_its_thread_only() {
        let tally = run(2, None, None, |index| {
            let mut left = 2;
            Ok(move || {
                left -= 1;
                match (index, left) {
                    (0, 1) => Err(Failure::HungUp("testing")),
                    (_, 0) => Ok(Step::NothingLeft),
                    _ => Ok(Step::Done),
                }
            })
        });
        let tally = tally.unwrap();
        assert_eq!((tally.times, tally.errors.len()), (1, 1));
    }

    #[test]
    fn a_crew_stops_when_its_time_is_over() {
        let tally = run(1, Some(Duration::from_millis(5)), None, |_| Ok(|| Ok(Step::Done))).unwrap();
        assert!(tally.times > 0 && tally.seconds >= 0.005);
    }
}
