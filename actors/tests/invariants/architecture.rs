//! What the map of the crate promises about its files.

use super::sources::sources;

/// Longer files hold more than one idea.
const MOST_LINES: usize = 400;

/// The ring, from the socket to the disk: each knows those after it, and none before it.
const RING: [&str; 5] = ["connection", "channel", "consumer", "queue", "journal"];

/// Folders whose every file is pure but these: they name actors, mailboxes, sockets or clocks.
const PURE_BUT: [(&str, &[&str]); 5] = [
    ("publication", &[]),
    ("policy", &[]),
    ("exchange", &["actor.rs", "messages.rs", "replay.rs"]),
    (
        "queue",
        &[
            "actor.rs",
            "browser.rs",
            "admission.rs",
            "attachment.rs",
            "ending.rs",
            "forwarding.rs",
            "gets.rs",
            "keeping.rs",
            "messages.rs",
            "notices.rs",
            "roads.rs",
            "spilling.rs",
            "timing.rs",
        ],
    ),
    ("consumer", &["actor.rs", "desk.rs", "hall.rs", "messages.rs"]),
];

/// Further pure files.
const PURE: [&str; 21] = [
    "node/alarms.rs",
    "node/authority.rs",
    "node/settings.rs",
    "channel/answers.rs",
    "channel/confirms.rs",
    "channel/expiration.rs",
    "channel/global_prefetch.rs",
    "channel/routes.rs",
    "channel/transaction.rs",
    "channel/unacked.rs",
    "connection/handshake.rs",
    "connection/heartbeat.rs",
    "connection/sasl.rs",
    "connection/tuning.rs",
    "forwarder/death.rs",
    "forwarder/errand.rs",
    "forwarder/ledger.rs",
    "deduplication.rs",
    "name.rs",
    "vhost/equivalence.rs",
    "vhost/names.rs",
];

/// What a pure file has no use for.
const IMPURE: [&str; 6] = ["actix", "tokio", "Instant", "SystemTime", "TcpStream", "std::fs"];

#[test]
fn a_file_is_about_one_idea() {
    for source in sources() {
        let lines = source.text.lines().count();
        assert!(lines <= MOST_LINES, "{}: {lines} lines", source.path);
    }
}

#[test]
fn pure_files_name_no_actor_no_input_and_no_clock() {
    let sources = sources();
    let is_pure = |path: &str| {
        let folder = PURE_BUT
            .iter()
            .find(|(folder, _)| path.split('/').next() == Some(folder));
        PURE.contains(&path)
            || folder.is_some_and(|(_, but)| !but.iter().any(|file| path.ends_with(&format!("/{file}"))))
    };
    for path in PURE {
        assert!(sources.iter().any(|source| source.path == path), "{path} is gone");
    }
    for source in sources.iter().filter(|source| is_pure(&source.path)) {
        for word in IMPURE {
            assert!(!source.code().contains(word), "{} names {word}", source.path);
        }
    }
}

#[test]
fn dependencies_go_one_way_round_the_ring() {
    for source in sources() {
        let Some(at) = RING.iter().position(|one| *one == source.module()) else {
            continue;
        };
        for name in source.names() {
            let back = RING.iter().position(|one| *one == name);
            assert!(
                back.is_none_or(|back| back >= at),
                "{} knows {name}, which knows it",
                source.path
            );
        }
    }
}

#[test]
fn a_queue_knows_its_journal_by_an_interface_alone() {
    let mut known = sources();
    known.retain(|source| source.module() == "queue");
    for source in known {
        let code = source.code();
        let beyond = [
            "journal::Volatile",
            "std::fs",
            "std::path",
            "vhost::actor",
            "vhost::directory",
            "broker::",
            "forwarder::",
        ];
        for word in beyond {
            assert!(!code.contains(word), "{} names {word}", source.path);
        }
    }
}
