//! What a broker uses meanwhile: processor time, memory and disk of its process and those below it, from `/proc`.

use std::collections::HashMap;
use std::fs;

use rustix::param::clock_ticks_per_second;
use serde::{Deserialize, Serialize};

use super::failure::Failure;

/// What a broker has used between two moments.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// Processor time of user and system together.
    pub(crate) cpu_seconds: f64,
    /// Resident memory at the beginning, in bytes.
    pub(crate) resident_before: u64,
    /// Resident memory at the end, in bytes.
    pub(crate) resident: u64,
    /// Bytes written towards disks; `None` where `/proc/PID/io` may not be read.
    pub(crate) written: Option<u64>,
}

/// Reads the use of one broker, if there is one to be read.
#[derive(Debug)]
pub(crate) struct Gauge(Option<(u32, Reading)>);

/// Sums since the processes began, and what is resident now.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Reading {
    cpu_seconds: f64,
    resident: u64,
    written: Option<u64>,
}

impl Gauge {
    /// Begins to measure the process `pid` and those below it; without a `pid` nothing is measured.
    ///
    /// # Errors
    /// When there is no such process.
    pub(crate) fn start(pid: Option<u32>) -> Result<Self, Failure> {
        let Some(pid) = pid else {
            return Ok(Self(None));
        };
        match read(pid) {
            Some(reading) => Ok(Self(Some((pid, reading)))),
            None => Err(Failure::Run(format!("there is no process {pid} to measure"))),
        }
    }

    /// What was used since the start; `None` when nothing is measured or the process has ended.
    pub(crate) fn read(&self) -> Option<Usage> {
        let (pid, before) = self.0?;
        let now = read(pid)?;
        Some(Usage {
            cpu_seconds: now.cpu_seconds - before.cpu_seconds,
            resident_before: before.resident,
            resident: now.resident,
            written: now
                .written
                .zip(before.written)
                .map(|(now, before)| now.saturating_sub(before)),
        })
    }
}

impl Usage {
    /// The line for people: `done` things were done meanwhile.
    pub(crate) fn line(&self, done: u64) -> String {
        let Self { cpu_seconds, .. } = *self;
        let per_second = per_cpu_second(done, cpu_seconds).unwrap_or_default();
        let resident = self.resident as f64 / f64::from(1 << 20);
        let written = self.written.map_or_else(String::new, |bytes| {
            format!("  {:.1} MB written", bytes as f64 / 1e6)
        });
        format!(
            "broker   {cpu_seconds:.2} s of processor  {per_second:.0} per processor second  {resident:.1} MiB \
             resident{written}"
        )
    }
}

/// How many of `done` things fall on a second of the broker's processor time; `None` when it used none to speak of.
pub(crate) fn per_cpu_second(done: u64, cpu_seconds: f64) -> Option<f64> {
    (cpu_seconds > 0.0).then(|| done as f64 / cpu_seconds)
}

/// The processes below `root`, itself first.
pub(crate) fn tree(root: u32) -> Vec<u32> {
    let mut below: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some((pid, parent)) = pid.and_then(|pid| Some((pid, Stat::of(pid)?.parent))) {
            below.entry(parent).or_default().push(pid);
        }
    }
    let mut found = vec![root];
    let mut at = 0;
    while let Some(pid) = found.get(at) {
        found.extend(below.remove(pid).unwrap_or_default());
        at += 1;
    }
    found
}

fn read(root: u32) -> Option<Reading> {
    Stat::of(root)?;
    let mut sum = Reading {
        written: Some(0),
        ..Reading::default()
    };
    for pid in tree(root) {
        let Some(stat) = Stat::of(pid) else { continue };
        sum.cpu_seconds += stat.ticks as f64 / clock_ticks_per_second() as f64;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        sum.resident += field(&status, "VmRSS:").unwrap_or_default() * 1024;
        let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
        sum.written = sum.written.zip(field(&io, "write_bytes:")).map(|(a, b)| a + b);
    }
    Some(sum)
}

/// The number in the line of `text` that begins with `name`.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What is of use in `/proc/PID/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// Processor time of the process and of its children that have ended, in clock ticks.
    ticks: u64,
}

impl Stat {
    fn of(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        // The name before it may hold blanks and parentheses of its own.
        let (_, after_name) = text.rsplit_once(')')?;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Self {
            parent: number(1)? as u32,
            ticks: (11..15).map(number).sum::<Option<u64>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_past_a_name_with_blanks_and_parentheses() {
        let line = "77 (a) (b c) S 5 77 77 0 -1 4194560 1 2 3 4 100 20 3 1 20 0 1 0 9";
        assert_eq!(
            Stat::parse(line),
            Some(Stat {
                parent: 5,
                ticks: 124
            })
        );
        assert_eq!(Stat::parse("77 (cut"), None);
    }

    #[test]
    fn a_field_is_found_by_its_name() {
        assert_eq!(field("a: 1\nVmRSS:\t  12 kB\n", "VmRSS:"), Some(12));
        assert_eq!(field("a: 1", "VmRSS:"), None);
    }

    #[test]
    fn this_process_uses_processor_and_memory() {
        let gauge = Gauge::start(Some(std::process::id())).unwrap();
        let begun = std::time::Instant::now();
        while gauge.read().unwrap().cpu_seconds == 0.0 {
            assert!(begun.elapsed().as_secs() < 20, "spinning uses processor time");
        }
        assert!(gauge.read().unwrap().resident > 100_000);
    }

    #[test]
    fn nothing_is_measured_without_a_process() {
        assert_eq!(Gauge::start(None).unwrap().read(), None);
        assert!(Gauge::start(Some(u32::MAX)).is_err());
    }
}
