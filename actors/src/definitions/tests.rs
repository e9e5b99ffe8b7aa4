//! A store on a disk, opened again and again.

use std::sync::Arc;

use leveret_protocol::FieldTable;
use leveret_protocol::method::queue::Declare;
use redb::TableDefinition;

use super::*;
use crate::exchange::bindings::{Binding, Destination};
use crate::exchange::kind::ExchangeKind;
use crate::exchange::options::ExchangeOptions;
use crate::queue::options::QueueOptions;
use tables::FORMAT;

mod departing;
mod policies;
mod stage;
mod vhosts;

use stage::Stage;

fn recorded(definitions: &Arc<dyn Definitions>, changes: impl IntoIterator<Item = Change>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for change in changes {
        runtime.block_on(definitions.record(change)).unwrap();
    }
}

/// Records a change in a file of its own; gives the one that takes it back.
fn undone_by(file: &mut DatabaseFile, change: Change) -> Change {
    let mut undo = Vec::new();
    let change = (Name::from("/"), change);
    file.record([&change].into_iter(), &mut undo).unwrap();
    undo.into_iter().map(|(_, change)| change).next().unwrap()
}

fn queue(id: StoreId, name: &str) -> Change {
    let declare = Declare {
        queue: name,
        durable: true,
        ..Default::default()
    };
    Change::QueueDeclared {
        id,
        name: name.into(),
        options: Arc::new(QueueOptions::parse(&declare, "/").unwrap()),
    }
}

fn exchange(id: StoreId, name: &str) -> Change {
    Change::ExchangeDeclared {
        id,
        name: name.into(),
        options: ExchangeOptions::predeclared(ExchangeKind::Direct, false),
    }
}

fn bound(source: &str, source_id: StoreId, queue: &str, destination_id: StoreId, key: &str) -> Change {
    Change::Bound {
        source: source.into(),
        source_id,
        binding: Binding {
            destination: Destination::Queue(queue.into()),
            routing_key: key.into(),
            arguments: Arc::new(FieldTable::new()),
        },
        destination_id,
    }
}

fn deleted(queue: &str, sources: &[&str]) -> Change {
    Change::QueueDeleted {
        name: queue.into(),
        sources: sources.iter().map(|source| Name::from(*source)).collect(),
        departing: None,
    }
}

fn routes(recovered: &Recovered) -> Vec<String> {
    let bindings = recovered.bindings.iter();
    bindings
        .map(|(source, binding)| format!("{source}-{}-{}", binding.routing_key, binding.destination.name()))
        .collect()
}

#[test]
fn virtual_hosts_are_kept_apart() {
    let mut stage = Stage::new();
    let one = stage.vhost("one");
    recorded(&one, [queue(one.new_id(), "q")]);
    let two = stage.vhost("two");
    recorded(&two, [queue(two.new_id(), "q"), deleted("q", &[])]);
    assert_eq!(stage.reopened("one").1.queues.len(), 1);
    assert!(stage.reopened("two").1.queues.is_empty());
}

#[test]
fn an_id_is_never_given_twice_even_if_its_queue_is_gone() {
    let mut stage = Stage::new();
    let vhost = stage.vhost("/");
    let first = vhost.new_id();
    recorded(&vhost, [queue(first, "q"), deleted("q", &[])]);
    let (vhost, _) = stage.reopened("/");
    let second = vhost.new_id();
    assert!(
        first < second && first != StoreId::PREDECLARED,
        "{first:?} {second:?}"
    );
    recorded(&vhost, [queue(second, "q")]);
    let (vhost, recovered) = stage.reopened("/");
    assert_eq!(recovered.queues[0].0, second);
    assert!(vhost.new_id() > second);
}

#[test]
fn a_deleted_queue_takes_its_bindings_along_and_no_others() {
    let mut stage = Stage::new();
    let vhost = stage.vhost("/");
    let (e, q, longer) = (vhost.new_id(), vhost.new_id(), vhost.new_id());
    let direct = StoreId::PREDECLARED;
    recorded(
        &vhost,
        [
            exchange(e, "e"),
            queue(q, "q"),
            queue(longer, "q."),
            bound("e", e, "q", q, "1"),
            bound("e", e, "q", q, "2"),
            bound("e", e, "q.", longer, "3"),
            bound("amq.direct", direct, "q", q, "4"),
            deleted("q", &["e", "amq.direct", "long gone"]),
        ],
    );
    assert_eq!(routes(&stage.reopened("/").1), ["e-3-q."]);
}

#[test]
fn a_deleted_exchange_takes_its_bindings_along_and_no_others() {
    let mut stage = Stage::new();
    let vhost = stage.vhost("/");
    let (e, longer, q) = (vhost.new_id(), vhost.new_id(), vhost.new_id());
    let gone = Change::ExchangeDeleted {
        name: "e".into(),
        sources: vec!["f".into()],
    };
    let between = Change::Bound {
        source: "f".into(),
        source_id: longer,
        binding: Binding {
            destination: Destination::Exchange("e".into()),
            routing_key: "1".into(),
            arguments: Arc::default(),
        },
        destination_id: e,
    };
    recorded(
        &vhost,
        [
            exchange(e, "e"),
            exchange(longer, "f"),
            queue(q, "q"),
            bound("e", e, "q", q, "2"),
            bound("f", longer, "q", q, "3"),
            between,
            gone,
        ],
    );
    let recovered = stage.reopened("/").1;
    assert_eq!(routes(&recovered), ["f-3-q"]);
    assert_eq!(recovered.exchanges.len(), 1);
}

