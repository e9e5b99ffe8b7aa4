//! What a transaction has staged: publications and settlements that take effect when it is committed. Pure.

use std::sync::Arc;

use leveret_protocol::{Body, FieldTable};

use super::publish::Checked;
use super::unacked::Outstanding;
use crate::publication::{Page, PageBuilder};
use crate::queue::Outcome;

/// One staged publication.
pub(super) struct Staged {
    /// Where its exchange, key, properties and body are.
    pub(super) offset: u32,
    pub(super) mandatory: bool,
    pub(super) further_keys: Vec<String>,
    pub(super) headers: Option<FieldTable>,
}

/// A channel's transaction since it was selected, committed or rolled back last.
#[derive(Default)]
pub(super) struct Transaction {
    page: PageBuilder,
    publications: Vec<Staged>,
    settlements: Vec<(Outcome, Outstanding)>,
}

/// What a commit is to carry out, in order.
pub(super) struct Committed {
    pub(super) page: Arc<Page>,
    pub(super) publications: Vec<Staged>,
    pub(super) settlements: Vec<(Outcome, Outstanding)>,
}

impl Transaction {
    /// Stages a publication that passed the checks; it is routed when committed.
    pub(super) fn publish(&mut self, checked: &Checked<'_>, body: Body<'_>) {
        let Checked {
            exchange,
            key,
            properties,
            persistent,
            ..
        } = checked;
        let offset = self.page.push(exchange, key, properties, *persistent, body);
        self.publications.push(Staged {
            offset,
            mandatory: checked.mandatory,
            further_keys: checked.further_keys.clone(),
            headers: checked.headers.clone(),
        });
    }

    /// Stages a settlement of a delivery that is off the ledger of unsettled ones.
    pub(super) fn settle(&mut self, outcome: Outcome, delivery: Outstanding) {
        self.settlements.push((outcome, delivery));
    }

    /// Everything staged; the next transaction begins.
    pub(super) fn commit(&mut self) -> Committed {
        Committed {
            page: self.page.finish(),
            publications: std::mem::take(&mut self.publications),
            settlements: std::mem::take(&mut self.settlements),
        }
    }

    /// Forgets what is staged; the deliveries that are unsettled again come back.
    pub(super) fn roll_back(&mut self) -> Vec<Outstanding> {
        self.commit()
            .settlements
            .into_iter()
            .map(|(_, delivery)| delivery)
            .collect()
    }
}
