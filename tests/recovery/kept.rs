//! Data that earlier versions left, kept in `tests/data`: a broker of today finds in it all that was there.
//!
//! Each folder `tests/data/FORMAT/END` holds the files of a data directory, [packed](packed), and `expected.json`: what the
//! broker that wrote them found on a copy when it was started again, and what `leveret check` said of it.
//!
//! When a format changes, this leaves the data of the new one beside the others, and refuses to touch what is there:
//!
//! `LEVERET_KEEP_DATA=format-2 cargo test --test recovery -- --ignored kept::data_of_today_is_kept`
//!
//! Read the `expected.json` it writes before committing it: it has to be what [`written`] has left.

mod packed;
mod written;

use std::fs;
use std::path::{Path, PathBuf};

use leveret_protocol::method::queue;
use serde_json::{Map, Value, json};

use super::check::{contents, report};
use super::support::process::BrokerProcess;
use super::support::{Channel, PATIENCE, eventually};
use super::{all, declare_durable, exists};
use written::{EXCHANGES, MOURNER, QUEUES, limited, probes};

const EXPECTED: &str = "expected.json";

#[test]
fn a_broker_of_today_finds_all_that_earlier_versions_left() {
    let mut looked_at = 0;
    for format in folders(&data()) {
        for end in folders(&format) {
            let expected = fs::read_to_string(end.join(EXPECTED)).unwrap();
            let expected: Value = serde_json::from_str(&expected).unwrap();
            let copy = tempfile::tempdir().unwrap();
            unpack(&end, copy.path());
            assert_holds(
                &report(copy.path(), 0),
                &expected["check"],
                &end.display().to_string(),
            );
            let found = found(copy.path());
            assert_eq!(found, expected["broker"], "{}", end.display());
            looked_at += 1;
        }
    }
    assert!(looked_at >= 2, "only {looked_at} directories");
}

#[test]
#[ignore = "leaves data of the version that runs it"]
fn data_of_today_is_kept() {
    let name = std::env::var("LEVERET_KEEP_DATA").expect("LEVERET_KEEP_DATA=format-N");
    let format = data().join(name);
    assert!(!format.exists(), "{} is kept as it is", format.display());
    for (end, signal) in [("stopped", "TERM"), ("killed", "KILL")] {
        let (directory, place) = (tempfile::tempdir().unwrap(), format.join(end));
        written::write(directory.path(), signal);
        for (path, (_, bytes)) in contents(directory.path()) {
            let path = path.strip_prefix(directory.path()).unwrap();
            if path != Path::new("leveret.lock") {
                let place = place.join(format!("{}.{}", path.display(), packed::EXTENSION));
                fs::create_dir_all(place.parent().unwrap()).unwrap();
                fs::write(place, packed::pack(&bytes)).unwrap();
            }
        }
        std::thread::sleep(written::EXPIRATION);
        let mut check = report(directory.path(), 0);
        check.as_object_mut().unwrap().remove("data_dir");
        let expected = json!({ "check": check, "broker": found(directory.path()) });
        let text = serde_json::to_string_pretty(&expected).unwrap() + "\n";
        fs::write(place.join(EXPECTED), text).unwrap();
    }
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn folders(place: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<_> = fs::read_dir(place)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

fn unpack(from: &Path, to: &Path) {
    for (path, (_, bytes)) in contents(from) {
        if path.extension().is_some_and(|end| end == packed::EXTENSION) {
            let place = to.join(path.strip_prefix(from).unwrap().with_extension(""));
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, packed::unpack(&bytes)).unwrap();
        }
    }
}

/// What a broker has when it is started with this directory: its messages, and what its definitions do.
fn found(data: &Path) -> Value {
    let mut broker = BrokerProcess::start_in(data);
    let connection = broker.connect();
    let channel = connection.channel();
    let mut queues = Map::new();
    for name in QUEUES {
        if exists(&channel, name) {
            let messages = all(&channel, name).iter().map(shown).collect();
            queues.insert(name.to_owned(), messages);
        }
    }
    // Declared as they were, they are the same: else these are refused.
    for (name, exchange) in EXCHANGES {
        channel.call::<leveret_protocol::method::exchange::DeclareOk>(exchange.declaration(name));
    }
    channel.call::<queue::DeclareOk<'_>>(limited());
    declare_durable(&channel, "plain");
    let mut found = json!({ "queues": queues });
    if exists(&channel, MOURNER) {
        found[MOURNER] = mourned(&channel).into();
    }
    found["routes"] = routes(&connection.channel());
    broker.signal("TERM");
    broker.ended(PATIENCE);
    found
}

/// What comes to a queue from one that was deleted, as soon as there is room for it. The time of its death is another each time.
fn mourned(channel: &Channel) -> Vec<String> {
    (0..3)
        .map(|_| {
            let mut next = None;
            eventually("there is room, and it is taken", || {
                next = channel.get(MOURNER);
                next.is_some()
            });
            let got = next.unwrap();
            channel.ack(got.tag);
            String::from_utf8(got.body).unwrap()
        })
        .collect()
}

fn shown(got: &super::Got) -> Value {
    let body = match got.body.len() {
        0..100 => json!(String::from_utf8_lossy(&got.body)),
        length => {
            json!({ "bytes": length, "sum": got.body.iter().map(|byte| u64::from(*byte)).sum::<u64>() })
        }
    };
    json!({
        "redelivered": got.redelivered,
        "exchange": got.exchange,
        "routing_key": got.routing_key,
        "properties": got.properties,
        "body": body,
    })
}

/// Which queues a message gets to. Nothing is ready in any of them.
fn routes(channel: &Channel) -> Value {
    channel.confirm_select();
    let probes = probes();
    let routed = probes
        .iter()
        .enumerate()
        .map(|(number, (exchange, key, properties))| {
            let publish = leveret_protocol::method::basic::Publish {
                exchange,
                routing_key: key,
                ..Default::default()
            };
            channel.publish_as(publish, properties, "probe");
            channel.acked(number as u64 + 1, number as u64 + 1);
            let to: Vec<_> = QUEUES
                .into_iter()
                .filter(|queue| exists(channel, queue) && !channel.drain(queue).is_empty())
                .collect();
            json!({ "exchange": exchange, "routing_key": key, "queues": to })
        });
    routed.collect()
}

/// Whether all that is expected is there; there may be more.
#[track_caller]
fn assert_holds(found: &Value, expected: &Value, place: &str) {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            for (name, expected) in expected {
                let found = found.get(name).unwrap_or(&Value::Null);
                assert_holds(found, expected, &format!("{place}, {name}"));
            }
        }
        (Value::Array(found), Value::Array(expected)) => {
            assert_eq!(found.len(), expected.len(), "{place}");
            for (number, (found, expected)) in found.iter().zip(expected).enumerate() {
                assert_holds(found, expected, &format!("{place}, {number}"));
            }
        }
        _ => assert_eq!(found, expected, "{place}"),
    }
}
