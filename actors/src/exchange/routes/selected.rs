//! The routes of an `x-jms-topic` exchange: each binding has a selector, and the routing key decides nothing.

use std::sync::Arc;

use leveret_protocol::{Exception, FieldTable};

use super::counted::Counted;
use crate::exchange::{binding::Destination, selector::Selector};

#[derive(Clone, Default)]
pub(super) struct Selected(Counted<Rule>);

/// What a destination wants.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Rule {
    selector: Arc<Selector>,
    destination: Destination,
}

impl Rule {
    fn of(arguments: &FieldTable, destination: &Destination) -> Result<Self, Exception> {
        Ok(Rule {
            selector: Arc::new(Selector::of(arguments, destination)?),
            destination: destination.clone(),
        })
    }
}

impl Selected {
    /// # Errors
    ///
    /// 406 when the arguments have no selector, or one that is not understood.
    pub(super) fn add(&mut self, arguments: &FieldTable, destination: &Destination) -> Result<(), Exception> {
        self.0.add(&Rule::of(arguments, destination)?);
        Ok(())
    }

    pub(super) fn remove(&mut self, arguments: &FieldTable, destination: &Destination) {
        if let Ok(rule) = Rule::of(arguments, destination) {
            self.0.remove(&rule);
        }
    }

    /// Reports a destination for each of its selectors that holds.
    pub(super) fn route(&self, headers: Option<&FieldTable>, sink: &mut dyn FnMut(&Destination)) {
        let none = FieldTable::new();
        let headers = headers.unwrap_or(&none);
        self.0.each(&mut |rule: &Rule| {
            if rule.selector.holds(headers) {
                sink(&rule.destination);
            }
        });
    }
}
