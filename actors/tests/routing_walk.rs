//! Which queues a publication reaches through bindings between exchanges and alternate exchanges.

#![allow(
    clippy::unwrap_used,
    reason = "a test that is wrong about its own data should fail"
)]

use std::{collections::HashMap, sync::Arc};

use leveret_actors::{
    exchange::{
        bindings::{Binding, Bindings, Destination},
        kind::ExchangeKind,
        routes::Routes,
        walk::{Content, Graph, Message, Routing, sender_selected, walk},
    },
    name::Name,
};
use leveret_protocol::{FieldTable, FieldValue};

/// A virtual host made of `exchange -> destination` lines.
#[derive(Default)]
struct Host {
    exchanges: HashMap<String, (ExchangeKind, Bindings, Option<Name>)>,
    queues: Vec<Name>,
}

impl Graph for Host {
    fn exchange(&self, name: &str) -> Option<Arc<Routing>> {
        if name.is_empty() {
            let routes = Routes::new(ExchangeKind::Direct);
            let name = Name::default();
            return Some(Arc::new(Routing::new(name, routes)));
        }
        let (_, bindings, alternate) = self.exchanges.get(name)?;
        Some(Arc::new(Routing {
            alternate: alternate.clone(),
            ..Routing::new(Name::from(name), bindings.routes())
        }))
    }

    fn queue(&self, name: &str) -> Option<Name> {
        self.queues.iter().find(|queue| **queue == name).cloned()
    }
}

impl Host {
    fn declare(&mut self, name: &str, kind: ExchangeKind) -> &mut Self {
        self.exchanges
            .insert(name.to_owned(), (kind, Bindings::new(kind), None));
        self
    }

    fn alternate(&mut self, name: &str, alternate: &str) -> &mut Self {
        self.exchanges.get_mut(name).unwrap().2 = Some(Name::from(alternate));
        self
    }

    fn bind(&mut self, exchange: &str, destination: Destination, key: &str) -> &mut Self {
        let binding = Binding {
            destination,
            routing_key: Name::from(key),
            arguments: Arc::default(),
        };
        self.exchanges.get_mut(exchange).unwrap().1.bind(binding).unwrap();
        self
    }

    fn routed(&self, exchange: &str, keys: &[&str]) -> Vec<String> {
        let start = Graph::exchange(self, exchange).unwrap();
        let mut queues = Vec::new();
        let message = Message {
            keys,
            content: Some(Content::default()),
        };
        walk(self, &start, message, &mut queues);
        let mut names: Vec<String> = queues.iter().map(ToString::to_string).collect();
        names.sort();
        names
    }
}

fn queue(name: &str) -> Destination {
    Destination::Queue(Name::from(name))
}

fn exchange(name: &str) -> Destination {
    Destination::Exchange(Name::from(name))
}

#[test]
fn the_default_exchange_leads_each_key_to_the_queue_of_that_name() {
    let host = Host {
        queues: vec![Name::from("a"), Name::from("b")],
        ..Host::default()
    };
    assert_eq!(host.routed("", &["a"]), ["a"]);
    assert_eq!(host.routed("", &["a", "b", "a", "c"]), ["a", "b"]);
    assert!(host.routed("", &["c"]).is_empty());
}

#[test]
fn a_queue_that_several_bindings_and_keys_match_gets_the_message_once() {
    let mut host = Host::default();
    host.declare("t", ExchangeKind::Topic)
        .bind("t", queue("q"), "a.*")
        .bind("t", queue("q"), "#")
        .bind("t", queue("q"), "a.b");
    assert_eq!(host.routed("t", &["a.b", "a.c"]), ["q"]);
}

#[test]
fn each_key_is_routed() {
    let mut host = Host::default();
    host.declare("d", ExchangeKind::Direct)
        .bind("d", queue("a"), "a")
        .bind("d", queue("b"), "b")
        .bind("d", queue("c"), "c");
    assert_eq!(host.routed("d", &["a", "c"]), ["a", "c"]);
}

#[test]
fn exchanges_that_lead_to_each_other_do_not_turn_forever() {
    let mut host = Host::default();
    host.declare("one", ExchangeKind::Fanout)
        .declare("two", ExchangeKind::Fanout)
        .bind("one", exchange("two"), "")
        .bind("two", exchange("one"), "")
        .bind("one", exchange("one"), "")
        .bind("two", queue("q"), "");
    assert_eq!(host.routed("one", &["k"]), ["q"]);
}

