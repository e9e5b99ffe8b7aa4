//! `leveret perf throughput`: publish and consume, as fast as the broker can or at a given rate.
//!
//! Each publisher and consumer is a blocking thread with one connection: reads and writes are large,
//! so threads sleep in the kernel most of the time and leave the processor to the broker.

pub(super) mod args;
mod consumer;
mod intake;
mod live;
mod meter;
mod pace;
mod publisher;
mod routes;
mod run;
mod sequences;
mod stamp;
mod summary;
mod template;
mod topology;
mod watch;
mod window;

use std::sync::mpsc;
use std::thread::{self, Scope};
use std::time::Duration;

use args::Load;
use consumer::{Consumer, Verdict};
use publisher::Publisher;
use run::Run;
use sequences::Findings;
use summary::Summary;
use watch::Watch;

use super::client::Client;
use super::failure::Failure;
use super::latency::Latencies;
use super::spawn;
use super::usage::Gauge;

/// How long all connections together may take to open.
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);

/// Runs the load and tells what came of it.
pub(super) fn run(load: &Load) -> Result<Summary, Failure> {
    load.check().map_err(Failure::Run)?;
    let mut control = Client::open_with_channel(load.uri())?;
    load.set_up(&mut control)?;
    let run = Run::new(load.publishers, load.consumers, load.rejecters);
    let idle = (0..load.idle)
        .map(|_| Client::open_with_channel(load.uri()))
        .collect::<Result<Vec<_>, _>>()?;
    let outcome = fill(load, &run).and_then(|()| measure(load, &run, control.product.clone()));
    idle.into_iter().try_for_each(Client::close)?;
    // What was declared goes also when the run failed; its failure tells more than that of tidying up.
    let tidied = load.tear_down(&mut control).and_then(|()| control.close());
    let summary = outcome?;
    tidied?;
    Ok(summary)
}

/// Puts into the queues what is to wait there when the measurement begins.
fn fill(load: &Load, run: &Run) -> Result<(), Failure> {
    if load.pre_fill == 0 {
        return Ok(());
    }
    for queue in 0..load.queues {
        let meter = meter::Meter::new();
        Publisher::open_to_fill(load, run, &meter, queue)?.publish(None, std::time::Instant::now())?;
        let filled = meter::Meter::read(std::slice::from_ref(&meter), &mut Latencies::new());
        if filled.refused > 0 {
            return Err(Failure::Run(format!(
                "the broker refused {} messages to wait",
                filled.refused
            )));
        }
    }
    Ok(())
}

fn measure(load: &Load, run: &Run, product: String) -> Result<Summary, Failure> {
    thread::scope(|scope| {
        let (found, findings) = mpsc::channel();
        let started = start(scope, load, run, &found);
        drop(found);
        let watched = started.and_then(|()| match run.begin(OPEN_TIMEOUT) {
            Some(_) => {
                let gauge = Gauge::start(load.broker.pid)?;
                let measured = Watch::new(load, run).until_done();
                Ok((measured, gauge.read()))
            }
            None => Err(Failure::Run(run.take_failures().join("; "))),
        });
        run.stop();
        // Ends when every consumer has: they hold the other ends.
        let findings: Vec<Findings> = findings.iter().collect();
        let (measured, usage) = watched?;
        Ok(Summary::new(product, load, run, &measured, &findings, usage))
    })
}

fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    load: &'scope Load,
    run: &'scope Run,
    found: &mpsc::Sender<Findings>,
) -> Result<(), Failure> {
    for (index, meter) in run.consumers.iter().enumerate() {
        let found = found.clone();
        spawn(scope, format!("consumer {index}"), move || {
            let outcome =
                Consumer::open(load, run, meter, Verdict::Acknowledge).and_then(|consumer| {
                    match run.ready() {
                        Some(begun) => consumer.consume(load, index, begun),
                        None => Ok(Vec::new()),
                    }
                });
            match outcome {
                Ok(findings) => {
                    for of_channel in findings {
                        let _ = found.send(of_channel);
                    }
                }
                Err(failure) => run.fail(format!("consumer {index}: {failure}")),
            }
        })?;
    }
    for (index, meter) in run.rejecters.iter().enumerate() {
        spawn(scope, format!("rejecter {index}"), move || {
            let outcome =
                Consumer::open(load, run, meter, Verdict::Reject).and_then(|rejecter| match run.ready() {
                    Some(begun) => rejecter.consume(load, index, begun).map(drop),
                    None => Ok(()),
                });
            if let Err(failure) = outcome {
                run.fail(format!("rejecter {index}: {failure}"));
            }
        })?;
    }
    for (index, meter) in run.publishers.iter().enumerate() {
        spawn(scope, format!("publisher {index}"), move || {
            let outcome = Publisher::open(load, run, meter, index).and_then(|publisher| match run.ready() {
                Some(begun) => publisher.publish(load.rate, begun),
                None => Ok(()),
            });
            if let Err(failure) = outcome {
                run.fail(format!("publisher {index}: {failure}"));
            }
            run.publisher_done();
        })?;
    }
    Ok(())
}
