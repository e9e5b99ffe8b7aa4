//! `leveret lab`, at Leveret alone.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::process::{Outcome, PATIENCE, Process};

fn lab(out: &Path, arguments: &str) -> Outcome {
    let out = ["--out", out.to_str().unwrap(), "--work", out.to_str().unwrap()];
    Process::run(["lab"].into_iter().chain(arguments.split(' ')).chain(out))
}

#[test]
fn a_case_is_measured_round_by_round_and_told_as_table_file_and_plot() {
    let out = tempfile::tempdir().unwrap();
    let outcome = lab(out.path(), "a,q1 --no-rabbitmq --rounds 2 --seconds 0.2");
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let table = outcome.out.join("\n");
    assert!(
        table.contains("| **a** 16 B, one to one, auto-ack | Leveret |"),
        "{table}"
    );
    assert!(table.contains("| limit |"), "{table}");
    let plot = fs::read_to_string(out.path().join("lab.svg")).unwrap();
    assert!(plot.contains("<svg") && plot.contains("Leveret"), "{plot}");
    let text = fs::read_to_string(out.path().join("lab.json")).unwrap();
    let results: Value = serde_json::from_str(&text).unwrap();
    for (case, broker) in [(0, 0), (0, 1)] {
        let rounds = &results["cases"][case]["brokers"][broker]["rounds"];
        assert_eq!(rounds.as_array().unwrap().len(), 2, "{results}");
        assert!(rounds[1]["out"].as_f64().unwrap() > 0.0, "{results}");
        assert!(
            rounds[1]["conditions"]["far_ns"].as_f64().unwrap() > 0.0,
            "{results}"
        );
    }
    let idle = &results["cases"][1]["brokers"][0]["rounds"][0]["resident"];
    assert!(idle.as_f64().unwrap() > 1e6, "{results}");
    let from = ["--from", out.path().join("lab.json").to_str().unwrap()].join(" ");
    assert_eq!(lab(out.path(), &from).out.join("\n"), table);
    let left: Vec<String> = fs::read_dir(out.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("leveret-lab-"))
        .collect();
    assert!(left.is_empty(), "the brokers' data is removed: {left:?}");
}

#[test]
fn a_signal_ends_what_the_laboratory_has_started() {
    let out = tempfile::tempdir().unwrap();
    let place = out.path().to_str().unwrap();
    let words = format!("lab a --no-rabbitmq --seconds 600 --out {place} --work {place}");
    let lab = Process::start(words.split(' '));
    let children = await_children(lab.id(), 3);
    lab.signal("TERM");
    let outcome = lab.outcome();
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.err.ends_with("leveret: interrupted\n"), "{outcome:?}");
    for child in children {
        assert!(!Path::new("/proc").join(&child).exists(), "{child} goes on");
    }
    let left = fs::read_dir(out.path()).unwrap().count();
    assert_eq!(left, 0, "the brokers' data is removed");
}

/// The processes below one, once there are so many: two brokers, and a load.
fn await_children(of: u32, count: usize) -> Vec<String> {
    let begun = Instant::now();
    loop {
        let children = fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap();
        let children: Vec<String> = children.split_whitespace().map(str::to_owned).collect();
        if children.len() >= count {
            return children;
        }
        assert!(begun.elapsed() < PATIENCE, "only {children:?} were started");
        // Processes give no sign of being started.
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_case_that_is_not_there_is_named() {
    let out = tempfile::tempdir().unwrap();
    let outcome = lab(out.path(), "a,zz --no-rabbitmq");
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.err.contains("there is no case 'zz'"), "{outcome:?}");
}

#[test]
fn the_cases_are_listed_with_their_loads() {
    let outcome = Process::run(["lab", "--list"]);
    assert_eq!(outcome.code, Some(0));
    let text = outcome.out.join("\n");
    assert!(text.contains("perf -x1 -y1 -s16 --auto-ack -z {z}"), "{text}");
}
