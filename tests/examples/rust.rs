//! The examples in Rust.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support::Broker;
use crate::support::program::Program;

#[test]
fn hello_comes_back() {
    assert_eq!(run("hello"), ["sent Hello World!", "received Hello World!"]);
}

#[test]
fn every_task_is_done_once() {
    let mut done: Vec<_> = run("work_queue")
        .iter()
        .map(|line| line.rsplit(' ').next().unwrap().to_owned())
        .collect();
    done.sort();
    assert_eq!(done, ["boil", "peel", "season", "serve", "slice", "stir"]);
}

#[test]
fn every_subscriber_hears() {
    assert_eq!(
        run("publish_subscribe"),
        ["subscriber 0 heard: it rained", "subscriber 1 heard: it rained"]
    );
}

#[test]
fn messages_go_by_severity() {
    let expected = [
        "everything: info started",
        "everything: warning disk nearly full",
        "everything: error disk full",
        "trouble: error disk full",
    ];
    assert_eq!(run("routing"), expected);
}

#[test]
fn messages_go_by_pattern() {
    let expected = [
        "europe.# matched europe.weather, europe.trains.delays",
        "*.weather matched europe.weather, asia.weather",
        "# matched europe.weather, europe.trains.delays, asia.weather",
    ];
    assert_eq!(run("topics"), expected);
}

#[test]
fn questions_are_answered() {
    assert_eq!(
        run("rpc"),
        ["3 squared is 9", "7 squared is 49", "12 squared is 144"]
    );
}

#[test]
fn orders_are_confirmed_or_returned() {
    assert_eq!(
        run("confirms"),
        ["1000 orders confirmed", "returned: 312 NO_ROUTE"]
    );
}

#[test]
fn a_program_may_hold_its_broker_inside() {
    assert_eq!(
        run("embedded"),
        ["read back: dear diary", "the broker has stopped"]
    );
}

/// Runs an example against a new broker: the lines it prints.
fn run(example: &str) -> Vec<String> {
    let broker = Broker::start();
    let program = built().join(example);
    Program::start(Command::new(program).env("AMQP_URL", broker.url())).finish()
}

/// Where the examples are, built from what their sources say now.
///
/// Cargo builds examples before `cargo test` runs anything, but not when a single test target is asked for.
fn built() -> &'static Path {
    static EXAMPLES: OnceLock<PathBuf> = OnceLock::new();
    EXAMPLES.get_or_init(|| {
        let this = std::env::current_exe().expect("a path");
        let profile = this
            .parent()
            .and_then(Path::parent)
            .expect("target/<profile>/deps/<this>");
        let mut build = Command::new(env!("CARGO"));
        build
            .args(["build", "--quiet", "--examples"])
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        build
            .arg("--target-dir")
            .arg(profile.parent().expect("the target folder"));
        if profile.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().is_ok_and(|status| status.success()), "{build:?}");
        profile.join("examples")
    })
}
