//! What was measured, as it is kept in the result file.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cases::{CASES, Case, Figure};
use super::conditions::Conditions;

/// A run of the laboratory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Results {
    pub(super) machine: Machine,
    /// Seconds of each timed measurement.
    pub(super) seconds: f64,
    pub(super) cases: Vec<CaseResult>,
}

/// What it ran on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Machine {
    pub(super) cores: usize,
    pub(super) processor: String,
    pub(super) kernel: String,
    /// The version of this program.
    pub(super) leveret: String,
}

/// One case at all brokers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CaseResult {
    pub(super) id: String,
    pub(super) title: String,
    /// What was run.
    pub(super) load: String,
    pub(super) brokers: Vec<BrokerResult>,
}

/// One case at one broker, round by round.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct BrokerResult {
    pub(super) broker: String,
    pub(super) rounds: Vec<Measurement>,
}

/// One round of one case at one broker. What a load does not have is absent.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Measurement {
    /// Messages a second into the broker; for loads without messages, things done a second.
    pub(super) into: Option<f64>,
    /// Messages a second out of the broker.
    pub(super) out: Option<f64>,
    /// Bytes of bodies a second in the direction the load is about.
    pub(super) bytes_per_second: Option<f64>,
    /// From publishing to delivery, or how long a thing took, in milliseconds.
    pub(super) latency: Option<Latency>,
    /// From publishing to confirmation, in milliseconds.
    pub(super) confirm_latency: Option<Latency>,
    /// Messages, or things done, for each second of the broker's processor time.
    pub(super) per_cpu_second: Option<f64>,
    /// What the case is about, as a multiple of the same without the difficulty.
    pub(super) relative: Option<f64>,
    /// Resident memory of the broker at the end, in bytes.
    pub(super) resident: Option<f64>,
    /// Resident memory the load has added, for each thing done, in bytes.
    pub(super) resident_each: Option<f64>,
    /// Bytes written towards the disk for each byte of the bodies published.
    pub(super) written_per_byte: Option<f64>,
    /// The most bytes the data directory had.
    pub(super) disk: Option<f64>,
    /// Seconds of a processor the load tool used, for each second of the load.
    pub(super) tool_share: Option<f64>,
    /// What the machine gave meanwhile. Older files don't have it.
    pub(super) conditions: Option<Conditions>,
    /// What went wrong, losses among it.
    pub(super) errors: Vec<String>,
}

/// Milliseconds that half, and 99 of 100, took no longer than.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Latency {
    pub(super) p50: f64,
    pub(super) p99: f64,
}

impl Measurement {
    /// A measurement that came to nothing.
    pub(super) fn failed(error: String) -> Self {
        Self {
            errors: vec![error],
            ..Self::default()
        }
    }

    /// Reads what `leveret perf` prints with `--json`.
    pub(super) fn of_perf(result: &Value) -> Self {
        if result.get("published").is_some() {
            Self::of_throughput(result)
        } else {
            Self::of_tally(result)
        }
    }

    fn of_throughput(result: &Value) -> Self {
        let number = |path: &str| result.pointer(path).and_then(Value::as_f64);
        let rate = |name: &str| number(&format!("/{name}/messages_per_second"));
        let into = rate("published").filter(|&rate| rate > 0.0);
        // Where messages came too late to count, the rate is 0: only without consumers is there none.
        let received = number("/check/received").is_some_and(|received| received > 0.0);
        let out = rate("consumed").filter(|&rate| rate > 0.0 || received);
        let bytes = if out.is_some() { "consumed" } else { "published" };
        let size = number("/published/bytes_per_second").zip(number("/published/messages_per_second"));
        let published = number("/check/published").unwrap_or_default();
        let bodies = size.map(|(bytes, rate)| published * bytes / rate);
        let written = number("/broker/written").filter(|&written| written > 0.0);
        let seconds =
            ["published", "consumed"].map(|flow| number(&format!("/{flow}/seconds")).unwrap_or(0.0));
        let tool = number("/cpu_seconds").map(|used| used / seconds[0].max(seconds[1]).max(1e-3));
        Self {
            into,
            out,
            bytes_per_second: number(&format!("/{bytes}/bytes_per_second")),
            latency: latency(result.get("latency_ms")),
            confirm_latency: latency(result.get("confirm_latency_ms")),
            per_cpu_second: number("/messages_per_cpu_second"),
            resident: number("/broker/resident"),
            relative: None,
            resident_each: None,
            disk: None,
            written_per_byte: written.zip(bodies).map(|(written, bodies)| written / bodies),
            tool_share: tool,
            conditions: None,
            errors: errors(result),
        }
    }

