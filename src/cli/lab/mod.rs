//! `leveret lab`: the same loads at several brokers in turn, and a table of what came of it.

mod broker;
mod cases;
mod conditions;
mod durable;
mod interrupt;
mod measure;
mod pika;
mod plot;
mod process;
mod rabbitmq;
mod results;
mod spread;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use clap::Args;

use super::output;
use broker::{Broker, Kind};
use cases::{Case, Procedure};
use conditions::Probe;
use rabbitmq::RabbitMq;
use results::{BrokerResult, CaseResult, Machine, Measurement, Results};

const REFERENCE: &str = "RabbitMQ";

/// What to measure, and where.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Cases to measure, by id or letter; `--list` names them [default: all]
    #[arg(value_name = "CASE", value_delimiter = ',')]
    cases: Vec<String>,
    /// List the cases and the loads they are, and do nothing else
    #[arg(long)]
    list: bool,
    /// How often to measure each case at each broker
    #[arg(long, short, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds of each timed measurement, at most 600
    #[arg(long, short = 'z', value_name = "SECONDS", default_value_t = 4.0, value_parser = seconds)]
    seconds: f64,
    /// Measure this broker too; its process, where it is on this host, tells what it uses
    #[arg(long, value_name = "NAME=URI[,PID]", value_parser = broker::other)]
    broker: Vec<Kind>,
    /// Leave out RabbitMQ, also where it is installed
    #[arg(long)]
    no_rabbitmq: bool,
    /// Leave out the limit, which copies frames and is no broker
    #[arg(long)]
    no_limit: bool,
    /// Measure nothing: print the table of this result file, and write the others anew
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Where to write lab.json, lab.md and lab.svg
    #[arg(long, value_name = "DIR", default_value = "leveret-lab")]
    out: PathBuf,
    /// Where brokers keep their data meanwhile [default: the directory for temporary files]
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
}