#[test]
fn a_queue_reached_by_two_ways_gets_the_message_once() {
    let mut host = Host::default();
    host.declare("top", ExchangeKind::Fanout)
        .declare("left", ExchangeKind::Fanout)
        .declare("right", ExchangeKind::Fanout)
        .bind("top", exchange("left"), "")
        .bind("top", exchange("right"), "")
        .bind("top", queue("q"), "")
        .bind("left", queue("q"), "")
        .bind("right", queue("q"), "");
    assert_eq!(host.routed("top", &["k"]), ["q"]);
}

#[test]
fn more_queues_than_a_look_at_each_is_good_for_are_still_told_apart() {
    let mut host = Host::default();
    host.declare("one", ExchangeKind::Fanout)
        .declare("two", ExchangeKind::Fanout);
    host.bind("one", exchange("two"), "");
    for n in 0..100 {
        host.bind("one", queue(&format!("q{n}")), "")
            .bind("two", queue(&format!("q{n}")), "");
    }
    host.bind("two", queue("last"), "");
    assert_eq!(host.routed("one", &["k"]).len(), 101);
}

#[test]
fn what_no_binding_matches_goes_to_the_alternate_exchange() {
    let mut host = Host::default();
    host.declare("main", ExchangeKind::Direct)
        .declare("rest", ExchangeKind::Fanout)
        .alternate("main", "rest")
        .bind("main", queue("q"), "k")
        .bind("rest", queue("unmatched"), "");
    assert_eq!(host.routed("main", &["k"]), ["q"]);
    assert_eq!(host.routed("main", &["other"]), ["unmatched"]);
    // One key that matches is enough.
    assert_eq!(host.routed("main", &["other", "k"]), ["q"]);
}

#[test]
fn alternate_exchanges_chain_and_a_ring_of_them_ends() {
    let mut host = Host::default();
    for (name, alternate) in [("a", "b"), ("b", "c"), ("c", "a")] {
        host.declare(name, ExchangeKind::Direct)
            .alternate(name, alternate);
    }
    assert!(host.routed("a", &["k"]).is_empty());
    host.bind("c", queue("q"), "k");
    assert_eq!(host.routed("a", &["k"]), ["q"]);
}

#[test]
fn an_exchange_behind_a_binding_uses_its_own_alternate() {
    let mut host = Host::default();
    host.declare("outer", ExchangeKind::Fanout)
        .declare("inner", ExchangeKind::Direct)
        .declare("rest", ExchangeKind::Fanout)
        .alternate("inner", "rest")
        .bind("outer", exchange("inner"), "")
        .bind("rest", queue("q"), "");
    assert_eq!(host.routed("outer", &["k"]), ["q"]);
}

#[test]
fn a_binding_to_an_exchange_that_leads_nowhere_is_a_match_all_the_same() {
    let mut host = Host::default();
    host.declare("main", ExchangeKind::Fanout)
        .declare("empty", ExchangeKind::Fanout)
        .declare("rest", ExchangeKind::Fanout)
        .alternate("main", "rest")
        .bind("main", exchange("empty"), "")
        .bind("rest", queue("q"), "");
    assert!(host.routed("main", &["k"]).is_empty());
}

#[test]
fn a_missing_alternate_exchange_drops() {
    let mut host = Host::default();
    host.declare("main", ExchangeKind::Direct)
        .alternate("main", "missing");
    assert!(host.routed("main", &["k"]).is_empty());
}

#[test]
fn the_default_exchange_can_be_the_alternate() {
    let mut host = Host {
        queues: vec![Name::from("k")],
        ..Host::default()
    };
    host.declare("main", ExchangeKind::Direct).alternate("main", "");
    assert_eq!(host.routed("main", &["k"]), ["k"]);
}

#[test]
fn senders_add_keys_in_two_headers() {
    let list = |keys: &[&str]| FieldValue::Array(keys.iter().map(|key| (*key).into()).collect());
    let headers = FieldTable::from_iter([("BCC", list(&["c"])), ("CC", list(&["a", "b"]))]);
    assert_eq!(sender_selected(&headers), Ok(vec!["a", "b", "c"]));
    assert_eq!(sender_selected(&FieldTable::new()), Ok(vec![]));
}

#[test]
fn added_keys_are_arrays_of_strings() {
    let refusal = |value: FieldValue| {
        sender_selected(&FieldTable::from_iter([("CC", value)]))
            .unwrap_err()
            .reply_text()
    };
    assert_eq!(
        refusal("a".into()),
        "PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,\"CC\",longstr}"
    );
    assert_eq!(
        refusal(FieldValue::Array(vec!["a".into(), 5.into()])),
        "PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,\"CC\",signedint}"
    );
}
