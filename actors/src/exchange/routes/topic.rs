//! The routes of a topic exchange: a trie over the words of the binding keys.
//!
//! Keys are words between dots; the empty key has no words. In a binding key `*` stands for exactly
//! one word, which may be empty, and `#` for any number of words, also none.
//!
//! A `#` node, once reached, stays reached for the rest of the key. So each is entered once and each
//! word costs at most one look at every node: words × nodes, whatever the patterns.

use std::{ptr, sync::Arc};

use rustc_hash::FxHashSet;

use crate::{
    exchange::{binding::Destination, routes::counted::Counted, shared_map::SharedMap},
    name::Name,
};

#[derive(Clone, Default)]
pub(super) struct Topic {
    root: Node,
}

impl Topic {
    pub(super) fn add(&mut self, pattern: &str, destination: &Destination) {
        let mut node = &mut self.root;
        for word in words(pattern) {
            node = node.child_mut(word);
        }
        node.destinations.add(destination);
    }

    pub(super) fn remove(&mut self, pattern: &str, destination: &Destination) {
        self.root.remove(&mut words(pattern), destination);
    }

    /// Reports each destination at least once.
    pub(super) fn route(&self, key: &str, sink: &mut dyn FnMut(&Destination)) {
        self.visit(key, None, sink);
    }

    /// Reports each destination of several keys at least once; those at one node only once.
    pub(super) fn route_all(&self, keys: &[&str], sink: &mut dyn FnMut(&Destination)) {
        let mut told = FxHashSet::default();
        for key in keys {
            self.visit(key, Some(&mut told), sink);
        }
    }

    /// Routes and answers how many nodes were looked at.
    fn visit(
        &self,
        key: &str,
        told: Option<&mut FxHashSet<*const Node>>,
        sink: &mut dyn FnMut(&Destination),
    ) -> usize {
        let mut search = Search {
            told,
            reached: Vec::new(),
            standing: Vec::new(),
            entered: FxHashSet::default(),
            looks: 0,
            sink,
        };
        search.reach(&self.root, false);
        for word in words(key) {
            search.step(word);
        }
        search.end()
    }
}

/// The words of a routing key or a binding key.
pub(super) fn words(key: &str) -> impl Iterator<Item = &str> {
    let most = if key.is_empty() { 0 } else { usize::MAX };
    key.split('.').take(most)
}

#[derive(Clone, Default)]
struct Node {
    destinations: Counted<Destination>,
    words: SharedMap<Name, Arc<Node>>,
    star: Option<Arc<Node>>,
    hash: Option<Arc<Node>>,
}

impl Node {
    fn child_mut(&mut self, word: &str) -> &mut Self {
        Arc::make_mut(match word {
            "*" => self.star.get_or_insert_default(),
            "#" => self.hash.get_or_insert_default(),
            _ => self.words.get_or_insert_with(Name::from(word), Arc::default),
        })
    }

    /// Removes one binding below this node and the nodes that are of no more use.
    fn remove<'k>(&mut self, pattern: &mut impl Iterator<Item = &'k str>, destination: &Destination) {
        match pattern.next() {
            None => {
                self.destinations.remove(destination);
            }
            Some("*") => Self::remove_in(&mut self.star, pattern, destination),
            Some("#") => Self::remove_in(&mut self.hash, pattern, destination),
            Some(word) => {
                if let Some(child) = self.words.get_mut(word) {
                    let child = Arc::make_mut(child);
                    child.remove(pattern, destination);
                    if child.is_empty() {
                        self.words.remove(word);
                    }
                }
            }
        }
    }

    fn remove_in<'k>(
        slot: &mut Option<Arc<Self>>,
        pattern: &mut impl Iterator<Item = &'k str>,
        destination: &Destination,
    ) {
        if let Some(child) = slot {
            let child = Arc::make_mut(child);
            child.remove(pattern, destination);
            if child.is_empty() {
                *slot = None;
            }
        }
    }

    /// Whether a further word can lead to another node.
    fn continues(&self) -> bool {
        self.star.is_some() || !self.words.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.destinations.is_empty() && self.hash.is_none() && !self.continues()
    }
}

