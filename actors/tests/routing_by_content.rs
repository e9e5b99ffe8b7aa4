//! Exchanges for which more than the keys of a message count.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that is wrong about its own data should fail"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use leveret_actors::deduplication::{Deduplication, HEADER, Seen};
use leveret_actors::exchange::bindings::{Binding, Bindings, Destination};
use leveret_actors::exchange::history::History;
use leveret_actors::exchange::kind::ExchangeKind;
use leveret_actors::exchange::walk::{Content, Graph, Message, Routing, Walked, walk};
use leveret_actors::name::Name;
use leveret_protocol::FieldTable;
use proptest::prelude::*;

/// The exchanges of a virtual host.
#[derive(Default)]
struct Host(BTreeMap<&'static str, Arc<Routing>>);

impl Graph for Host {
    fn exchange(&self, name: &str) -> Option<Arc<Routing>> {
        self.0.get(name).cloned()
    }

    fn queue(&self, _: &str) -> Option<Name> {
        None
    }
}

impl Host {
    /// An exchange bound to these queues.
    fn add(
        &mut self,
        name: &'static str,
        kind: ExchangeKind,
        queues: &[&str],
        adjust: impl FnOnce(&mut Routing),
    ) {
        let mut bindings = Bindings::new(kind);
        for queue in queues {
            let binding = Binding {
                destination: Destination::Queue(Name::from(*queue)),
                routing_key: Name::from("1"),
                arguments: Arc::default(),
            };
            bindings.bind(binding).unwrap();
        }
        let mut routing = Routing::new(Name::from(name), bindings.routes());
        adjust(&mut routing);
        self.0.insert(name, Arc::new(routing));
    }

    fn walked(&self, start: &str, content: Option<Content<'_>>) -> (Vec<String>, Walked) {
        let mut queues = Vec::new();
        let message = Message {
            keys: &["key"],
            content,
        };
        let walked = walk(self, &self.0[start], message, &mut queues);
        (queues.iter().map(ToString::to_string).collect(), walked)
    }
}

fn content(headers: &FieldTable) -> Option<Content<'_>> {
    Some(Content {
        headers: Some(headers),
        ..Content::default()
    })
}

fn seen() -> Option<Arc<Mutex<Seen>>> {
    let asked = Deduplication {
        header: Name::from(HEADER),
        cache_size: 10,
        ttl: None,
    };
    Some(Arc::new(Mutex::new(Seen::new(asked))))
}

#[test]
fn a_duplicate_goes_nowhere_not_even_to_the_alternate_exchange() {
    let mut host = Host::default();
    host.add("rest", ExchangeKind::Fanout, &["rest"], |_| ());
    host.add("main", ExchangeKind::Deduplication, &["q"], |main| {
        main.seen = seen();
        main.alternate = Some(Name::from("rest"));
    });
    let headers = FieldTable::from_iter([(HEADER, "a")]);
    let (queues, walked) = host.walked("main", content(&headers));
    assert_eq!(queues, ["q"]);
    assert!(walked.by_content && !walked.duplicate);
    let (queues, walked) = host.walked("main", content(&headers));
    assert!(queues.is_empty() && walked.duplicate);
}

#[test]
fn asking_where_all_messages_go_changes_nothing_that_is_remembered() {
    let mut host = Host::default();
    host.add("main", ExchangeKind::RecentHistory, &["q"], |main| {
        main.seen = seen();
        main.history = Some(Arc::new(History::new(5)));
    });
    let (queues, walked) = host.walked("main", None);
    assert!(queues.is_empty() && walked.by_content && walked.histories.is_empty());
    let headers = FieldTable::from_iter([(HEADER, "a")]);
    let (queues, walked) = host.walked("main", content(&headers));
    assert_eq!((queues.len(), walked.histories.len()), (1, 1));
}

#[test]
fn only_the_keys_count_for_plain_exchanges() {
    let mut host = Host::default();
    for (name, kind) in [("fanout", ExchangeKind::Fanout), ("direct", ExchangeKind::Direct)] {
        host.add(name, kind, &["q"], |_| ());
        assert!(!host.walked(name, None).1.by_content);
    }
    for (name, kind) in [
        ("headers", ExchangeKind::Headers),
        ("hash", ExchangeKind::ConsistentHash),
        ("modulus", ExchangeKind::ModulusHash),
        ("random", ExchangeKind::Random),
    ] {
        host.add(name, kind, &["q"], |_| ());
        assert!(host.walked(name, None).1.by_content, "{name}");
    }
}

#[test]
fn an_exchange_that_chooses_without_anything_bound_leaves_it_to_the_alternate() {
    let mut host = Host::default();
    host.add("rest", ExchangeKind::Fanout, &["rest"], |_| ());
    host.add("main", ExchangeKind::Random, &[], |main| {
        main.alternate = Some(Name::from("rest"));
    });
    assert_eq!(host.walked("main", Some(Content::default())).0, ["rest"]);
}

proptest! {
    #[test]
    fn a_message_goes_to_one_queue_whatever_is_drawn(random: u64, queues in 1_usize..10) {
        let names: Vec<String> = (0..queues).map(|number| format!("q{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut host = Host::default();
        host.add("main", ExchangeKind::Random, &names, |_| ());
        let drawn = Content { random, ..Content::default() };
        prop_assert_eq!(host.walked("main", Some(drawn)).0.len(), 1);
    }
}
