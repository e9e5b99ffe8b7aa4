//! `leveret check`: tells what is in a data directory, whole or damaged, and changes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use leveret_protocol::method::queue::{BindOk, DeclareOk, DeleteOk};
use leveret_protocol::method::{basic, exchange};
use serde_json::Value;

use super::support::process::BrokerProcess;
use super::support::{Broker, Channel, PATIENCE, methods};
use super::{PERSISTENT, durable, durable_exchange};

/// What the program said.
pub(crate) struct Checked {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs `leveret check`, which must leave all files as they are.
#[track_caller]
pub(crate) fn check(data: &Path, arguments: &[&str]) -> Checked {
    let before = contents(data);
    let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
    let done = command.arg("check").arg(data).args(arguments).output().unwrap();
    assert!(contents(data) == before, "the check changed something");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Checked {
        code: done.status.code().expect("an orderly end"),
        out: text(done.stdout),
        err: text(done.stderr),
    }
}

/// The report as JSON, which comes with this exit code.
#[track_caller]
pub(crate) fn report(data: &Path, code: i32) -> Value {
    let checked = check(data, &["--json"]);
    assert_eq!(checked.code, code, "{}{}", checked.out, checked.err);
    serde_json::from_str(&checked.out).unwrap()
}

/// How many messages wait in each queue of the virtual host `/`.
pub(crate) fn waiting(report: &Value) -> BTreeMap<String, u64> {
    let queues = report["queues"].as_array().unwrap().iter();
    let named = |queue: &Value| {
        (
            queue["name"].as_str().unwrap().to_owned(),
            queue["waiting"].as_u64().unwrap(),
        )
    };
    queues.map(named).collect()
}

pub(crate) type Contents = BTreeMap<PathBuf, (SystemTime, Vec<u8>)>;

/// All files below a folder, and when they were changed.
pub(crate) fn contents(directory: &Path) -> Contents {
    let mut all = Contents::new();
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            let changed = path.metadata().unwrap().modified().unwrap();
            all.insert(path.clone(), (changed, fs::read(&path).unwrap()));
        }
    }
    all
}

fn publish(channel: &Channel, exchange: &str, key: &str, messages: usize) {
    for number in 0..messages {
        let publish = basic::Publish {
            exchange,
            routing_key: key,
            ..Default::default()
        };
        channel.publish_as(publish, &PERSISTENT, format!("message {number}"));
    }
    channel.acked(1, messages as u64);
}

/// `q` with 10 messages less 3, `r` with the same 10, `empty`, and a queue that is gone.
fn fill(broker: &super::support::Connection) {
    let channel = broker.channel();
    channel.call::<exchange::DeclareOk>(durable_exchange("e", "fanout"));
    for queue in ["q", "r", "gone", "empty"] {
        channel.call::<DeclareOk<'_>>(durable(queue));
        if queue != "empty" {
            channel.call::<BindOk>(methods::bind(queue, "e", ""));
        }
    }
    channel.confirm_select();
    publish(&channel, "e", "", 10);
    let last = (0..3).map(|_| channel.get("q").unwrap().tag).max().unwrap();
    channel.ack_up_to(last);
    channel.call::<DeleteOk>(methods::delete("gone"));
}

/// A directory after an orderly stop.
fn stopped() -> tempfile::TempDir {
    let data = tempfile::tempdir().unwrap();
    fill(&Broker::on(data.path()).connect());
    data
}

fn segment(data: &Path) -> PathBuf {
    let folder = fs::read_dir(data.join("journal")).unwrap();
    let segments = folder.map(|entry| entry.unwrap().path());
    segments
        .filter(|path| path.extension().is_some_and(|end| end == "journal"))
        .max()
        .unwrap()
}

fn edit(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).unwrap();
    change(&mut bytes);
    fs::write(file, bytes).unwrap();
}

