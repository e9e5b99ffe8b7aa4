//! Deleted queues whose dead are still to be carried away, in the store.

use super::*;
use crate::journal::Positions;
use crate::queue::{Deceased, Departing, Reason};

fn departing() -> Departing {
    Departing {
        name: "q".into(),
        dead_letter_exchange: Some("dlx".into()),
        dead_letter_routing_key: None,
        dead: vec![Deceased {
            positions: Positions { first: 3, last: 7 },
            reason: Reason::Expired,
        }],
    }
}

fn departs(id: StoreId) -> Change {
    Change::QueueDeleted {
        name: "q".into(),
        sources: vec!["e".into()],
        departing: Some((id, Arc::new(departing()))),
    }
}

#[test]
fn a_deleted_queue_departs_over_restarts_until_it_has_departed() {
    let mut stage = Stage::new();
    let vhost = stage.vhost("/");
    let (e, q, next) = (vhost.new_id(), vhost.new_id(), vhost.new_id());
    let bind = bound("e", e, "q", q, "k");
    recorded(
        &vhost,
        [
            exchange(e, "e"),
            queue(q, "q"),
            bind,
            departs(q),
            queue(next, "q"),
        ],
    );
    for _ in 0..2 {
        let (_, recovered) = stage.reopened("/");
        assert_eq!(recovered.departing, [(q, departing())]);
        assert!(recovered.bindings.is_empty());
        assert_eq!(recovered.queues[0].0, next);
    }
    let inspected = inspect(stage.directory.path()).unwrap().unwrap();
    assert_eq!(
        (inspected.vhosts["/"].queues, inspected.vhosts["/"].departing),
        (1, 1)
    );
    assert_eq!(inspected.departing[&q], ("/".to_owned(), "q".to_owned()));
    let other = stage.vhost("other");
    recorded(&other, [Change::QueueDeparted { id: q }]);
    let (vhost, recovered) = stage.reopened("/");
    assert_eq!(recovered.departing.len(), 1, "it is another one's");
    recorded(&vhost, [Change::QueueDeparted { id: q }]);
    assert!(stage.reopened("/").1.departing.is_empty());
}

#[test]
fn the_journal_is_to_keep_what_departs() {
    let mut stage = Stage::new();
    let vhost = stage.vhost("/");
    let q = vhost.new_id();
    recorded(&vhost, [queue(q, "q"), departs(q)]);
    stage.store = None;
    let store = DefinitionStore::open(stage.directory.path()).unwrap();
    assert!(store.queues().contains(&q));
    assert_eq!(store.left_over()[&Name::from("/")].departing, 1);
}

#[test]
fn a_store_without_departing_queues_is_raised_to_the_format_that_has_them() {
    let mut stage = Stage::new();
    recorded(&stage.vhost("/"), [queue(StoreId(1), "q")]);
    stage.lowered(3);
    let (definitions, recovered) = stage.reopened("/");
    assert_eq!((recovered.queues.len(), recovered.departing.len()), (1, 0));
    recorded(&definitions, [departs(StoreId(1))]);
    assert_eq!(stage.reopened("/").1.departing.len(), 1);
    stage.is_sound(FORMAT);
}

#[test]
fn a_departing_queue_that_cannot_be_read_is_named() {
    let damaged = Stage::new().spoiled(|write| {
        let mut table = write.open_table(tables::DEPARTING).unwrap();
        table.insert(("/", 7), &b"\x01\x00"[..]).unwrap();
    });
    assert!(
        damaged.contains("deleted queue 7 in vhost '/': it is not whole"),
        "{damaged}"
    );
}
