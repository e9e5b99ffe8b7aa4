//! What a run comes to.

use std::fmt;

use serde::Serialize;

use super::args::Load;
use super::meter::Reading;
use super::run::Run;
use super::sequences::Findings;
use super::watch::{Measured, expected};
use crate::cli::perf::clock;
use crate::cli::perf::latency::Percentiles;
use crate::cli::perf::usage::{Usage, per_cpu_second};

/// The figures of one run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Summary {
    /// What the broker calls itself, and its durability, if it tells.
    product: String,
    /// Into the broker.
    published: Flow,
    /// Out of the broker.
    consumed: Flow,
    /// Messages the broker confirmed; null without confirms.
    confirmed: Option<u64>,
    /// Messages the broker refused; null without confirms.
    refused: Option<u64>,
    /// From publishing to consuming, in milliseconds.
    latency_ms: Option<Percentiles>,
    /// From publishing to being confirmed, in milliseconds.
    confirm_latency_ms: Option<Percentiles>,
    check: Check,
    /// What the broker used until everything was received, where its process is known.
    broker: Option<Usage>,
    /// Messages for each second of the broker's processor time: those received, or published where nobody consumes.
    messages_per_cpu_second: Option<f64>,
    /// Processor time of this program, in seconds.
    cpu_seconds: f64,
    #[serde(skip)]
    done: u64,
    /// What went wrong.
    pub(crate) errors: Vec<String>,
}

/// Messages in one direction, and the time they took.
#[derive(Debug, Clone, Copy, Serialize)]
struct Flow {
    messages: u64,
    seconds: f64,
    messages_per_second: f64,
    bytes_per_second: f64,
}

/// Whether everything published by this run came once and in order, drained messages included.
#[derive(Debug, Clone, Copy, Serialize)]
struct Check {
    published: u64,
    received: u64,
    /// Expected and not received.
    missing: u64,
    redelivered: u64,
    /// Received again, or late, without being marked as redelivered.
    repeated: u64,
    /// Passed over; null when consumers share queues, where others receive what one does not.
    skipped: Option<u64>,
    /// Messages of others.
    foreign: u64,
}

impl Summary {
    pub(super) fn new(
        product: String,
        load: &Load,
        run: &Run,
        measured: &Measured,
        findings: &[Findings],
        broker: Option<Usage>,
    ) -> Self {
        let confirms = load.confirm.is_some();
        let check = Check::new(load, run, findings);
        let done = check.done(load);
        Self {
            product,
            published: Flow::new(measured.published, load.size),
            consumed: Flow::new(measured.consumed, load.size),
            confirmed: confirms.then(|| run.publishers.iter().map(|meter| meter.reading().confirmed).sum()),
            refused: confirms.then(|| run.publishers.iter().map(|meter| meter.reading().refused).sum()),
            latency_ms: measured.latencies.percentiles(),
            confirm_latency_ms: measured.confirm_latencies.percentiles(),
            check,
            broker,
            messages_per_cpu_second: broker.and_then(|usage| per_cpu_second(done, usage.cpu_seconds)),
            done,
            cpu_seconds: clock::processor_time().as_secs_f64(),
            errors: run.take_failures(),
        }
    }
}

impl Flow {
    fn new((Reading { messages, .. }, seconds): (Reading, f64), size: usize) -> Self {
        let messages_per_second = if seconds > 0.0 {
            messages as f64 / seconds
        } else {
            0.0
        };
        let bytes_per_second = messages_per_second * size as f64;
        Self {
            messages,
            seconds,
            messages_per_second,
            bytes_per_second,
        }
    }
}

impl Check {
    fn new(load: &Load, run: &Run, findings: &[Findings]) -> Self {
        let sum = |of: fn(&Findings) -> u64| findings.iter().map(of).sum::<u64>();
        let fresh = sum(|found| found.fresh);
        // Nothing orders what one publisher sends to one queue over several channels, and priorities order it anew.
        let ordered =
            (usize::from(load.channels) <= load.queues || load.channels == 1) && load.priorities == 0;
        let repeated = if ordered { sum(|found| found.repeated) } else { 0 };
        let alone = ordered
            && load.channels == 1
            && load.consumers <= load.queues
            && (load.bindings == 0 || load.queues == 1);
        Self {
            published: run.publishers.iter().map(|meter| meter.reading().messages).sum(),
            received: fresh,
            missing: expected(load, run).saturating_sub(fresh - repeated),
            redelivered: sum(|found| found.redelivered),
            repeated,
            skipped: alone.then(|| sum(|found| found.skipped)),
            foreign: sum(|found| found.foreign),
        }
    }

    /// How many messages the broker has served.
    fn done(&self, load: &Load) -> u64 {
        if load.consumers > 0 {
            self.received
        } else {
            self.published
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "server   {}", self.product)?;
        writeln!(f, "in       {}", self.published)?;
        writeln!(f, "out      {}", self.consumed)?;
        if let (Some(confirmed), Some(refused)) = (self.confirmed, self.refused) {
            writeln!(f, "confirms {confirmed} confirmed  {refused} refused")?;
        }
        for (name, latency) in [("latency", self.latency_ms), ("confirm", self.confirm_latency_ms)] {
            if let Some(latency) = latency {
                writeln!(f, "{name}  {latency}")?;
            }
        }
        writeln!(f, "check    {}", self.check)?;
        if let Some(usage) = self.broker {
            writeln!(f, "{}", usage.line(self.done))?;
        }
        write!(f, "cpu      {:.2} s used by this program", self.cpu_seconds)
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            messages,
            seconds,
            messages_per_second,
            bytes_per_second,
        } = self;
        let megabytes = bytes_per_second / 1e6;
        write!(
            f,
            "{messages_per_second:.0} msg/s  {megabytes:.1} MB/s  ({messages} messages in {seconds:.2} s)"
        )
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            published,
            received,
            missing,
            redelivered,
            repeated,
            skipped,
            foreign,
        } = self;
        write!(
            f,
            "{published} published  {received} received  {missing} missing  {repeated} repeated"
        )?;
        if let Some(skipped) = skipped {
            write!(f, "  {skipped} skipped")?;
        }
        write!(f, "  {redelivered} redelivered  {foreign} foreign")
    }
}