#[test]
fn a_directory_after_an_orderly_stop_is_clean_and_told_in_full() {
    let data = stopped();
    let report = report(data.path(), 0);
    assert_eq!(
        waiting(&report),
        BTreeMap::from([("q".into(), 7), ("r".into(), 10)])
    );
    assert_eq!(report["stopped_in_order"], true);
    assert_eq!(report["definitions"]["format"], 4);
    let host = &report["definitions"]["vhosts"][0];
    assert_eq!(host["name"], "/");
    assert_eq!(
        (&host["exchanges"], &host["queues"], &host["bindings"]),
        (&1.into(), &3.into(), &2.into())
    );
    let segment = &report["journals"][0]["segments"][0];
    assert_eq!(segment["records"]["publications"], 10);
    assert_eq!(segment["records"]["references"], 20);
    assert_eq!(segment["records"]["queues_deleted"], 1);
    assert_eq!(segment["waiting"], 17);
    assert_eq!(report["notes"].as_array().unwrap().len(), 0, "{report}");
    let text = check(data.path(), &[]);
    assert_eq!(text.code, 0);
    for line in [
        "'q' in vhost '/': 7 messages",
        "17 messages wait in 2 queues; the last broker stopped in order",
        "no defects",
    ] {
        assert!(text.out.contains(line), "{}", text.out);
    }
}

#[test]
fn a_directory_in_use_is_refused_and_one_after_a_kill_is_clean() {
    let data = tempfile::tempdir().unwrap();
    let mut broker = BrokerProcess::start_in(data.path());
    fill(&broker.connect());
    let process = fs::read_to_string(data.path().join("leveret.lock")).unwrap();
    let refused = check(data.path(), &[]);
    assert_eq!((refused.code, refused.out.as_str()), (2, ""));
    let expected = format!("in use by a broker, process {}; stop that first", process.trim());
    assert!(
        refused.err.contains(&expected) && refused.err.lines().count() == 1,
        "{}",
        refused.err
    );
    broker.signal("KILL");
    broker.ended(PATIENCE);
    let report = report(data.path(), 0);
    assert_eq!(report["stopped_in_order"], false);
    assert_eq!(waiting(&report)["r"], 10);
}

#[test]
fn a_torn_tail_is_normal_and_damage_before_good_records_is_not() {
    let data = stopped();
    let file = segment(data.path());
    let length = fs::metadata(&file).unwrap().len();
    edit(&file, |bytes| bytes.truncate(bytes.len() - 5));
    let torn = report(data.path(), 0);
    assert_eq!(torn["stopped_in_order"], false);
    let note = &torn["notes"][0];
    assert_eq!(note["what"], "the tail was never completed");
    assert_eq!(note["bytes"], serde_json::json!([length - 16, length - 5]));
    let at = fs::read(&file)
        .unwrap()
        .windows(9)
        .position(|part| part == b"message 4")
        .unwrap();
    edit(&file, |bytes| bytes[at] ^= 1);
    let damaged = report(data.path(), 1);
    let defects = damaged["defects"].as_array().unwrap();
    // The publication and one of the two queues that refer to it: the other is gone.
    assert_eq!(defects.len(), 2, "{damaged}");
    let (from, to) = (
        defects[0]["bytes"][0].as_u64().unwrap(),
        defects[0]["bytes"][1].as_u64().unwrap(),
    );
    assert!(from < at as u64 && to > at as u64, "{damaged}");
    assert_eq!(
        defects[0]["file"],
        format!("journal/{}", file.file_name().unwrap().to_str().unwrap())
    );
    let what = defects[1]["what"].as_str().unwrap();
    assert!(
        what.contains("in vhost '/' refers to a publication that is not there"),
        "{damaged}"
    );
    assert_eq!(
        waiting(&damaged),
        BTreeMap::from([("q".into(), 6), ("r".into(), 9)])
    );
    let text = check(data.path(), &[]);
    assert!(
        text.out.contains("DEFECT: journal/") && text.out.ends_with("2 defects\n"),
        "{}",
        text.out
    );
}

