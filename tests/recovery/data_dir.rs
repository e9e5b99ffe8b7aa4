//! The directory itself: who may use it, and what is said when it can't be used.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use leveret_protocol::method::queue::DeclareOk;

use super::support::Broker;
use super::support::process::BrokerProcess;
use super::support::program::Program;
use super::{durable, exists};

const DEFINITIONS: &str = "definitions.redb";

/// Starts the program where it can't run; gives the one line it says.
fn refused(data: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
    command.args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(data);
    let mut program = Program::start(&mut command);
    assert_eq!(program.ended(Duration::from_secs(30)).code(), Some(1));
    let lines = program.rest();
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.concat()
}

/// A directory with the definitions of a broker that was stopped in order.
fn used() -> tempfile::TempDir {
    let data = tempfile::tempdir().unwrap();
    let broker = Broker::on(data.path());
    let channel = broker.connect().channel();
    for number in 0..50 {
        channel.call::<DeclareOk<'_>>(durable(&format!("q{number}")));
    }
    data
}

#[test]
fn a_second_broker_is_refused_and_the_first_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let broker = BrokerProcess::start_in(data.path());
    let process = fs::read_to_string(data.path().join("leveret.lock")).unwrap();
    let line = refused(data.path());
    let expected = format!("in use by another broker, process {}", process.trim());
    assert!(line.contains(&expected) && line.contains("--data-dir"), "{line}");
    broker.connect().channel().call::<DeclareOk<'_>>(durable("q"));
}

#[test]
fn the_lock_of_a_killed_broker_is_no_obstacle() {
    let data = tempfile::tempdir().unwrap();
    drop(BrokerProcess::start_in(data.path()));
    assert!(data.path().join("leveret.lock").exists());
    BrokerProcess::start_in(data.path()).connect();
}

#[test]
fn the_directory_is_made_below_the_working_directory_by_default() {
    let place = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
    command
        .args(["--listen", "127.0.0.1:0"])
        .current_dir(place.path());
    let mut program = Program::start(command.env_remove("LEVERET_DATA_DIR"));
    program.wait_for("leveret ready");
    assert!(place.path().join("leveret-data").join(DEFINITIONS).exists());
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    let line = refused(&file.join("data"));
    assert!(line.contains("cannot use the data directory"), "{line}");
    assert!(line.contains(file.to_str().unwrap()), "{line}");
}

#[test]
fn what_is_no_database_is_refused_and_kept() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join(DEFINITIONS);
    fs::write(
        &file,
        "these are not the definitions you are looking for".repeat(100),
    )
    .unwrap();
    let before = fs::read(&file).unwrap();
    let line = refused(data.path());
    assert!(
        line.contains(file.to_str().unwrap()) && line.contains("is damaged"),
        "{line}"
    );
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn a_database_with_overwritten_pages_is_refused() {
    let data = used();
    let file = data.path().join(DEFINITIONS);
    let mut bytes = fs::read(&file).unwrap();
    let whole = bytes.clone();
    let names: Vec<usize> = (0..bytes.len() - 4)
        .filter(|at| bytes[*at..].starts_with(b"q49"))
        .collect();
    assert!(!names.is_empty());
    names.iter().for_each(|at| bytes[*at] ^= 0x20);
    fs::write(&file, &bytes).unwrap();
    let line = refused(data.path());
    assert!(line.contains("is damaged"), "{line}");
    fs::write(&file, whole).unwrap();
    let broker = Broker::on(data.path());
    assert!(exists(&broker.connect().channel(), "q49"));
}

#[test]
fn a_database_that_was_cut_is_refused() {
    let data = used();
    let file = data.path().join(DEFINITIONS);
    let length = fs::metadata(&file).unwrap().len();
    for left in [length / 2, 100] {
        fs::OpenOptions::new()
            .write(true)
            .open(&file)
            .unwrap()
            .set_len(left)
            .unwrap();
        let line = refused(data.path());
        assert!(line.contains("is damaged"), "{left}: {line}");
    }
}

#[test]
fn messages_without_definitions_are_not_dropped() {
    let data = used();
    let file = data.path().join(DEFINITIONS);
    let whole = fs::read(&file).unwrap();
    let broker = Broker::on(data.path());
    let channel = broker.connect().channel();
    channel.confirm_select();
    (0..3).for_each(|_| channel.publish_with("q7", &super::PERSISTENT, "kept"));
    channel.acked(1, 3);
    drop(broker);
    let unlocked = |path: &Path| {
        let mut all = super::check::contents(path);
        all.remove(&path.join("leveret.lock"));
        all
    };
    for remains in [None, Some("")] {
        fs::remove_file(&file).unwrap();
        remains
            .into_iter()
            .for_each(|bytes| fs::write(&file, bytes).unwrap());
        let before = unlocked(data.path());
        let line = refused(data.path());
        for said in [
            file.to_str().unwrap(),
            "3 messages",
            "restore the file from a backup",
            "journal",
        ] {
            assert!(line.contains(said), "{line}");
        }
        assert!(unlocked(data.path()) == before, "something was changed");
        fs::write(&file, &whole).unwrap();
    }
    let broker = Broker::on(data.path());
    assert_eq!(broker.connect().channel().drain("q7"), ["kept"; 3]);
}

#[test]
fn a_journal_in_which_nothing_waits_needs_no_definitions() {
    let data = used();
    fs::remove_file(data.path().join(DEFINITIONS)).unwrap();
    assert!(data.path().join("journal").exists());
    let broker = Broker::on(data.path());
    assert!(!exists(&broker.connect().channel(), "q7"));
}

#[test]
fn a_journal_that_was_moved_away_lets_a_broker_begin_anew() {
    let data = used();
    fs::remove_file(data.path().join(DEFINITIONS)).unwrap();
    fs::remove_dir_all(data.path().join("journal")).unwrap();
    Broker::on(data.path()).connect();
}
