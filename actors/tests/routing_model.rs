//! Routing against the plainest models of it that can be written down.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that is wrong about its own data should fail"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use leveret_actors::{
    exchange::{
        bindings::{Binding, Bindings, Destination},
        kind::ExchangeKind,
        routes::Routes,
        walk::{Content, Graph, Message, Routing, walk},
    },
    name::Name,
};
use leveret_protocol::{FieldTable, FieldValue};
use proptest::{collection::vec, option, prelude::*, sample::select};

fn queue(number: usize) -> Destination {
    Destination::Queue(Name::from(format!("q{number}")))
}

fn binding(destination: Destination, key: &str, arguments: FieldTable) -> Binding {
    Binding {
        destination,
        routing_key: Name::from(key),
        arguments: Arc::new(arguments),
    }
}

fn routed(routes: &Routes, key: &str, headers: Option<&FieldTable>) -> BTreeSet<Destination> {
    let mut found = BTreeSet::new();
    routes.route(key, headers, &mut |destination| {
        found.insert(destination.clone());
    });
    found
}

mod topic {
    use super::*;

    /// The rules of topic matching, word by word.
    fn matches(pattern: &[&str], key: &[&str]) -> bool {
        match (pattern, key) {
            ([], []) => true,
            (["#", rest @ ..], _) => (0..=key.len()).any(|taken| matches(rest, &key[taken..])),
            (["*", rest @ ..], [_, key @ ..]) => matches(rest, key),
            ([word, rest @ ..], [first, key @ ..]) => word == first && matches(rest, key),
            _ => false,
        }
    }

    fn words(key: &str) -> Vec<&str> {
        if key.is_empty() {
            Vec::new()
        } else {
            key.split('.').collect()
        }
    }

    fn pattern() -> impl Strategy<Value = String> {
        vec(select(vec!["a", "b", "", "*", "#", "#"]), 0..6).prop_map(|words| words.join("."))
    }

    fn key() -> impl Strategy<Value = String> {
        vec(select(vec!["a", "b", "", "c"]), 0..7).prop_map(|words| words.join("."))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn the_trie_matches_what_the_rules_match(
            patterns in vec(pattern(), 1..30),
            gone in vec(any::<bool>(), 30),
            keys in vec(key(), 1..10),
        ) {
            let mut bindings = Bindings::new(ExchangeKind::Topic);
            for (number, pattern) in patterns.iter().enumerate() {
                bindings.bind(binding(queue(number), pattern, FieldTable::new())).unwrap();
            }
            for (number, pattern) in patterns.iter().enumerate().filter(|(number, _)| gone[*number]) {
                prop_assert!(bindings.unbind(&binding(queue(number), pattern, FieldTable::new())));
            }
            for key in &keys {
                let expected: BTreeSet<Destination> = patterns
                    .iter()
                    .enumerate()
                    .filter(|(number, pattern)| !gone[*number] && matches(&words(pattern), &words(key)))
                    .map(|(number, _)| queue(number))
                    .collect();
                prop_assert_eq!(routed(&bindings.routes(), key, None), expected, "key {:?}", key);
            }
        }

        #[test]
        fn a_reverse_topic_matches_the_other_way_round(
            keys in vec(key(), 1..30),
            gone in vec(any::<bool>(), 30),
            patterns in vec(pattern(), 1..10),
        ) {
            let mut bindings = Bindings::new(ExchangeKind::ReverseTopic);
            for (number, key) in keys.iter().enumerate() {
                bindings.bind(binding(queue(number), key, FieldTable::new())).unwrap();
            }
            for (number, key) in keys.iter().enumerate().filter(|(number, _)| gone[*number]) {
                prop_assert!(bindings.unbind(&binding(queue(number), key, FieldTable::new())));
            }
            for pattern in &patterns {
                let expected: BTreeSet<Destination> = keys
                    .iter()
                    .enumerate()
                    .filter(|(number, key)| !gone[*number] && matches(&words(pattern), &words(key)))
                    .map(|(number, _)| queue(number))
                    .collect();
                prop_assert_eq!(routed(&bindings.routes(), pattern, None), expected, "pattern {:?}", pattern);
            }
        }
    }
}

mod headers {
    use super::*;

    fn same(one: &FieldValue, two: &FieldValue) -> bool {
        match (one, two) {
            (FieldValue::F32(one), FieldValue::F64(two)) | (FieldValue::F64(two), FieldValue::F32(one)) => {
                f64::from(*one) == *two
            }
            _ => match (one.as_i64(), two.as_i64()) {
                (Some(one), Some(two)) => one == two,
                _ => one == two,
            },
        }
    }