#[test]
fn an_unreadable_segment_is_a_defect_and_a_foreign_file_is_none() {
    let data = stopped();
    fs::write(data.path().join("journal/notes.txt"), "mine").unwrap();
    let clean = report(data.path(), 0);
    assert_eq!(clean["notes"][0]["file"], "journal/notes.txt");
    assert_eq!(clean["journals"][0]["checkpoint"], true);
    edit(&data.path().join("journal/checkpoint"), |bytes| bytes[20] ^= 1);
    let spoiled = report(data.path(), 1);
    assert_eq!(spoiled["journals"][0]["checkpoint"], false);
    assert_eq!(spoiled["defects"][0]["file"], "journal/checkpoint");
    edit(&segment(data.path()), |bytes| bytes[20] ^= 1);
    let damaged = report(data.path(), 1);
    assert_eq!(damaged["defects"][0]["what"], "unreadable: the header is damaged");
    assert!(waiting(&damaged).is_empty());
}

#[test]
fn a_missing_segment_is_mentioned() {
    let data = stopped();
    let file = segment(data.path());
    let further = file.with_file_name("0000000009.journal");
    fs::write(further, "").unwrap();
    let report = report(data.path(), 0);
    let notes = report["notes"].to_string();
    assert!(notes.contains("to 8 are not there"), "{notes}");
    assert!(notes.contains("the file ends within its header"), "{notes}");
}

#[test]
fn what_a_later_version_wrote_is_left_to_it() {
    let data = stopped();
    edit(&segment(data.path()), |bytes| {
        bytes[8] = 9;
        let check = crc32(&bytes[..24]);
        bytes[24..28].copy_from_slice(&check.to_le_bytes());
    });
    let later = check(data.path(), &["--json"]);
    assert_eq!((later.code, later.out.as_str()), (2, ""));
    assert!(later.err.contains("later version (format 9)"), "{}", later.err);
}

#[test]
fn damaged_definitions_are_a_defect_and_the_messages_are_counted_all_the_same() {
    let data = stopped();
    let file = data.path().join("definitions.redb");
    let whole = fs::read(&file).unwrap();
    edit(&file, |bytes| {
        let keys: Vec<usize> = (0..bytes.len() - 5)
            .filter(|at| bytes[*at..].starts_with(b"empty"))
            .collect();
        assert!(!keys.is_empty());
        keys.iter().for_each(|at| bytes[*at] ^= 0x20);
    });
    let damaged = report(data.path(), 1);
    assert_eq!(damaged["defects"][0]["file"], "definitions.redb");
    assert_eq!(
        damaged["unknown_queues"].as_array().unwrap().len(),
        2,
        "{damaged}"
    );
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(report(data.path(), 1)["definitions"], Value::Null);
    fs::remove_file(&file).unwrap();
    let missing = report(data.path(), 1);
    assert!(
        missing["defects"][0]["meaning"]
            .as_str()
            .unwrap()
            .contains("a broker does not start"),
        "{missing}"
    );
}

#[test]
fn what_is_not_there_is_said_in_one_line() {
    let data = stopped();
    fs::remove_dir_all(data.path().join("journal")).unwrap();
    assert!(waiting(&report(data.path(), 0)).is_empty());
    let empty = tempfile::tempdir().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let absent = empty.path().join("nothing");
    for (path, said) in [
        (empty.path(), "holds no data of Leveret"),
        (file.path(), "cannot read"),
        (&absent, "cannot read"),
    ] {
        let refused = check(path, &[]);
        assert_eq!(refused.code, 2, "{}", refused.out);
        assert!(
            refused.err.contains(said) && refused.err.contains(path.to_str().unwrap()),
            "{}",
            refused.err
        );
        assert_eq!(refused.err.lines().count(), 1);
    }
    assert!(!absent.exists());
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}