/// Measures what the command line asks for; the table goes to standard output.
pub(super) fn run(options: &Options) -> Result<ExitCode, String> {
    let cases = cases::selected(&options.cases)?;
    if options.list {
        return list(&cases).map(|()| ExitCode::SUCCESS);
    }
    if let Some(file) = &options.from {
        let results = read(file)?;
        output::line(table::table(&results, REFERENCE))?;
        broker::make(&options.out)?;
        return write(&results, &options.out).map(|()| ExitCode::SUCCESS);
    }
    if cfg!(debug_assertions) {
        eprintln!("leveret: this is a debug build; measure with cargo run --release -- lab");
    }
    interrupt::listen()?;
    let work = Work::new(options.work.as_deref())?;
    broker::make(&options.out)?;
    let kinds = kinds(options);
    let mut brokers = kinds
        .iter()
        .map(|kind| Broker::start(kind, &work.0))
        .collect::<Result<Vec<_>, _>>()?;
    let probe = Probe::new();
    let mut results = Results {
        machine: machine(),
        seconds: options.seconds,
        cases: Vec::new(),
    };
    for case in cases {
        let result = one_case(case, &mut brokers, &probe, options, &work.0)?;
        eprint!("{}", table::summary(&result, REFERENCE));
        results.cases.push(result);
        // After each case: what was measured is not lost when the rest fails.
        write(&results, &options.out)?;
    }
    output::line(table::table(&results, REFERENCE))?;
    brokers.into_iter().try_for_each(Broker::end)?;
    let failed = results.cases.iter().flat_map(|case| &case.brokers);
    let failed = failed
        .flat_map(|broker| &broker.rounds)
        .any(|round| !round.errors.is_empty());
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// All rounds of a case, the brokers in turn within each; fails when a signal ends it.
fn one_case(
    case: &Case,
    brokers: &mut [Broker],
    probe: &Probe,
    options: &Options,
    work: &Path,
) -> Result<CaseResult, String> {
    let takes_part = |broker: &Broker| match broker.kind {
        Kind::Leveret => true,
        Kind::Limit => case.has_limit,
        _ => !case.needs_own,
    };
    let mut results: Vec<BrokerResult> = brokers
        .iter()
        .filter(|broker| takes_part(broker))
        .map(|broker| BrokerResult {
            broker: broker.kind.name().to_owned(),
            rounds: Vec::new(),
        })
        .collect();
    for round in 1..=options.rounds {
        let taking_part = brokers.iter_mut().filter(|broker| takes_part(broker));
        for (broker, result) in taking_part.zip(&mut results) {
            eprintln!("{} {} round {round}", case.id, result.broker);
            let watch = probe.begin();
            let round = measure::measure(case, broker, options.seconds, work);
            interrupt::check()?;
            result.rounds.push(Measurement {
                conditions: Some(watch.end()),
                ..round
            });
        }
    }
    Ok(CaseResult {
        id: case.id.to_owned(),
        title: case.title.to_owned(),
        load: load(case),
        brokers: results,
    })
}

fn load(case: &Case) -> String {
    match case.procedure {
        Procedure::Perf(load) => format!("perf {load}"),
        Procedure::Fresh(load) => format!("perf {load}, at a fresh broker"),
        Procedure::HalfRate(load) => format!("perf {load}, then at half the rate"),
        Procedure::Compared(load, more) | Procedure::Priced(load, more) => {
            format!("perf {load}, and then with {more} too")
        }
        Procedure::Waiting(load, messages) => format!("perf {load}, and then with --pre-fill {messages} too"),
        Procedure::Beside(load, neighbour) => format!("perf {load}, and then beside perf {neighbour}"),
        Procedure::Pika(what) => format!("pika_load.py {what}"),
        Procedure::Recovery(messages) => format!("kill -9 with {messages} messages waiting, and a start"),
        Procedure::Stuck(load) => format!("perf {load}, past one message of another queue"),
        Procedure::Idle => "a fresh broker, left alone for a second".to_owned(),
    }
}

fn list(cases: &[&Case]) -> Result<(), String> {
    cases
        .iter()
        .try_for_each(|case| output::line(format_args!("{:4} {}\n     {}", case.id, case.title, load(case))))
}

fn kinds(options: &Options) -> Vec<Kind> {
    let mut kinds = vec![Kind::Leveret];
    if !options.no_rabbitmq {
        if RabbitMq::is_installed() {
            kinds.push(Kind::RabbitMq);
        } else {
            eprintln!("leveret: without RabbitMQ, which is not installed (apt-get install rabbitmq-server)");
        }
    }
    kinds.extend(options.broker.iter().cloned());
    if !options.no_limit {
        kinds.push(Kind::Limit);
    }
    kinds
}

fn write(results: &Results, directory: &Path) -> Result<(), String> {
    let json = serde_json::to_string_pretty(results).map_err(|error| error.to_string())?;
    let files = [
        ("lab.json", json),
        ("lab.md", table::table(results, REFERENCE)),
        ("lab.svg", plot::plot(results)?),
    ];
    for (name, text) in files {
        let path = directory.join(name);
        fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(())
}

fn read(file: &Path) -> Result<Results, String> {
    let failed = |error: &dyn std::fmt::Display| format!("cannot read {}: {error}", file.display());
    let text = fs::read_to_string(file).map_err(|error| failed(&error))?;
    serde_json::from_str(&text).map_err(|error| failed(&error))
}

fn machine() -> Machine {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Machine {
        cores: thread::available_parallelism().map_or(1, usize::from),
        processor: model.map_or_else(String::new, |(_, name)| name.trim().to_owned()),
        kernel: kernel.trim().to_owned(),
        leveret: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.05..=600.0).contains(&seconds) => Ok(seconds),
        _ => Err("expected 0.05 to 600 seconds".to_owned()),
    }
}

/// The directory of this run, removed with everything in it when dropped.
struct Work(PathBuf);

impl Work {
    fn new(below: Option<&Path>) -> Result<Self, String> {
        let below = below.map_or_else(std::env::temp_dir, Path::to_owned);
        let work = below.join(format!("leveret-lab-{}", std::process::id()));
        broker::make(&work)?;
        Ok(Self(work))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
