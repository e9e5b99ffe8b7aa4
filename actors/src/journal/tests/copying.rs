//! Copying forward on a disk that fails: no message is left out, and nothing is held up.

use std::collections::BTreeMap;

use super::*;

/// A log with an old segment that is to be cleaned, and what four queues have in it. The messages of the third and fourth have
/// the bodies of those of the first, some of which are settled.
fn wasteful() -> (Faulty, Log) {
    let files = Faulty::default();
    files.disk().write_limit = Some(200);
    let mut log = open(&files, SMALL);
    for position in 0..8 {
        let (page, offset) = page(&body(position));
        for store in 1..=2 {
            log.take(Op::Append {
                store: StoreId(store),
                page: Arc::clone(&page),
                messages: vec![(position, offset)],
                deadlines: Vec::new(),
                ticket: position,
            });
        }
    }
    for position in 0..8 {
        forward(&mut log, (1, position), 4, position, &body(position));
        forward(&mut log, (4, position), 5, position, &body(position));
    }
    settle(&mut log, 1, 0, 3);
    settle(&mut log, 2, 0, 2);
    settle(&mut log, 4, 1, 5);
    for position in 0..20 {
        append(&mut log, 3, position, &[3; 1000]);
        settle(&mut log, 3, position, position);
        log.commit().unwrap();
    }
    (files, log)
}

/// What they have.
const LEFT: [(u64, &[u64]); 4] = [
    (1, &[4, 5, 6, 7]),
    (2, &[3, 4, 5, 6, 7]),
    (4, &[0, 6, 7]),
    (5, &[0, 1, 2, 3, 4, 5, 6, 7]),
];

fn body(position: u64) -> Vec<u8> {
    vec![position as u8; 100]
}

fn all_there(files: &Faulty, log: &Log) {
    for (store, left) in LEFT {
        let expected = left.iter().map(|&position| (position, body(position)));
        assert_eq!(held(files, log, store), expected.collect(), "{store}");
    }
}

fn oldest(files: &Faulty) -> String {
    files.disk().files.keys().next().unwrap().clone()
}

/// Cleans until nothing is left to do, at most so often, and calls `before` ahead of each commit.
fn clean(files: &Faulty, log: &mut Log, mut before: impl FnMut(usize)) -> usize {
    for commits in 0..100 {
        let more = log.clean(500).unwrap();
        before(commits);
        let _ = log.commit();
        all_there(files, log);
        if !more || log.take_failed_copies() {
            return commits;
        }
    }
    panic!("it cleans for ever");
}

/// Cleans while `fault` is done to the disk ahead of each commit, and again when it is good. True when everything is free once
/// all is settled: nothing is counted twice.
fn survives(settle_first: bool, mut fault: impl FnMut(&Faulty, usize)) -> bool {
    let (files, mut log) = wasteful();
    let first = oldest(&files);
    if settle_first {
        settle(&mut log, 1, 9, 9);
    }
    clean(&files, &mut log, |commits| fault(&files, commits));
    {
        let mut disk = files.disk();
        (disk.failing_syncs, disk.writes_left, disk.space) = (0, None, None);
    }
    log.flush().unwrap();
    all_there(&files, &log);
    log.index().assert_sound();
    all_there(&files, &open(&files.after_power_cut(0), SMALL));
    clean(&files, &mut log, |_| {});
    log.flush().unwrap();
    log.commit().unwrap();
    assert_ne!(oldest(&files), first, "the old segment is cleaned and deleted");
    all_there(&files, &open(&files.after_power_cut(0), SMALL));
    for (store, _) in LEFT {
        settle(&mut log, store, 0, 8);
    }
    log.flush().unwrap();
    log.commit().unwrap();
    let index = log.index();
    index.segments().all(|(_, segment)| segment.is_dead())
        && index.shared.is_empty()
        && index.lending.is_empty()
}

#[test]
fn copies_that_can_not_be_written_leave_the_originals_where_they_are() {
    for writes in 0..40 {
        let fault = |files: &Faulty, commits: usize| {
            if commits == 0 {
                files.disk().writes_left = Some(writes);
            }
        };
        assert!(survives(writes % 2 == 0, fault), "after {writes} writes");
    }
}

#[test]
fn copies_that_can_not_be_synced_leave_the_originals_where_they_are() {
    for at in 0..8 {
        for times in 1..4 {
            let fault = |files: &Faulty, commits: usize| {
                if commits == at {
                    files.disk().failing_syncs = times;
                }
            };
            assert!(survives(at % 2 == 0, fault), "commit {at}, {times} times");
        }
    }
}

#[test]
fn a_disk_that_fills_up_at_any_byte_of_the_copies_leaves_the_originals_where_they_are() {
    for room in (0..3000).step_by(50) {
        let fault = |files: &Faulty, commits: usize| {
            if commits == 0 {
                let used = total(files);
                files.disk().space = Some(used + room);
            }
        };
        assert!(survives(room % 100 == 0, fault), "{room} bytes");
    }
}

#[test]
fn segments_that_become_empty_are_deleted_while_there_is_no_room_for_copies() {
    let (files, mut log) = wasteful();
    let (first, used) = (oldest(&files), total(&files));
    files.disk().space = Some(used);
    clean(&files, &mut log, |_| {});
    assert!(total(&files) <= used, "attempts leave nothing behind");
    assert!(log.clean(500).unwrap(), "it begins again");
    append(&mut log, 1, 8, &body(8));
    for (store, _) in LEFT {
        settle(&mut log, store, 0, 7);
    }
    // The first attempt finds no room and makes some.
    let _ = log.commit();
    log.commit().unwrap();
    assert_ne!(oldest(&files), first);
    assert_eq!(held(&files, &log, 1), BTreeMap::from([(8, body(8))]));
}

/// Segments of 256 KiB, of which the oldest holds a thousand messages that two queues have.
fn large() -> (Faulty, Log) {
    let files = Faulty::default();
    let settings = LogSettings {
        segment_bytes: 256 * 1024,
        ..SMALL
    };
    let mut log = open(&files, settings);
    for store in 1..=2 {
        for position in 0..1000 {
            append(&mut log, store, position, &body(position));
        }
    }
    log.commit().unwrap();
    for position in 0..10 {
        append(&mut log, 3, position, &[3; 200_000]);
        settle(&mut log, 3, position, position);
        log.commit().unwrap();
    }
    (files, log)
}

#[test]
fn a_segment_is_read_piece_by_piece_and_again_after_a_read_that_failed() {
    let (files, mut log) = large();
    let (first, mut failures) = (oldest(&files), 0);
    for steps in 0..1000 {
        files.disk().failing_reads = usize::from(steps == 40);
        match log.clean(4096) {
            Ok(true) => {}
            Ok(false) => break,
            Err(_) => failures += 1,
        }
        log.commit().unwrap();
    }
    assert_eq!(failures, 1, "it is more than forty pieces");
    assert_ne!(oldest(&files), first, "it is cleaned and deleted");
    let longest = files.disk().longest_read;
    assert!(longest <= 3 * 4096, "{longest} bytes were read at once");
    for store in 1..=2 {
        let expected = (0..1000).map(|position| (position, body(position)));
        assert_eq!(held(&files, &log, store), expected.collect());
    }
}
