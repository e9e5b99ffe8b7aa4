//! The routes of a fanout exchange: every binding, whatever the key.

use crate::exchange::{binding::Destination, routes::counted::Counted};

#[derive(Clone, Default)]
pub(super) struct Fanout {
    destinations: Counted<Destination>,
}

impl Fanout {
    pub(super) fn add(&mut self, destination: &Destination) {
        self.destinations.add(destination);
    }

    pub(super) fn remove(&mut self, destination: &Destination) {
        self.destinations.remove(destination);
    }

    /// Reports each destination once.
    pub(super) fn route(&self, sink: &mut dyn FnMut(&Destination)) {
        self.destinations.each(sink);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;

    #[test]
    fn every_destination_gets_the_message_once() {
        let mut fanout = Fanout::default();
        for name in ["a", "b", "a"] {
            fanout.add(&Destination::Queue(Name::from(name)));
        }
        let mut names = Vec::new();
        fanout.route(&mut |destination| names.push(destination.name().to_string()));
        names.sort();
        assert_eq!(names, ["a", "b"]);
    }
}