/// One routing key on its way down the trie.
struct Search<'t, 's> {
    /// The nodes whose destinations other keys reported already.
    told: Option<&'s mut FxHashSet<*const Node>>,
    /// The nodes the words so far lead to exactly, and whether a `#` is above them.
    reached: Vec<(&'t Node, bool)>,
    /// The `#` nodes reached that lead on: they take any number of words.
    standing: Vec<&'t Node>,
    /// The `#` nodes reached below another `#`: only these can be met again.
    entered: FxHashSet<*const Node>,
    looks: usize,
    sink: &'s mut dyn FnMut(&Destination),
}

impl<'t> Search<'t, '_> {
    fn step(&mut self, word: &str) {
        // What this word makes stand begins with the next word.
        let standing = self.standing.len();
        let reached = std::mem::take(&mut self.reached);
        self.looks += reached.len() + standing;
        for (node, below_hash) in reached {
            self.follow(node, word, below_hash);
        }
        for at in 0..standing {
            if let Some(&node) = self.standing.get(at) {
                self.follow(node, word, true);
            }
        }
    }

    fn follow(&mut self, node: &'t Node, word: &str, below_hash: bool) {
        if let Some(child) = node.words.get(word) {
            self.reach(child, below_hash);
        }
        if let Some(child) = &node.star {
            self.reach(child, below_hash);
        }
    }

    fn reach(&mut self, node: &'t Node, below_hash: bool) {
        self.reached.push((node, below_hash));
        if let Some(hash) = &node.hash
            && (!below_hash || self.entered.insert(ptr::from_ref(hash.as_ref())))
        {
            self.enter(hash);
        }
    }

    /// Enters a `#` node for good; it matches whatever follows.
    fn enter(&mut self, hash: &'t Node) {
        let mut next = Some(hash);
        while let Some(node) = next {
            self.looks += 1;
            self.tell(node);
            if node.continues() {
                self.standing.push(node);
            }
            next = node.hash.as_deref();
        }
    }

    fn end(mut self) -> usize {
        for (node, _) in std::mem::take(&mut self.reached) {
            self.tell(node);
        }
        self.looks
    }

