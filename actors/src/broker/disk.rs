//! The disk alarm that the journal raises: while it can't be written.

use std::sync::{Arc, Mutex, PoisonError};

use super::Broker;
use crate::journal::writer::Health;
use crate::node::{Alarm, Observer};

/// What the journal says of the disk, from before there is a broker to tell.
#[derive(Clone, Default)]
pub(super) struct DiskHealth {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    failing: bool,
    broker: Option<Broker>,
}

impl DiskHealth {
    /// Takes in what the journal says.
    pub(super) fn teller(self) -> impl Fn(Health) + Send + 'static {
        move |health| {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.failing = health != Health::Good;
            state.tell();
        }
    }

    /// From now on this broker is told.
    pub(super) fn watched_by(&self, broker: &Broker) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.broker = Some(broker.clone());
        if state.failing {
            state.tell();
        }
    }
}

impl State {
    fn tell(&self) {
        if let Some(broker) = &self.broker {
            broker.observed(Observer::Journal, Alarm::Disk, self.failing);
        }
    }
}
