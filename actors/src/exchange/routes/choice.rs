//! The routes of exchanges that choose one destination among equals, by a number.

use crate::exchange::binding::Destination;

#[derive(Clone, Default)]
pub(super) struct Choice {
    /// Sorted, each with how many bindings lead to it.
    destinations: Vec<(Destination, usize)>,
}

impl Choice {
    pub(super) fn add(&mut self, destination: &Destination) {
        match self.place(destination) {
            Ok(at) => self.counted(at, |count| count + 1),
            Err(at) => self.destinations.insert(at, (destination.clone(), 1)),
        }
    }

    pub(super) fn remove(&mut self, destination: &Destination) {
        if let Ok(at) = self.place(destination) {
            self.counted(at, |count| count - 1);
            self.destinations.retain(|(_, count)| *count > 0);
        }
    }

    /// The destination for a number.
    pub(super) fn pick(&self, number: u64) -> Option<&Destination> {
        let at = number.checked_rem(self.destinations.len() as u64)?;
        self.destinations
            .get(at as usize)
            .map(|(destination, _)| destination)
    }

    fn place(&self, destination: &Destination) -> Result<usize, usize> {
        self.destinations
            .binary_search_by(|(one, _)| one.cmp(destination))
    }

    fn counted(&mut self, at: usize, count: impl Fn(usize) -> usize) {
        if let Some((_, bindings)) = self.destinations.get_mut(at) {
            *bindings = count(*bindings);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;

    #[test]
    fn each_destination_is_chosen_equally_however_often_it_is_bound() {
        let mut choice = Choice::default();
        assert_eq!(choice.pick(7), None);
        for name in ["b", "a", "b"] {
            choice.add(&Destination::Queue(Name::from(name)));
        }
        let names: Vec<&str> = (0..4)
            .map(|number| &**choice.pick(number).unwrap().name())
            .collect();
        assert_eq!(names, ["a", "b", "a", "b"]);
        choice.remove(&Destination::Queue(Name::from("b")));
        assert_eq!(&**choice.pick(1).unwrap().name(), "b");
        choice.remove(&Destination::Queue(Name::from("b")));
        assert_eq!(&**choice.pick(1).unwrap().name(), "a");
    }
}
