//! What is set for virtual hosts, in the store.

use super::*;
use crate::queue::options::QueueKind;

fn set(kind: Option<QueueKind>) -> Change {
    Change::DefaultQueueType(kind)
}

#[test]
fn a_default_type_of_queue_is_there_again() {
    let mut stage = Stage::new();
    recorded(&stage.vhost("/"), [set(Some(QueueKind::Quorum))]);
    recorded(&stage.vhost("other"), [set(Some(QueueKind::Quorum)), set(None)]);
    let (_, recovered) = stage.reopened("/");
    assert_eq!(recovered.default_queue_type, Some(QueueKind::Quorum));
    assert_eq!(stage.reopened("other").1.default_queue_type, None);
}

#[test]
fn a_store_without_virtual_hosts_is_raised_to_the_format_that_has_them() {
    let mut stage = Stage::new();
    recorded(&stage.vhost("/"), [queue(StoreId(1), "q")]);
    stage.lowered(2);
    let (definitions, recovered) = stage.reopened("/");
    assert_eq!((recovered.queues.len(), recovered.default_queue_type), (1, None));
    recorded(&definitions, [set(Some(QueueKind::Quorum))]);
    let again = stage.reopened("/").1.default_queue_type;
    assert_eq!(again, Some(QueueKind::Quorum));
    stage.is_sound(FORMAT);
}

#[test]
fn a_default_whose_sync_fails_is_what_it_was_before() {
    let directory = tempfile::tempdir().unwrap();
    let (mut file, _) = DatabaseFile::open(&directory.path().join(FILE)).unwrap();
    let first = undone_by(&mut file, set(Some(QueueKind::Quorum)));
    assert!(matches!(first, Change::DefaultQueueType(None)), "{first:?}");
    let second = undone_by(&mut file, set(None));
    assert!(
        matches!(second, Change::DefaultQueueType(Some(QueueKind::Quorum))),
        "{second:?}"
    );
}
