//! The case as a Python user sees it: pika as it is, in an environment of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::broker::Broker;
use super::process;
use super::results::Measurement;
use crate::cli::perf::usage::Gauge;

/// The release of pika that is measured, the same for every broker.
const PIKA: &str = "1.3.2";

const SCRIPT: &str = include_str!("pika_load.py");

const INSTALLING: Duration = Duration::from_secs(180);
const EXTRA: Duration = Duration::from_secs(120);

/// Runs pika's part of the script at `broker` and measures what the broker uses meanwhile.
pub(super) fn measure(broker: &Broker, what: &str, seconds: f64, work: &Path) -> Result<Measurement, String> {
    let python = python(work)?;
    let script = work.join("pika_load.py");
    fs::write(&script, SCRIPT).map_err(|error| format!("cannot write {}: {error}", script.display()))?;
    let gauge = Gauge::start(broker.pid).map_err(|failure| failure.to_string())?;
    let mut command = Command::new(python);
    command
        .arg(script)
        .args([&broker.uri, what, &seconds.to_string()]);
    let text = process::output(&mut command, EXTRA + Duration::from_secs_f64(seconds))?;
    let mut result: Value = serde_json::from_str(&text).map_err(|error| format!("{error} in '{text}'"))?;
    if let (Some(usage), Some(fields)) = (gauge.read(), result.as_object_mut()) {
        fields.insert("broker".to_owned(), json!(usage));
        let received = fields
            .get("consumed")
            .and_then(|flow| flow.get("messages")?.as_f64());
        if let Some(received) = received.filter(|_| usage.cpu_seconds > 0.0) {
            let per_second = received / usage.cpu_seconds;
            fields.insert("messages_per_cpu_second".to_owned(), json!(per_second));
        }
    }
    Ok(Measurement::of_perf(&result))
}

/// An interpreter with pika, made in `work` when first needed.
fn python(work: &Path) -> Result<PathBuf, String> {
    let home = work.join(format!("pika-{PIKA}"));
    let python = home.join("bin/python");
    if !python.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        run(Command::new(&python).args(pip).arg(format!("pika=={PIKA}")))?;
    }
    Ok(python)
}

fn run(command: &mut Command) -> Result<(), String> {
    match process::output(command, INSTALLING) {
        // Neither prints anything when all is well.
        Err(error) if !error.is_empty() => Err(format!("cannot install pika: {error}")),
        _ => Ok(()),
    }
}
