//! Procedures about data on disk: recovery after a crash, and what one stuck message costs.

use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::broker::{Broker, Kind};
use super::measure::perf;
use super::results::Measurement;

/// How often the size of the data directory is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Fills a durable queue with `messages` of 100 bytes, kills the broker, and takes the time until it serves again.
pub(super) fn recovery(broker: &mut Broker, messages: u64) -> Result<Measurement, String> {
    if broker.kind != Kind::Leveret {
        return Err("only our own broker can be killed and started again".to_owned());
    }
    let names = "--queue-prefix lab-recovery- -d --keep";
    let filled = perf(
        broker,
        &format!("-x1 -y0 -s100 -p -c 4096 -C {messages} {names}"),
        0.0,
        &[],
    )?;
    let begun = Instant::now();
    broker.crash_and_start()?;
    let took = begun.elapsed().as_secs_f64();
    let resident = broker.resident();
    let drained = perf(
        broker,
        &format!("-x0 -y1 -s100 --auto-ack -C {messages} {names}"),
        0.0,
        &[],
    )?;
    Ok(Measurement {
        into: Some(messages as f64 / took),
        out: drained.out,
        latency: Some(super::results::Latency {
            p50: took * 1e3,
            p99: took * 1e3,
        }),
        resident,
        written_per_byte: filled.written_per_byte,
        errors: [filled.errors, drained.errors].concat(),
        ..Measurement::default()
    })
}

/// Lets one message wait while others pass by, and tells how large the data directory became for each byte published.
pub(super) fn stuck(broker: &Broker, load: &str, seconds: f64) -> Result<Measurement, String> {
    perf(
        broker,
        "-x1 -y0 -s1024 -p -d -c 1 -C 1 --queue-prefix lab-stuck- --keep",
        0.0,
        &[],
    )?;
    let (end, ended) = mpsc::channel::<()>();
    let data = broker.data.clone();
    let watch = thread::spawn(move || {
        let mut largest = 0;
        while ended.recv_timeout(LOOK) == Err(mpsc::RecvTimeoutError::Timeout) {
            largest = size(&data).max(largest);
        }
        largest
    });
    let measured = perf(broker, load, seconds, &[]);
    drop(end);
    let largest = watch.join().map_err(|_| "the watch failed".to_owned())?;
    Ok(Measurement {
        disk: Some(largest as f64),
        ..measured?
    })
}

/// The bytes of the files in a directory and those below it.
fn size(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => size(&entry.path()),
        Ok(found) => found.len(),
        // Deleted while we looked.
        Err(_) => 0,
    });
    sizes.sum()
}