#[test]
fn a_binding_that_comes_too_late_does_not_lead_to_the_next_queue_of_that_name() {
    let mut stage = Stage::new();
    let vhost = stage.vhost("/");
    let (first, second, e) = (vhost.new_id(), vhost.new_id(), vhost.new_id());
    recorded(
        &vhost,
        [
            queue(first, "q"),
            deleted("q", &["amq.direct"]),
            bound("amq.direct", StoreId::PREDECLARED, "q", first, "late"),
            queue(second, "q"),
            bound("amq.direct", StoreId::PREDECLARED, "q", first, "later"),
            bound("gone", e, "q", second, "from nowhere"),
        ],
    );
    assert!(routes(&stage.reopened("/").1).is_empty());
}

#[test]
fn what_was_recorded_is_there_although_nobody_waited() {
    let mut stage = Stage::new();
    let vhost = stage.vhost("/");
    for number in 0..1_000 {
        drop(vhost.record(queue(vhost.new_id(), &format!("q{number}"))));
    }
    assert_eq!(stage.reopened("/").1.queues.len(), 1_000);
}

#[test]
fn a_closed_store_says_that_it_records_nothing() {
    let mut stage = Stage::new();
    let vhost = stage.vhost("/");
    stage.store = None;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(runtime.block_on(vhost.record(deleted("q", &[]))).is_err());
    assert!(runtime.block_on(vhost.removals_recorded()).is_err());
}

#[test]
fn a_later_format_is_refused_and_named() {
    const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
    let refused = Stage::new().spoiled(|write| {
        write
            .open_table(META)
            .unwrap()
            .insert("format", FORMAT + 1)
            .unwrap();
    });
    assert!(
        refused.contains("has format 5") && refused.contains("formats up to 4"),
        "{refused}"
    );
}

#[test]
fn a_value_that_cannot_be_read_is_named() {
    const QUEUES: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("queues");
    let with = |value: &'static [u8]| {
        Stage::new().spoiled(|write| {
            write
                .open_table(QUEUES)
                .unwrap()
                .insert(("/", "q"), value)
                .unwrap();
        })
    };
    let damaged = with(b"\x01\x00");
    assert!(
        damaged.contains("queue 'q' in vhost '/': it is not whole"),
        "{damaged}"
    );
    let newer = with(b"\x02");
    assert!(newer.contains("has format 2"), "{newer}");
}

fn same(destination: u64) -> Change {
    bound("e", StoreId(1), "q", StoreId(destination), "k")
}

#[test]
fn a_binding_whose_sync_fails_is_taken_back_unless_it_was_there_before() {
    let directory = tempfile::tempdir().unwrap();
    let (mut file, _) = DatabaseFile::open(&directory.path().join(FILE)).unwrap();
    let mut record = |changes: Vec<Change>| {
        let (changes, mut undo): (Vec<_>, _) = (
            changes
                .into_iter()
                .map(|change| (Name::from("/"), change))
                .collect(),
            Vec::new(),
        );
        file.record(changes.iter(), &mut undo).unwrap();
        undo.into_iter().map(|(_, change)| change).collect::<Vec<_>>()
    };
    record(vec![exchange(StoreId(1), "e"), queue(StoreId(2), "q")]);
    // One that means nothing is not there.
    assert!(record(vec![same(3)]).is_empty());
    let undo = record(vec![same(2), same(2)]);
    assert!(matches!(&undo[..], [Change::Unbound { .. }]), "{undo:?}");
    assert!(record(vec![same(2)]).is_empty());
    // What takes it back does so.
    record(undo);
    assert_eq!(record(vec![same(2)]).len(), 1);
}

#[test]
fn what_no_virtual_host_asked_for_is_counted_and_kept() {
    let mut stage = Stage::new();
    recorded(
        &stage.vhost("other"),
        [queue(StoreId(1), "a"), queue(StoreId(2), "b")],
    );
    recorded(&stage.vhost("/"), [queue(StoreId(3), "c")]);
    for _ in 0..2 {
        stage.reopened("/");
        let left_over = stage.store.as_ref().unwrap().left_over();
        let counted = Counted {
            queues: 2,
            ..Counted::default()
        };
        assert_eq!(
            left_over.into_iter().collect::<Vec<_>>(),
            [("other".into(), counted)]
        );
    }
}

#[test]
fn the_end_of_a_store_that_is_closed_is_no_crash() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let mut stage = Stage::new();
    let crashed = stage.store.as_ref().unwrap().crashed();
    // Waits for the thread.
    stage.store = None;
    let told = runtime.block_on(async { tokio::time::timeout(std::time::Duration::ZERO, crashed).await });
    assert!(told.is_err());
}

#[test]
fn a_broker_whose_recorder_crashes_ends() {
    use crate::broker::{Broker, Failure, Stores};
    use crate::journal::{log::LogSettings, store::JournalStore};
    let stage = Stage::new();
    let store = stage.store.as_ref().unwrap();
    let journal = JournalStore::open(stage.directory.path(), LogSettings::default()).unwrap();
    let system = actix::System::new();
    let failure = system.block_on(async {
        let stores = Stores {
            definitions: store,
            journal,
        };
        let broker = Broker::launch(crate::node::Settings::default(), Some(stores)).unwrap();
        store.orders.send(Order::Crash).unwrap();
        let failed = tokio::time::timeout(std::time::Duration::from_secs(10), broker.failed()).await;
        broker.stop("failure", std::time::Duration::from_secs(10)).await;
        failed
    });
    assert_eq!(failure, Ok(Failure::Definitions));
}
