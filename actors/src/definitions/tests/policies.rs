//! Policies in the store.

use super::*;
use crate::policy::{ApplyTo, Policy, PolicyClass};

fn policy(name: &str, length: i32) -> Policy {
    Policy {
        name: name.into(),
        pattern: "^q".to_owned(),
        definition: FieldTable::from_iter([("max-length", length)]),
        priority: 1,
        apply_to: ApplyTo::Queues,
    }
}

fn set(class: PolicyClass, policy: Policy) -> Change {
    Change::PolicySet { class, policy }
}

#[test]
fn policies_of_both_classes_are_there_again() {
    let mut stage = Stage::new();
    let cleared = Change::PolicyCleared {
        class: PolicyClass::Operator,
        name: "gone".into(),
    };
    recorded(
        &stage.vhost("/"),
        [
            set(PolicyClass::Ordinary, policy("p", 1)),
            set(PolicyClass::Ordinary, policy("p", 2)),
            set(PolicyClass::Ordinary, policy("gone", 3)),
            set(PolicyClass::Operator, policy("p", 4)),
            set(PolicyClass::Operator, policy("gone", 5)),
            cleared,
        ],
    );
    let policies = stage.reopened("/").1.policies;
    assert_eq!(policies.len(), 3);
    let found = |class, name| policies.get(class, name).cloned();
    assert_eq!(found(PolicyClass::Ordinary, "p"), Some(policy("p", 2)));
    assert_eq!(found(PolicyClass::Ordinary, "gone"), Some(policy("gone", 3)));
    assert_eq!(found(PolicyClass::Operator, "p"), Some(policy("p", 4)));
}

#[test]
fn a_store_without_policies_is_raised_to_the_format_that_has_them() {
    let mut stage = Stage::new();
    recorded(&stage.vhost("/"), [queue(StoreId(1), "q")]);
    stage.lowered(1);
    let (definitions, recovered) = stage.reopened("/");
    assert_eq!(recovered.queues.len(), 1);
    recorded(&definitions, [set(PolicyClass::Ordinary, policy("p", 1))]);
    assert_eq!(stage.reopened("/").1.policies.len(), 1);
    let inspected = inspect(stage.directory.path()).unwrap().unwrap();
    assert_eq!((inspected.format, inspected.vhosts["/"].policies), (FORMAT, 1));
}

#[test]
fn a_policy_whose_sync_fails_is_what_it_was_before() {
    let directory = tempfile::tempdir().unwrap();
    let (mut file, _) = DatabaseFile::open(&directory.path().join(FILE)).unwrap();
    let first = undone_by(&mut file, set(PolicyClass::Ordinary, policy("p", 1)));
    assert!(matches!(first, Change::PolicyCleared { .. }), "{first:?}");
    let second = undone_by(&mut file, set(PolicyClass::Ordinary, policy("p", 2)));
    assert!(matches!(&second, Change::PolicySet { policy: before, .. } if *before == policy("p", 1)));
    let cleared = undone_by(
        &mut file,
        Change::PolicyCleared {
            class: PolicyClass::Ordinary,
            name: "p".into(),
        },
    );
    assert!(matches!(&cleared, Change::PolicySet { policy: before, .. } if *before == policy("p", 2)));
}
