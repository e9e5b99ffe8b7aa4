//! The routes of a reverse topic exchange: a trie over the words of the binding keys, in which a routing key is looked up as a
//! pattern.
//!
//! In a routing key `*` stands for exactly one word, which may be empty, and `#` for any number of words, also none. In a binding
//! key they are words like others. Each word of a routing key costs at most one look at every node.

use std::{ptr, sync::Arc};

use rustc_hash::FxHashSet;

use super::topic::words;
use crate::{
    exchange::{binding::Destination, routes::counted::Counted, shared_map::SharedMap},
    name::Name,
};

#[derive(Clone, Default)]
pub(super) struct ReverseTopic {
    root: Node,
}

#[derive(Clone, Default)]
struct Node {
    destinations: Counted<Destination>,
    words: SharedMap<Name, Arc<Node>>,
}

impl ReverseTopic {
    pub(super) fn add(&mut self, key: &str, destination: &Destination) {
        let mut node = &mut self.root;
        for word in words(key) {
            node = Arc::make_mut(node.words.get_or_insert_with(Name::from(word), Arc::default));
        }
        node.destinations.add(destination);
    }

    pub(super) fn remove(&mut self, key: &str, destination: &Destination) {
        self.root.remove(&mut words(key), destination);
    }

    /// Reports each destination of several patterns at least once; those at one node only once.
    pub(super) fn route(&self, patterns: &[&str], sink: &mut dyn FnMut(&Destination)) {
        let mut told = FxHashSet::default();
        for pattern in patterns {
            for node in self.find(pattern) {
                if !node.destinations.is_empty() && told.insert(ptr::from_ref(node)) {
                    node.destinations.each(sink);
                }
            }
        }
    }

    /// The nodes that a pattern leads to, each once.
    fn find(&self, pattern: &str) -> Vec<&Node> {
        let (mut reached, mut before) = (vec![&self.root], "");
        for word in words(pattern) {
            reached = match word {
                "#" if before == "#" => reached,
                "#" => below(&reached),
                "*" => reached.into_iter().flat_map(Node::children).collect(),
                _ => reached.iter().filter_map(|node| node.child(word)).collect(),
            };
            before = word;
        }
        reached
    }
}

/// These nodes and all below them, each once.
fn below<'t>(nodes: &[&'t Node]) -> Vec<&'t Node> {
    let mut known = FxHashSet::default();
    let (mut found, mut ahead) = (Vec::new(), nodes.to_vec());
    while let Some(node) = ahead.pop() {
        if known.insert(ptr::from_ref(node)) {
            found.push(node);
            ahead.extend(node.children());
        }
    }
    found
}

impl Node {
    fn child(&self, word: &str) -> Option<&Node> {
        self.words.get(word).map(Arc::as_ref)
    }

    fn children(&self) -> impl Iterator<Item = &Node> {
        self.words.iter().map(|(_, child)| child.as_ref())
    }

    /// Removes one binding below this node and the nodes that are of no more use.
    fn remove<'k>(&mut self, key: &mut impl Iterator<Item = &'k str>, destination: &Destination) {
        let Some(word) = key.next() else {
            self.destinations.remove(destination);
            return;
        };
        if let Some(child) = self.words.get_mut(word) {
            let child = Arc::make_mut(child);
            child.remove(key, destination);
            if child.is_empty() {
                self.words.remove(word);
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.destinations.is_empty() && self.words.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(name: &str) -> Destination {
        Destination::Queue(Name::from(name))
    }

    fn bound(keys: &[&str]) -> ReverseTopic {
        let mut topic = ReverseTopic::default();
        for key in keys {
            topic.add(key, &queue(key));
        }
        topic
    }

    fn found(topic: &ReverseTopic, patterns: &[&str]) -> Vec<String> {
        let mut names = Vec::new();
        topic.route(patterns, &mut |destination| {
            names.push(destination.name().to_string());
        });
        names.sort();
        names
    }

    #[test]
    fn the_routing_key_is_the_pattern() {
        let topic = bound(&["a.b", "a.c", "a.b.c", "b", ""]);
        assert_eq!(found(&topic, &["a.b"]), ["a.b"]);
        assert_eq!(found(&topic, &["a.*"]), ["a.b", "a.c"]);
        assert_eq!(found(&topic, &["*"]), ["b"]);
        assert_eq!(found(&topic, &["a.#"]), ["a.b", "a.b.c", "a.c"]);
        assert_eq!(found(&topic, &["#.c"]), ["a.b.c", "a.c"]);
        assert_eq!(found(&topic, &["#"]), ["", "a.b", "a.b.c", "a.c", "b"]);
        assert_eq!(found(&topic, &[""]), [""]);
        assert!(found(&topic, &["*.*.*.*"]).is_empty());
    }

    #[test]
    fn what_several_patterns_lead_to_is_reported_once() {
        let topic = bound(&["a.b", "a.c", "b"]);
        assert_eq!(found(&topic, &["#.#", "a.*", "b"]), ["a.b", "a.c", "b"]);
    }

    #[test]
    fn a_wildcard_in_a_binding_key_is_a_word() {
        let topic = bound(&["a.*", "a.#"]);
        assert!(found(&topic, &["a.b"]).is_empty());
        assert_eq!(found(&topic, &["a.*"]), ["a.#", "a.*"]);
    }

    #[test]
    fn a_removed_binding_leaves_no_nodes_behind() {
        let keys = ["a.b.c", "a.b", "", "c"];
        let mut topic = bound(&keys);
        topic.remove("a", &queue("a.b"));
        topic.remove("a.b", &queue("other"));
        assert_eq!(found(&topic, &["#"]).len(), 4);
        for key in keys {
            topic.remove(key, &queue(key));
        }
        assert!(topic.root.is_empty());
    }

    #[test]
    fn many_hashes_do_not_multiply_the_work() {
        let mut topic = ReverseTopic::default();
        for n in 0..2_000 {
            topic.add(&format!("{}{n}", "a.".repeat(60)), &queue("q"));
        }
        let mut hits = 0;
        topic.route(&[&"#.a.".repeat(60)], &mut |_| hits += 1);
        assert_eq!(hits, 0);
        topic.route(&[&format!("{}#", "#.a.".repeat(60))], &mut |_| hits += 1);
        assert_eq!(hits, 2_000);
    }
}