    fn of_tally(result: &Value) -> Self {
        let number = |path: &str| result.pointer(path).and_then(Value::as_f64);
        let times = number("/times").filter(|&times| times > 0.0);
        let cpu = number("/broker/cpu_seconds").filter(|&seconds| seconds > 0.0);
        let (before, resident) = (number("/broker/resident_before"), number("/broker/resident"));
        let grown = resident.zip(before).map(|(now, before)| now - before);
        Self {
            into: number("/per_second"),
            latency: latency(result.get("latency_ms")),
            per_cpu_second: times.zip(cpu).map(|(times, seconds)| times / seconds),
            resident,
            resident_each: grown.zip(times).map(|(bytes, times)| bytes / times),
            errors: errors(result),
            ..Self::default()
        }
    }

    /// The figure a case is about.
    pub(super) fn figure(&self, figure: Figure) -> Option<f64> {
        match figure {
            Figure::In => self.into,
            Figure::Out => self.out,
            Figure::Latency => self.latency.map(|latency| latency.p50),
            Figure::ConfirmLatency => self.confirm_latency.map(|latency| latency.p50),
            Figure::Share | Figure::Slowdown => self.relative,
            Figure::Resident => self.resident,
            Figure::ResidentEach => self.resident_each,
            Figure::Disk => self.disk,
        }
    }
}

impl CaseResult {
    pub(super) fn case(&self) -> Option<&'static Case> {
        CASES.iter().find(|case| case.id == self.id)
    }

    pub(super) fn of(&self, broker: &str) -> Option<&BrokerResult> {
        self.brokers.iter().find(|result| result.broker == broker)
    }
}

fn latency(of: Option<&Value>) -> Option<Latency> {
    let at = |name| of?.get(name)?.as_f64();
    Some(Latency {
        p50: at("p50")?,
        p99: at("p99")?,
    })
}

/// What the tool complains of, and messages that came twice.
fn errors(result: &Value) -> Vec<String> {
    let said = result.get("errors").and_then(Value::as_array);
    let said = said.into_iter().flatten().filter_map(Value::as_str);
    let mut errors: Vec<String> = said.map(str::to_owned).collect();
    for what in ["refused", "check/repeated"] {
        let count = result.pointer(&format!("/{what}")).and_then(Value::as_u64);
        if let Some(count) = count.filter(|&count| count > 0) {
            errors.push(format!("{count} {}", what.trim_start_matches("check/")));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_throughput_is_read_from_what_the_tool_prints() {
        let result = json!({
            "published": {"messages": 100, "seconds": 2.0, "messages_per_second": 50.0, "bytes_per_second": 500.0},
            "consumed": {"messages": 90, "seconds": 2.0, "messages_per_second": 45.0, "bytes_per_second": 450.0},
            "refused": null, "latency_ms": {"p50": 1.0, "p99": 2.0}, "confirm_latency_ms": null,
            "check": {"published": 200, "repeated": 3, "missing": 0},
            "broker": {"cpu_seconds": 0.5, "resident": 4096, "resident_before": 0, "written": 4000},
            "messages_per_cpu_second": 180.0, "cpu_seconds": 1.0, "errors": []
        });
        let measured = Measurement::of_perf(&result);
        assert_eq!((measured.into, measured.out), (Some(50.0), Some(45.0)));
        assert_eq!(measured.bytes_per_second, Some(450.0));
        assert_eq!(measured.latency, Some(Latency { p50: 1.0, p99: 2.0 }));
        assert_eq!(measured.written_per_byte, Some(2.0));
        assert_eq!(measured.tool_share, Some(0.5));
        assert_eq!(measured.errors, ["3 repeated"]);
    }

    #[test]
    fn a_round_whose_messages_came_too_late_counts_as_none_a_second() {
        let round = |received: u64| {
            let result = json!({
                "published": {"messages_per_second": 50.0}, "consumed": {"messages_per_second": 0.0},
                "check": {"received": received}
            });
            Measurement::of_perf(&result).out
        };
        assert_eq!((round(7), round(0)), (Some(0.0), None));
    }

    #[test]
    fn a_tally_is_read_from_what_the_tool_prints() {
        let result = json!({
            "times": 10, "seconds": 1.0, "per_second": 10.0, "latency_ms": {"p50": 1.0, "p99": 2.0},
            "broker": {"cpu_seconds": 0.5, "resident_before": 1000, "resident": 1500, "written": null},
            "errors": ["late"]
        });
        let measured = Measurement::of_perf(&result);
        assert_eq!((measured.into, measured.per_cpu_second), (Some(10.0), Some(20.0)));
        assert_eq!(measured.resident_each, Some(50.0));
        assert_eq!(measured.errors, ["late"]);
    }

    #[test]
    fn a_round_of_an_older_file_says_nothing_of_the_machine() {
        let mut kept = serde_json::to_value(Measurement::failed("late".to_owned())).unwrap();
        kept.as_object_mut().unwrap().remove("conditions").unwrap();
        let read: Measurement = serde_json::from_value(kept).unwrap();
        assert_eq!(read, Measurement::failed("late".to_owned()));
    }
}