    /// The rules of headers matching, argument by argument.
    fn matches(arguments: &FieldTable, headers: &FieldTable) -> bool {
        let mode = arguments
            .get("x-match")
            .and_then(FieldValue::as_str)
            .unwrap_or("all");
        let mut verdicts = arguments
            .iter()
            .filter(|(name, _)| **name != "x-match")
            .filter(|(name, _)| mode.ends_with("-with-x") || !name.starts_with(b"x-"))
            .map(|(name, wanted)| {
                let header = headers.get(name.as_str().unwrap());
                header.is_some_and(|header| *wanted == FieldValue::Void || same(wanted, header))
            });
        if mode.starts_with("any") {
            verdicts.any(|holds| holds)
        } else {
            verdicts.all(|holds| holds)
        }
    }

    fn value() -> impl Strategy<Value = FieldValue> {
        select(vec![
            FieldValue::I32(1),
            FieldValue::I64(1),
            FieldValue::U8(2),
            FieldValue::F64(1.0),
            FieldValue::F32(1.0),
            FieldValue::Bool(true),
            "1".into(),
            "x".into(),
            FieldValue::Void,
        ])
    }

    fn fields() -> impl Strategy<Value = BTreeMap<&'static str, FieldValue>> {
        proptest::collection::btree_map(select(vec!["a", "b", "c", "x-a"]), value(), 0..4)
    }

    fn arguments() -> impl Strategy<Value = FieldTable> {
        let mode = option::of(select(vec!["all", "any", "all-with-x", "any-with-x"]));
        (fields(), mode).prop_map(|(fields, mode)| {
            let mut table = FieldTable::from_iter(fields);
            if let Some(mode) = mode {
                table.insert("x-match", mode);
            }
            table
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn the_index_matches_what_the_rules_match(
            tables in vec(arguments(), 1..30),
            gone in vec(any::<bool>(), 30),
            messages in vec(fields(), 1..10),
        ) {
            let mut bindings = Bindings::new(ExchangeKind::Headers);
            // Few destinations, so that several bindings share one.
            let bound = |number: usize| binding(queue(number % 7), "", tables[number].clone());
            let mut held: BTreeSet<usize> = BTreeSet::new();
            for number in 0..tables.len() {
                if bindings.bind(bound(number)).unwrap() {
                    held.insert(number);
                }
            }
            for number in held.clone().into_iter().filter(|number| gone[*number]) {
                prop_assert!(bindings.unbind(&bound(number)));
                held.remove(&number);
            }
            for message in messages {
                let message = FieldTable::from_iter(message);
                let expected: BTreeSet<Destination> = held
                    .iter()
                    .filter(|number| matches(&tables[**number], &message))
                    .map(|number| queue(number % 7))
                    .collect();
                prop_assert_eq!(routed(&bindings.routes(), "k", Some(&message)), expected);
            }
        }
    }
}

mod bindings {
    use super::*;

    type Identity = (Destination, &'static str, BTreeMap<&'static str, i32>);

    #[derive(Clone, Debug)]
    enum Step {
        Bind(Identity),
        Unbind(Identity),
        Forget(Destination),
    }

    fn destination() -> impl Strategy<Value = Destination> {
        (0..4_usize, any::<bool>()).prop_map(|(number, is_queue)| {
            if is_queue {
                queue(number)
            } else {
                Destination::Exchange(Name::from(format!("q{number}")))
            }
        })
    }

    fn identity() -> impl Strategy<Value = Identity> {
        let arguments = proptest::collection::btree_map(select(vec!["m", "n"]), 0..2, 0..3);
        (destination(), select(vec!["a", "b", "a.b", "#", "*"]), arguments)
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => identity().prop_map(Step::Bind),
            3 => identity().prop_map(Step::Unbind),
            1 => destination().prop_map(Step::Forget),
        ]
    }

    /// The binding, its arguments in either order.
    fn made((destination, key, arguments): &Identity, turned: bool) -> Binding {
        let mut fields: Vec<(&str, i32)> = arguments.iter().map(|(name, value)| (*name, *value)).collect();
        if turned {
            fields.reverse();
        }
        binding(destination.clone(), key, FieldTable::from_iter(fields))
    }

    fn kind() -> impl Strategy<Value = ExchangeKind> {
        select(vec![
            ExchangeKind::Direct,
            ExchangeKind::Fanout,
            ExchangeKind::Topic,
            ExchangeKind::Headers,
        ])
    }

    /// What a fresh exchange with just these bindings would route.
    fn rebuilt(kind: ExchangeKind, held: &BTreeSet<Identity>) -> Routes {
        let mut bindings = Bindings::new(kind);
        for identity in held {
            bindings.bind(made(identity, false)).unwrap();
        }
        bindings.routes()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn bindings_are_a_set_and_the_routes_follow_it(kind in kind(), steps in vec(step(), 1..80)) {
            let mut bindings = Bindings::new(kind);
            let mut held: BTreeSet<Identity> = BTreeSet::new();
            for (at, step) in steps.into_iter().enumerate() {
                let turned = at % 2 == 0;
                match step {
                    Step::Bind(identity) => {
                        let new = bindings.bind(made(&identity, turned)).unwrap();
                        prop_assert_eq!(new, held.insert(identity));
                    }
                    Step::Unbind(identity) => {
                        prop_assert_eq!(bindings.unbind(&made(&identity, turned)), held.remove(&identity));
                    }
                    Step::Forget(destination) => {
                        let before = held.len();
                        held.retain(|identity| identity.0 != destination);
                        prop_assert_eq!(bindings.forget(&destination), before - held.len());
                    }
                }
                prop_assert_eq!(bindings.len(), held.len());
            }
            prop_assert_eq!(bindings.iter().count(), held.len());
            let (routes, rebuilt) = (bindings.routes(), rebuilt(kind, &held));
            let headers = FieldTable::from_iter([("m", 1), ("n", 0)]);
            for key in ["a", "b", "a.b", "#", "c", ""] {
                let expected = routed(&rebuilt, key, Some(&headers));
                prop_assert_eq!(routed(&routes, key, Some(&headers)), expected);
            }
        }
    }
}

