//! Messages whose bodies are in the records of others.

use super::*;
use crate::journal::inspect::inspect_files;

fn forwarded(bodies: u64, len: usize) -> (Faulty, Log) {
    let files = Faulty::default();
    let mut log = open(&files, LogSettings::default());
    for position in 0..bodies {
        append(&mut log, 1, position, &body(position, len));
    }
    log.commit().unwrap();
    for position in 0..bodies {
        forward(&mut log, (1, position), 2, position, &body(position, len));
    }
    log.commit().unwrap();
    (files, log)
}

fn body(position: u64, len: usize) -> Vec<u8> {
    vec![position as u8; len]
}

fn expected(bodies: u64, len: usize) -> BTreeMap<u64, Vec<u8>> {
    (0..bodies)
        .map(|position| (position, body(position, len)))
        .collect()
}

#[test]
fn a_body_that_goes_on_is_written_once() {
    let (files, mut log) = forwarded(100, 1000);
    let written = files.disk().written;
    assert!(written < 100 * 1200, "{written}");
    assert_eq!(held(&files, &log, 2), expected(100, 1000));
    settle(&mut log, 1, 0, 99);
    log.flush().unwrap();
    assert_eq!(held(&files, &log, 2), expected(100, 1000));
    let log = open(&files.after_power_cut(0), LogSettings::default());
    log.index().assert_sound();
    assert_eq!(held(&files, &log, 2), expected(100, 1000));
    assert_eq!(held(&files, &log, 1), BTreeMap::new());
}

#[test]
fn a_body_is_there_as_long_as_one_has_it_and_no_longer() {
    let (files, mut log) = forwarded(10, 100);
    for (from, to) in [(2, 3), (3, 4)] {
        for position in 0..10 {
            forward(&mut log, (from, position), to, position, &body(position, 100));
        }
        settle(&mut log, from, 0, 9);
        log.commit().unwrap();
    }
    settle(&mut log, 1, 0, 9);
    log.commit().unwrap();
    assert_eq!(held(&files, &log, 4), expected(10, 100));
    log.index().assert_sound();
    let segment = log.index().segment(1);
    assert_eq!((segment.live, segment.lent, segment.borrowers.live), (0, 10, 10));
    settle(&mut log, 4, 0, 8);
    log.commit().unwrap();
    assert_eq!(log.index().segment(1).lent, 1);
    settle(&mut log, 4, 9, 9);
    log.commit().unwrap();
    assert!(log.index().segment(1).is_dead());
}

#[test]
fn one_that_all_have_settled_is_written_anew_for_a_further_queue() {
    let (files, mut log) = forwarded(1, 100);
    let (page, offset) = page_from(1, 0, None, &body(0, 100));
    for store in 3..5 {
        take(&mut log, store, 0, (Arc::clone(&page), offset));
        log.commit().unwrap();
        (1..4).for_each(|store| settle(&mut log, store, 0, 0));
        log.commit().unwrap();
    }
    assert!(log.index().lending.is_empty());
    log.index().assert_sound();
    assert_eq!(held(&files, &log, 4), expected(1, 100));
    assert_eq!(
        held(&files, &open(&files, LogSettings::default()), 4),
        expected(1, 100)
    );
}

#[test]
fn a_body_that_is_not_there_any_more_is_written_again() {
    let files = Faulty::default();
    let mut log = open(&files, LogSettings::default());
    append(&mut log, 1, 0, b"settled");
    settle(&mut log, 1, 0, 0);
    forward(&mut log, (1, 0), 2, 0, b"settled");
    forward(&mut log, (1, 1), 2, 1, b"never there");
    forward(&mut log, (7, 0), 2, 2, b"of an unknown queue");
    log.commit().unwrap();
    assert!(log.index().lending.is_empty());
    let bodies = ["settled", "never there", "of an unknown queue"];
    let bodies = bodies.iter().map(|body| body.as_bytes().to_vec());
    assert!(held(&files, &log, 2).into_values().eq(bodies));
}

#[test]
fn no_more_borrow_than_there_is_memory_for() {
    let (files, mut log) = forwarded(250, 20);
    assert_eq!(log.index().lending.len(), 200);
    settle(&mut log, 1, 0, 249);
    settle(&mut log, 2, 0, 9);
    append(&mut log, 1, 250, &body(250, 20));
    forward(&mut log, (1, 250), 2, 250, &body(250, 20));
    log.commit().unwrap();
    assert_eq!(log.index().lending.len(), 191);
    let held = held(&files, &open(&files, LogSettings::default()), 2);
    assert!(
        held.into_iter()
            .eq((10..=250).map(|position| (position, body(position, 20))))
    );
}

#[test]
fn a_log_that_ends_with_the_broker_lends_nothing() {
    let files = Faulty::default();
    let mut log = open(&files, LogSettings::passing());
    append(&mut log, 1, 0, b"body");
    forward(&mut log, (1, 0), 2, 0, b"body");
    log.commit().unwrap();
    assert!(log.index().lending.is_empty());
    assert_eq!(held(&files, &log, 2)[&0], b"body");
}

