//! A queue against a plain model: whatever commands come in whatever order, messages keep their order, none is
//! lost or there twice, and no consumer gets more than its credit.

#![allow(clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod disk;
mod model;
mod step;

use proptest::{collection::vec, prelude::*};

use crate::{
    model::Model,
    step::{effective, step},
};

proptest! {
    #[test]
    fn a_queue_does_what_the_model_does(
        single_active in any::<bool>(),
        journaled in any::<bool>(),
        max_priority in prop_oneof![Just(0), Just(1), Just(2), Just(255)],
        effective in effective(),
        steps in vec(step(), 1..150),
    ) {
        let mut model = Model::new(single_active, journaled, max_priority, effective);
        steps.into_iter().for_each(|step| model.run(step));
        model.finish();
    }
}
