//! What exists in the broker, and where it routes, as a plain model.

use std::collections::{BTreeMap, BTreeSet};

/// How an exchange routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Direct,
    Fanout,
    Topic,
}

/// Where a binding leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    Queue(String),
    Exchange(String),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Binding {
    pub(super) source: String,
    pub(super) end: End,
    pub(super) key: String,
}

/// Something a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    DeclareQueue(String),
    DeleteQueue(String),
    Purge(String),
    DeclareExchange(String, Kind),
    DeleteExchange(String),
    Bind(Binding),
    Unbind(Binding),
}

/// All that exists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Topology {
    pub(super) exchanges: BTreeMap<String, Kind>,
    pub(super) queues: BTreeSet<String>,
    pub(super) bindings: BTreeSet<Binding>,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Direct => "direct",
            Kind::Fanout => "fanout",
            Kind::Topic => "topic",
        }
    }

    fn takes(self, binding: &str, key: &str) -> bool {
        match self {
            Kind::Direct => binding == key,
            Kind::Fanout => true,
            Kind::Topic => {
                let words = |text: &'_ str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
                topic(&words(binding), &words(key))
            }
        }
    }
}

impl Topology {
    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::DeclareQueue(name) => {
                self.queues.insert(name.clone());
            }
            Change::DeleteQueue(name) => {
                self.queues.remove(name);
                let end = End::Queue(name.clone());
                self.bindings.retain(|binding| binding.end != end);
            }
            Change::Purge(_) => {}
            Change::DeclareExchange(name, kind) => {
                self.exchanges.insert(name.clone(), *kind);
            }
            Change::DeleteExchange(name) => {
                self.exchanges.remove(name);
                let end = End::Exchange(name.clone());
                self.bindings
                    .retain(|binding| binding.end != end && binding.source != *name);
            }
            Change::Bind(binding) => {
                self.bindings.insert(binding.clone());
            }
            Change::Unbind(binding) => {
                self.bindings.remove(binding);
            }
        }
    }

    /// The queues that get a message.
    pub(super) fn route(&self, exchange: &str, key: &str) -> BTreeSet<String> {
        let (mut queues, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut open = vec![exchange];
        while let Some(exchange) = open.pop() {
            let Some(kind) = self.exchanges.get(exchange) else {
                continue;
            };
            if !seen.insert(exchange) {
                continue;
            }
            let bound = self.bindings.iter().filter(|binding| binding.source == exchange);
            for binding in bound.filter(|binding| kind.takes(&binding.key, key)) {
                match &binding.end {
                    End::Queue(name) => {
                        queues.insert(name.clone());
                    }
                    End::Exchange(name) => open.push(name),
                }
            }
        }
        queues
    }
}

fn topic(pattern: &[String], key: &[String]) -> bool {
    match (pattern.split_first(), key.split_first()) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some((word, rest)), key_split) => match word.as_str() {
            "#" => topic(rest, key) || key_split.is_some_and(|(_, key)| topic(pattern, key)),
            word => key_split.is_some_and(|(first, key)| (word == "*" || word == first) && topic(rest, key)),
        },
    }
}
