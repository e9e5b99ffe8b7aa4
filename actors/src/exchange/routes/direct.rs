//! The routes of a direct exchange: the routing key equals the binding key.

use crate::{
    exchange::{binding::Destination, routes::counted::Counted, shared_map::SharedMap},
    name::Name,
};

#[derive(Clone, Default)]
pub(super) struct Direct {
    keys: SharedMap<Name, Counted<Destination>>,
}

impl Direct {
    pub(super) fn add(&mut self, key: &Name, destination: &Destination) {
        self.keys
            .get_or_insert_with(key.clone(), Counted::default)
            .add(destination);
    }

    pub(super) fn remove(&mut self, key: &str, destination: &Destination) {
        if let Some(bound) = self.keys.get_mut(key) {
            bound.remove(destination);
            if bound.is_empty() {
                self.keys.remove(key);
            }
        }
    }

    /// Reports each destination once.
    pub(super) fn route(&self, key: &str, sink: &mut dyn FnMut(&Destination)) {
        if let Some(bound) = self.keys.get(key) {
            bound.each(sink);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routed(direct: &Direct, key: &str) -> usize {
        let mut hits = 0;
        direct.route(key, &mut |_| hits += 1);
        hits
    }

    #[test]
    fn only_the_same_key_matches() {
        let mut direct = Direct::default();
        direct.add(&Name::from("a.*"), &Destination::Queue(Name::from("q")));
        assert_eq!(routed(&direct, "a.*"), 1);
        assert_eq!(routed(&direct, "a.b"), 0);
        assert_eq!(routed(&direct, ""), 0);
    }

    #[test]
    fn a_destination_bound_twice_is_reported_once_and_held_twice() {
        let mut direct = Direct::default();
        let queue = Destination::Queue(Name::from("q"));
        direct.add(&Name::from("k"), &queue);
        direct.add(&Name::from("k"), &queue);
        assert_eq!(routed(&direct, "k"), 1);
        direct.remove("k", &queue);
        assert_eq!(routed(&direct, "k"), 1);
        direct.remove("k", &queue);
        assert_eq!(routed(&direct, "k"), 0);
        assert!(direct.keys.is_empty());
    }

    #[test]
    fn a_queue_and_an_exchange_of_one_name_are_two_destinations() {
        let mut direct = Direct::default();
        direct.add(&Name::from("k"), &Destination::Queue(Name::from("n")));
        direct.add(&Name::from("k"), &Destination::Exchange(Name::from("n")));
        assert_eq!(routed(&direct, "k"), 2);
    }
}
