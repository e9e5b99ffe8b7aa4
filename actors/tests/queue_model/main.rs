//! A queue against a plain model: whatever commands come in whatever order, messages keep their order, none is
//! lost or there twice, no consumer gets more than its credit, and what dies is forwarded or gone, wherever it stood.

#![allow(clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod browse;
mod death;
mod disk;
mod lengths;
mod model;
mod order;
mod step;

use proptest::{collection::vec, prelude::*};

use crate::{
    death::Deaths,
    model::Model,
    step::{Length, effective, length, priorities, step},
};

proptest! {
    #[test]
    fn a_queue_does_what_the_model_does(
        single_active in any::<(bool, bool)>(),
        journaled in any::<bool>(),
        priorities in priorities(),
        effective in effective(),
        timed in any::<bool>(),
        alike in prop_oneof![Just(3), Just(40)],
        dead_letters in any::<bool>(),
        length in prop_oneof![2 => Just(Length::default()), 1 => length()],
        steps in vec(step(), 1..150),
    ) {
        let deaths = match effective.counts_deliveries {
            true => Deaths::default(),
            false => Deaths { timed, alike, dead_letters, length, now: 1, ..Deaths::default() },
        };
        let mut model = Model::new(single_active, journaled, priorities, effective, deaths);
        steps.into_iter().for_each(|step| model.run(step));
        model.finish();
    }
}