#[test]
fn a_body_that_one_never_takes_holds_little_of_a_days_traffic() {
    let files = Faulty::default();
    let mut log = open(&files, middling());
    append(&mut log, 1, 0, &[9; 500]);
    forward(&mut log, (1, 0), 2, 0, &[9; 500]);
    settle(&mut log, 1, 0, 0);
    for position in 0..20_000 {
        append(&mut log, 3, position, &[1; 1000]);
        forward(&mut log, (3, position), 4, position, &[1; 1000]);
        let behind = position.saturating_sub(5);
        settle(&mut log, 3, behind, behind);
        settle(&mut log, 4, behind, behind);
        log.commit().unwrap();
        log.clean(64 * 1024).unwrap();
    }
    log.index().assert_sound();
    assert!(total(&files) < 8 * 64 * 1024, "{}", total(&files));
    let written = files.disk().written;
    assert!(written < 26_000_000, "{written}");
    let held = held(&files, &open(&files, middling()), 2);
    assert_eq!(held, BTreeMap::from([(0, vec![9; 500])]));
}

#[test]
fn a_backlog_that_waits_for_its_time_is_not_copied_for_nothing() {
    let files = Faulty::default();
    let mut log = open(&files, middling());
    let waiting = 2_000;
    for position in 0..10_000 {
        append(&mut log, 1, position, &[1; 1000]);
        if let Some(due) = position.checked_sub(waiting) {
            forward(&mut log, (1, due), 2, due, &[1; 1000]);
            settle(&mut log, 1, due, due);
            settle(&mut log, 2, due, due);
        }
        log.commit().unwrap();
        log.clean(64 * 1024).unwrap();
    }
    let written = files.disk().written;
    assert!(written < 10_000 * 1300, "{written}");
}

#[test]
fn a_tail_torn_at_any_byte_leaves_what_was_before() {
    let (files, log) = forwarded(3, 100);
    let (name, end) = (files.last(), log.index().bytes(1));
    let whole = |log: &Log, files: &Faulty, store| {
        let held = held(files, log, store);
        let all = expected(3, 100);
        assert!(
            held.iter()
                .all(|(position, body)| all.get(position) == Some(body))
        );
        held.len() as u64
    };
    let mut before = (0, 0);
    for cut in 32..=end {
        let files = files.after_power_cut(1000);
        files.truncate(&name, cut).unwrap();
        let looked = inspect_files(&files).unwrap().queues;
        let log = open(&files, LogSettings::default());
        log.index().assert_sound();
        let now = (whole(&log, &files, 1), whole(&log, &files, 2));
        assert!(
            now >= before && (now.0 == 3 || now.1 == 0),
            "cut at {cut}: {now:?}"
        );
        let told = |store| looked.get(&StoreId(store)).copied().unwrap_or_default();
        assert_eq!((told(1), told(2)), now, "cut at {cut}");
        before = now;
    }
    assert_eq!(before, (3, 3));
}

#[test]
fn a_flipped_bit_costs_those_that_have_it_and_is_reported() {
    let (files, mut log) = forwarded(3, 20);
    settle(&mut log, 1, 0, 2);
    log.flush().unwrap();
    log.close().unwrap();
    let (name, len) = (files.last(), total(&files));
    for bit in 32 * 8..len * 8 {
        let files = files.after_power_cut(1000);
        files.disk().files.get_mut(&name).unwrap().bytes[bit / 8] ^= 1 << (bit % 8);
        let looked = inspect_files(&files).unwrap();
        let defects = scan(&files).unwrap().defects;
        let lost = defects
            .iter()
            .filter(|defect| defect.kind == DefectKind::Dangling);
        let log = open(&files, LogSettings::default());
        log.index().assert_sound();
        let (held, lost) = (held(&files, &log, 2), lost.count());
        assert!(held.values().all(|body| body.len() == 20));
        assert_eq!(defects.len(), 1 + lost, "bit {bit}");
        assert!(held.len() >= 2 && held.len() + lost <= 3, "bit {bit}");
        assert_eq!(looked.queues[&StoreId(2)], held.len() as u64, "bit {bit}");
        assert_eq!(looked.defects.len(), defects.len(), "bit {bit}");
    }
}

#[test]
fn one_whose_body_is_gone_was_settled() {
    let files = Faulty::default();
    let mut log = open(&files, SMALL);
    append(&mut log, 1, 0, &[7; 2000]);
    log.commit().unwrap();
    forward(&mut log, (1, 0), 2, 0, &[7; 2000]);
    append(&mut log, 3, 0, b"stays");
    settle(&mut log, 1, 0, 0);
    log.commit().unwrap();
    let before = files.after_power_cut(1000);
    let oldest = before.disk().files.keys().next().unwrap().clone();
    assert_eq!(held(&before, &open(&before, SMALL), 2).len(), 1);
    // It was settled, the old segment deleted, and then the power cut.
    before.delete(&oldest).unwrap();
    let recovered = scan(&before).unwrap();
    assert_eq!(recovered.defects, []);
    let looked = inspect_files(&before).unwrap();
    assert_eq!((looked.defects.len(), looked.queues[&StoreId(2)]), (0, 0));
    let log = open(&before, SMALL);
    log.index().assert_sound();
    assert_eq!(held(&before, &log, 2), BTreeMap::new());
    assert_eq!(held(&before, &log, 3)[&0], b"stays");
    assert_eq!(log.sink.kept(StoreId(2)).next_position, 1);
}
