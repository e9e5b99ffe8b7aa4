//! One round of one case at one broker.

use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::broker::{self, Broker};
use super::cases::{Case, Procedure};
use super::process;
use super::results::Measurement;
use super::{durable, pika};
use crate::cli::perf::usage::Gauge;

/// How much longer than its seconds a load may take: to declare, to fill, to drain, to tidy up.
const EXTRA: Duration = Duration::from_secs(240);

/// How much earlier a neighbour begins, and how much later it ends.
const LEAD: Duration = Duration::from_secs(1);

/// Measures `case` at `broker` for so many seconds; `work` is where brokers are started anew when it asks for that.
pub(super) fn measure(case: &Case, broker: &mut Broker, seconds: f64, work: &Path) -> Measurement {
    let measured = match case.procedure {
        Procedure::Perf(load) => perf(broker, load, seconds, &[]),
        Procedure::HalfRate(load) => half_rate(broker, load, seconds),
        Procedure::Compared(load, more) => compared(broker, load, more, seconds),
        Procedure::Priced(load, more) => priced(broker, load, more, seconds),
        Procedure::Waiting(load, messages) => {
            compared(broker, load, &format!("--pre-fill {messages}"), seconds)
        }
        Procedure::Beside(load, neighbour) => beside(broker, load, neighbour, seconds),
        Procedure::Pika(what) => pika::measure(broker, what, seconds, work),
        Procedure::Recovery(messages) => broker
            .renew(work)
            .and_then(|()| durable::recovery(broker, messages)),
        Procedure::Stuck(load) => broker
            .renew(work)
            .and_then(|()| durable::stuck(broker, load, seconds)),
        Procedure::Idle => broker.renew(work).and_then(|()| idle(broker)),
        Procedure::Fresh(load) => broker.renew(work).and_then(|()| perf(broker, load, seconds, &[])),
    };
    measured.unwrap_or_else(Measurement::failed)
}

/// Runs `leveret perf` once.
pub(super) fn perf(
    broker: &Broker,
    load: &str,
    seconds: f64,
    more: &[String],
) -> Result<Measurement, String> {
    let load = load.replace("{z}", &seconds.to_string());
    let mut command = broker::program()?;
    command.arg("perf");
    let mut words = load.split(' ').peekable();
    let tallied = words.next_if(|word| !word.starts_with('-'));
    command.args(tallied).args(words).args(more);
    command.args(["--uri", &broker.uri, "--json"]);
    if tallied.is_none() {
        command.arg("--quiet");
    }
    if let Some(pid) = broker.pid {
        command.args(["--pid", &pid.to_string()]);
    }
    let text = process::output(&mut command, EXTRA + Duration::from_secs_f64(seconds))?;
    let result: Value = serde_json::from_str(&text).map_err(|error| format!("{error} in '{text}'"))?;
    Ok(Measurement::of_perf(&result))
}

/// Finds out what the broker can do, and then asks half of it.
fn half_rate(broker: &Broker, load: &str, seconds: f64) -> Result<Measurement, String> {
    let full = perf(broker, load, seconds, &[])?;
    let rate = full.out.ok_or("nothing came out of the broker")? / 2.0;
    perf(
        broker,
        load,
        seconds,
        &["--rate".to_owned(), format!("{rate:.0}")],
    )
}

/// Runs a load, and then the same with more arguments; compares what comes out a second.
fn compared(broker: &Broker, load: &str, more: &str, seconds: f64) -> Result<Measurement, String> {
    with_and_without(broker, load, more, seconds, |measured| measured.out)
}

/// Runs a load, and then the same with more arguments; compares what a second of processor time gives.
fn priced(broker: &Broker, load: &str, more: &str, seconds: f64) -> Result<Measurement, String> {
    with_and_without(broker, load, more, seconds, |measured| measured.per_cpu_second)
}

fn with_and_without(
    broker: &Broker,
    load: &str,
    more: &str,
    seconds: f64,
    figure: fn(&Measurement) -> Option<f64>,
) -> Result<Measurement, String> {
    let plain = perf(broker, load, seconds, &[])?;
    let more: Vec<String> = more.split(' ').map(str::to_owned).collect();
    let measured = perf(broker, load, seconds, &more)?;
    Ok(Measurement {
        relative: ratio(figure(&measured), figure(&plain)),
        errors: [plain.errors, measured.errors.clone()].concat(),
        ..measured
    })
}

/// Runs a load, and then the same while another load goes on, which is not measured.
fn beside(broker: &Broker, load: &str, neighbour: &str, seconds: f64) -> Result<Measurement, String> {
    let alone = perf(broker, load, seconds, &[])?;
    let apart = ["--queue-prefix", "lab-neighbour-"].map(str::to_owned);
    let (measured, neighbour) = thread::scope(|scope| {
        let lasting = seconds + 2.0 * LEAD.as_secs_f64();
        let neighbour = scope.spawn(move || perf(broker, neighbour, lasting, &apart));
        thread::sleep(LEAD);
        (perf(broker, load, seconds, &[]), neighbour.join())
    });
    let measured = measured?;
    let neighbour = neighbour.map_err(|_| "the neighbour's thread failed".to_owned())??;
    let p99 = |of: &Measurement| of.latency.map(|latency| latency.p99);
    Ok(Measurement {
        relative: ratio(p99(&measured), p99(&alone)),
        // The processor time is that of both.
        per_cpu_second: None,
        errors: [alone.errors, measured.errors.clone(), neighbour.errors].concat(),
        ..measured
    })
}

fn ratio(of: Option<f64>, to: Option<f64>) -> Option<f64> {
    of.zip(to.filter(|&to| to > 0.0)).map(|(of, to)| of / to)
}

fn idle(broker: &Broker) -> Result<Measurement, String> {
    let gauge = Gauge::start(broker.pid).map_err(|failure| failure.to_string())?;
    // Until what it did to start has settled.
    thread::sleep(Duration::from_secs(1));
    Ok(Measurement {
        resident: gauge.read().map(|usage| usage.resident as f64),
        ..Measurement::default()
    })
}