    fn tell(&mut self, node: &'t Node) {
        if !node.destinations.is_empty()
            && self
                .told
                .as_mut()
                .is_none_or(|told| told.insert(ptr::from_ref(node)))
        {
            node.destinations.each(self.sink);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(name: &str) -> Destination {
        Destination::Queue(Name::from(name))
    }

    fn bound(patterns: &[&str]) -> Topic {
        let mut topic = Topic::default();
        for pattern in patterns {
            topic.add(pattern, &queue(pattern));
        }
        topic
    }

    fn matched(topic: &Topic, key: &str) -> Vec<String> {
        let mut names = Vec::new();
        topic.route(key, &mut |destination| {
            names.push(destination.name().to_string());
        });
        names.sort();
        names
    }

    fn matches(pattern: &str, key: &str) -> bool {
        !matched(&bound(&[pattern]), key).is_empty()
    }

    #[test]
    fn what_many_keys_lead_to_is_not_reported_for_each() {
        let topic = bound(&["#", "a.#", "*.b", "a.b", "c"]);
        let mut names = Vec::new();
        topic.route_all(&["a.b", "x.b", "a.b", "a"], &mut |destination| {
            names.push(destination.name().to_string());
        });
        names.sort();
        assert_eq!(names, ["#", "*.b", "a.#", "a.b"]);
    }

    #[test]
    fn words_match_themselves() {
        assert!(matches("a.b", "a.b"));
        assert!(!matches("a.b", "a"));
        assert!(!matches("a.b", "a.b.c"));
        assert!(!matches("a", "b"));
    }

    #[test]
    fn a_star_is_exactly_one_word() {
        assert!(matches("a.*", "a.b"));
        assert!(!matches("a.*", "a"));
        assert!(!matches("a.*", "a.b.c"));
        assert!(!matches("*", ""));
    }

    #[test]
    fn a_star_may_be_an_empty_word_between_dots() {
        assert!(matches("a.*.b", "a..b"));
        assert!(matches("*.*", "."));
        assert!(matches("a..b", "a..b"));
        assert!(!matches("a.b", "a..b"));
    }

    #[test]
    fn a_hash_is_zero_or_more_words() {
        for key in ["a", "a.b", "a.b.c.d", "a."] {
            assert!(matches("a.#", key), "{key}");
        }
        assert!(matches("#.z", "z"));
        assert!(matches("#.z", "a.b.z"));
        assert!(matches("a.#.z", "a.z"));
        assert!(!matches("a.#.z", "a"));
    }

    #[test]
    fn an_empty_key_has_no_words() {
        assert!(matches("", ""));
        assert!(matches("#", ""));
        assert!(matches("#.#", ""));
        assert!(!matches("", "a"));
        assert!(!matches("*.#", ""));
    }

    #[test]
    fn wildcards_inside_a_word_are_letters() {
        assert!(matches("a*", "a*"));
        assert!(!matches("a*", "ab"));
        assert!(!matches("a#", "a.b"));
    }

    #[test]
    fn wildcards_in_a_routing_key_are_words() {
        assert!(!matches("a.b", "a.*"));
        assert!(!matches("a.b", "#"));
        assert!(matches("*", "#"));
    }

    #[test]
    fn a_hash_node_met_again_reports_once() {
        let topic = bound(&["#.a.#"]);
        assert_eq!(matched(&topic, "a.a.a.a"), ["#.a.#"]);
    }

    #[test]
    fn many_patterns_match_one_key() {
        let topic = bound(&["#", "a.#", "a.*.c", "*.b.*", "a.b.c", "b.#", "a.b"]);
        assert_eq!(matched(&topic, "a.b.c"), ["#", "*.b.*", "a.#", "a.*.c", "a.b.c"]);
    }

    #[test]
    fn a_removed_binding_leaves_no_nodes_behind() {
        let patterns = ["a.b.c", "a.*.c", "#.c", "a.b", ""];
        let mut topic = bound(&patterns);
        for pattern in patterns {
            topic.remove(pattern, &queue(pattern));
            assert!(!matched(&topic, pattern).contains(&pattern.to_owned()));
        }
        assert!(topic.root.is_empty());
    }

    #[test]
    fn a_destination_bound_twice_is_held_until_both_are_gone() {
        let mut topic = bound(&["a", "a"]);
        topic.remove("a", &queue("a"));
        assert_eq!(matched(&topic, "a"), ["a"]);
        topic.remove("a", &queue("a"));
        assert!(matched(&topic, "a").is_empty());
    }

    #[test]
    fn removing_what_was_never_bound_changes_nothing() {
        let mut topic = bound(&["a.b"]);
        topic.remove("a.c", &queue("a.b"));
        topic.remove("a.b", &queue("other"));
        topic.remove("a.*.#", &queue("a.b"));
        assert_eq!(matched(&topic, "a.b"), ["a.b"]);
    }

    #[test]
    fn several_hashes_do_not_multiply_the_work() {
        let mut topic = Topic::default();
        for n in 0..30 {
            let pattern = format!("{}z{n}", "#.a.".repeat(30));
            topic.add(&pattern, &queue("q"));
        }
        let key = "a.".repeat(120) + "end";
        let mut hits = 0;
        let looks = topic.visit(&key, None, &mut |_| hits += 1);
        assert_eq!(hits, 0);
        assert!(looks < 121 * 130, "{looks} looks");
    }
}