mod walking {
    use super::*;

    struct Host(Vec<Arc<Routing>>);

    impl Graph for Host {
        fn exchange(&self, name: &str) -> Option<Arc<Routing>> {
            self.0.iter().find(|exchange| exchange.name == *name).cloned()
        }

        fn queue(&self, _: &str) -> Option<Name> {
            None
        }
    }

    /// An exchange: fanout or else topic, its bindings, its alternate. Numbers below 6 name exchanges,
    /// of which 5 does not exist; others name queues.
    #[derive(Clone, Debug)]
    struct Plan {
        fanout: bool,
        bindings: Vec<(&'static str, usize)>,
        alternate: Option<usize>,
    }

    fn plan() -> impl Strategy<Value = Plan> {
        let bindings = vec((select(vec!["a", "b"]), 0..40_usize), 0..12);
        (any::<bool>(), bindings, option::of(0..6_usize)).prop_map(|(fanout, bindings, alternate)| Plan {
            fanout,
            bindings,
            alternate,
        })
    }

    fn exchange_name(number: usize) -> Name {
        Name::from(format!("e{number}"))
    }

    fn routing(number: usize, plan: &Plan) -> Arc<Routing> {
        let kind = if plan.fanout {
            ExchangeKind::Fanout
        } else {
            ExchangeKind::Topic
        };
        let mut bindings = Bindings::new(kind);
        for (key, to) in &plan.bindings {
            let to = if *to < 6 {
                Destination::Exchange(exchange_name(*to))
            } else {
                queue(*to)
            };
            bindings.bind(binding(to, key, FieldTable::new())).unwrap();
        }
        Arc::new(Routing {
            alternate: plan.alternate.map(exchange_name),
            ..Routing::new(exchange_name(number), bindings.routes())
        })
    }

    /// Every queue that can be reached from exchange 0.
    fn reachable(plans: &[Plan], keys: &[&str]) -> BTreeSet<Name> {
        let mut queues = BTreeSet::new();
        let mut passed = BTreeSet::from([0]);
        let mut ahead = vec![0];
        while let Some(number) = ahead.pop() {
            let Some(plan) = plans.get(number) else { continue };
            let matching = plan
                .bindings
                .iter()
                .filter(|(key, _)| plan.fanout || keys.contains(key));
            let mut next: Vec<usize> = matching.map(|(_, to)| *to).collect();
            if next.is_empty() {
                next.extend(plan.alternate);
            }
            for to in next {
                if to >= 6 {
                    queues.insert(Name::from(format!("q{to}")));
                } else if passed.insert(to) {
                    ahead.push(to);
                }
            }
        }
        queues
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn a_walk_ends_and_finds_each_reachable_queue_once(
            plans in vec(plan(), 5),
            keys in vec(select(vec!["a", "b", "c"]), 1..4),
        ) {
            let exchanges = plans.iter().enumerate().map(|(number, plan)| routing(number, plan));
            let host = Host(exchanges.collect());
            let mut found = Vec::new();
            let message = Message {
                keys: &keys,
                content: Some(Content::default()),
            };
            walk(&host, &host.0[0], message, &mut found);
            let distinct: BTreeSet<Name> = found.iter().cloned().collect();
            prop_assert_eq!(distinct.len(), found.len(), "a queue twice in {:?}", found);
            prop_assert_eq!(distinct, reachable(&plans, &keys));
        }
    }
}

/// Ten thousand snapshots at once only fit because they share what did not change between them.
#[test]
fn every_snapshot_of_a_large_exchange_stays_as_it_was() {
    let mut bindings = Bindings::new(ExchangeKind::Topic);
    let mut snapshots = Vec::new();
    for number in 0..10_000 {
        let key = format!("site{}.room{number}.*", number % 100);
        bindings
            .bind(binding(queue(number), &key, FieldTable::new()))
            .unwrap();
        snapshots.push(bindings.routes());
    }
    for number in [1, 99, 5_000, 9_999] {
        let key = format!("site{}.room{number}.door", number % 100);
        assert_eq!(
            routed(&snapshots[number], &key, None),
            BTreeSet::from([queue(number)])
        );
        assert!(routed(&snapshots[number - 1], &key, None).is_empty());
    }
}
