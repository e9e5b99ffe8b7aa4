//! The routes of a consistent-hash exchange: of all destinations the one that a message's hash chooses, by weight.
//!
//! Each destination draws lots with the hash, and the best lot wins. So a new destination takes messages from
//! all others in proportion to its weight, those of a destination that goes are shared likewise, and no message changes between
//! two that stay. A choice takes time for each destination.

use leveret_protocol::{Exception, ReplyCode};

use crate::chance::mixed;
use crate::exchange::binding::Destination;

#[derive(Clone, Default)]
pub(super) struct Weighted {
    drawing: Vec<Drawing>,
}

#[derive(Clone)]
struct Drawing {
    destination: Destination,
    number: u64,
    /// Of each binding, as they were made: the first counts.
    weights: Vec<u64>,
}

impl Weighted {
    /// # Errors
    ///
    /// 406 when the key is no weight: an integer above 0.
    pub(super) fn add(&mut self, key: &str, destination: &Destination) -> Result<(), Exception> {
        let weight = weight(key)?;
        let known = self
            .drawing
            .iter_mut()
            .find(|drawing| drawing.destination == *destination);
        match known {
            Some(drawing) => drawing.weights.push(weight),
            None => self.drawing.push(Drawing {
                number: number(destination),
                destination: destination.clone(),
                weights: vec![weight],
            }),
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, key: &str, destination: &Destination) {
        let Ok(weight) = weight(key) else { return };
        for drawing in &mut self.drawing {
            if drawing.destination == *destination
                && let Some(at) = drawing.weights.iter().position(|one| *one == weight)
            {
                drawing.weights.remove(at);
            }
        }
        self.drawing.retain(|drawing| !drawing.weights.is_empty());
    }

    /// The destination for a message with this hash.
    pub(super) fn pick(&self, hash: u64) -> Option<&Destination> {
        let lots = self.drawing.iter().map(|drawing| (drawing.lot(hash), drawing));
        let best = lots.min_by(|(one, _), (two, _)| one.total_cmp(two));
        best.map(|(_, drawing)| &drawing.destination)
    }
}

impl Drawing {
    /// Spread so that the smallest of several is this one's with the probability of its share of all weights.
    fn lot(&self, hash: u64) -> f64 {
        let weight = self.weights.first().copied().unwrap_or(1);
        let drawn = mixed(hash ^ self.number) >> 11;
        let between_0_and_1 = (drawn as f64 + 0.5) / (1_u64 << 53) as f64;
        -between_0_and_1.ln() / weight as f64
    }
}

/// The hash of some bytes: the same in every process and version, as it says where messages go.
pub(in crate::exchange) fn hash(bytes: &[u8]) -> u64 {
    let fnv = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    mixed(fnv)
}

fn number(destination: &Destination) -> u64 {
    let name = hash(destination.name().as_bytes());
    match destination {
        Destination::Queue(_) => name,
        Destination::Exchange(_) => !name,
    }
}

fn weight(key: &str) -> Result<u64, Exception> {
    let refused = |text: String| Err(Exception::new(ReplyCode::PreconditionFailed, text));
    match key.parse::<i64>() {
        Err(_) => refused(format!("The binding key must be an integer: <<\"{key}\">>")),
        Ok(weight) if weight < 1 => refused("The binding key must be greater than 0".to_owned()),
        Ok(weight) => Ok(weight.unsigned_abs()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::name::Name;

    fn queue(number: usize) -> Destination {
        Destination::Queue(Name::from(format!("q{number}")))
    }

    fn weighted(weights: &[u64]) -> Weighted {
        let mut weighted = Weighted::default();
        for (number, weight) in weights.iter().enumerate() {
            weighted.add(&weight.to_string(), &queue(number)).unwrap();
        }
        weighted
    }

    fn picked(weighted: &Weighted, key: usize) -> Option<Destination> {
        weighted.pick(hash(format!("key{key}").as_bytes())).cloned()
    }

    #[test]
    fn messages_are_spread_by_weight() {
        let weights = [1, 2, 3, 10];
        let weighted = weighted(&weights);
        let total: u64 = weights.iter().sum();
        for (number, weight) in weights.iter().enumerate() {
            let count = (0..20_000)
                .filter(|key| picked(&weighted, *key) == Some(queue(number)))
                .count() as f64;
            let expected = 20_000.0 * *weight as f64 / total as f64;
            assert!((count / expected - 1.0).abs() < 0.1, "{count} of {expected}");
        }
    }

    proptest! {
        #[test]
        fn a_queue_that_comes_or_goes_moves_no_message_between_others(
            weights in proptest::collection::vec(1_u64..20, 1..12),
            new in 1_u64..20,
        ) {
            let before = weighted(&weights);
            let newest = queue(weights.len());
            let mut after = before.clone();
            after.add(&new.to_string(), &newest).unwrap();
            for key in 0..200 {
                let (old, now) = (picked(&before, key), picked(&after, key));
                prop_assert!(now == old || now.as_ref() == Some(&newest));
            }
            after.remove(&new.to_string(), &newest);
            for key in 0..200 {
                prop_assert_eq!(picked(&before, key), picked(&after, key));
            }
        }
    }

    #[test]
    fn of_two_bindings_of_a_queue_the_first_counts() {
        let mut weighted = weighted(&[1, 1]);
        weighted.add("1000000", &queue(0)).unwrap();
        let of_first = (0..1_000).filter(|key| picked(&weighted, *key) == Some(queue(0)));
        assert!(of_first.count() < 600);
        weighted.remove("1", &queue(0));
        let of_first = (0..1_000).filter(|key| picked(&weighted, *key) == Some(queue(0)));
        assert_eq!(of_first.count(), 1_000);
    }

    #[test]
    fn a_key_that_is_no_weight_is_refused() {
        let refusal = |key| Weighted::default().add(key, &queue(0)).unwrap_err().reply_text();
        assert_eq!(
            refusal("a"),
            "PRECONDITION_FAILED - The binding key must be an integer: <<\"a\">>"
        );
        for key in ["0", "-3"] {
            assert_eq!(
                refusal(key),
                "PRECONDITION_FAILED - The binding key must be greater than 0"
            );
        }
    }

    #[test]
    fn the_choice_stays_as_it_was() {
        // Where messages go must not change with a version.
        let weighted = weighted(&[1, 2, 3]);
        let chosen: Vec<_> = (0..8)
            .map(|key| picked(&weighted, key).unwrap().name().to_string())
            .collect();
        assert_eq!(chosen, ["q1", "q2", "q2", "q1", "q2", "q2", "q1", "q1"]);
    }
}
