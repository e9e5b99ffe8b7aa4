//! What is set for virtual hosts, in the store.

use super::*;
use crate::queue::options::QueueKind;
use crate::vhost::limits::VhostLimits;
use crate::vhost::settings::VhostSettings;

fn set(default_queue_type: Option<QueueKind>) -> Change {
    Change::VhostSet(VhostSettings {
        default_queue_type,
        ..VhostSettings::default()
    })
}

fn is_set(change: &Change, kind: Option<QueueKind>) -> bool {
    matches!(change, Change::VhostSet(settings) if settings.default_queue_type == kind)
}

#[test]
fn limits_are_there_again_with_the_rest() {
    let mut stage = Stage::new();
    let settings = |max_connections, max_queues| VhostSettings {
        default_queue_type: Some(QueueKind::Quorum),
        limits: VhostLimits {
            max_connections,
            max_queues,
        },
    };
    for set in [
        settings(Some(0), None),
        settings(None, Some(u32::MAX)),
        settings(Some(7), Some(9)),
        settings(None, None),
    ] {
        recorded(&stage.vhost("/"), [Change::VhostSet(set)]);
        assert_eq!(stage.reopened("/").1.settings, set);
    }
    stage.is_sound(FORMAT);
}

#[test]
fn a_default_type_of_queue_is_there_again() {
    let mut stage = Stage::new();
    recorded(&stage.vhost("/"), [set(Some(QueueKind::Quorum))]);
    recorded(&stage.vhost("other"), [set(Some(QueueKind::Quorum)), set(None)]);
    let (_, recovered) = stage.reopened("/");
    assert_eq!(recovered.settings.default_queue_type, Some(QueueKind::Quorum));
    assert_eq!(stage.reopened("other").1.settings.default_queue_type, None);
}

#[test]
fn a_store_without_virtual_hosts_is_raised_to_the_format_that_has_them() {
    let mut stage = Stage::new();
    recorded(&stage.vhost("/"), [queue(StoreId(1), "q")]);
    stage.lowered(2);
    let (definitions, recovered) = stage.reopened("/");
    assert_eq!(
        (recovered.queues.len(), recovered.settings.default_queue_type),
        (1, None)
    );
    recorded(&definitions, [set(Some(QueueKind::Quorum))]);
    let again = stage.reopened("/").1.settings.default_queue_type;
    assert_eq!(again, Some(QueueKind::Quorum));
    stage.is_sound(FORMAT);
}

#[test]
fn a_default_whose_sync_fails_is_what_it_was_before() {
    let directory = tempfile::tempdir().unwrap();
    let (mut file, _) = DatabaseFile::open(&directory.path().join(FILE)).unwrap();
    let first = undone_by(&mut file, set(Some(QueueKind::Quorum)));
    assert!(is_set(&first, None), "{first:?}");
    let second = undone_by(&mut file, set(None));
    assert!(is_set(&second, Some(QueueKind::Quorum)), "{second:?}");
}
