//! What a transaction has staged: publications and settlements that take effect when it is committed. Pure.

use std::sync::Arc;

use leveret_protocol::Body;

use super::publish::Checked;
use super::unacked::Outstanding;
use crate::publication::{Page, PageBuilder};
use crate::queue::Outcome;

/// Bytes at which a page is closed, so that none has to move when a transaction grows large.
const PAGE: u64 = 256 * 1024;

/// One staged publication.
pub(super) struct Staged {
    /// Where on its page its exchange, key, properties and body are.
    pub(super) offset: u32,
    pub(super) mandatory: bool,
    pub(super) further_keys: Vec<String>,
    /// Its headers have a say in where it goes.
    pub(super) by_headers: bool,
}

/// A channel's transaction since it was selected, committed or rolled back last.
#[derive(Default)]
pub(super) struct Transaction {
    /// Full pages, each with what is on it.
    pages: Vec<(Arc<Page>, Vec<Staged>)>,
    page: PageBuilder,
    /// What is on the page under construction.
    publications: Vec<Staged>,
    settlements: Vec<(Outcome, Outstanding)>,
    bytes: u64,
}

/// What a commit is to carry out, in order.
pub(super) struct Committed {
    /// Each with its page.
    pub(super) publications: Box<dyn Iterator<Item = (Arc<Page>, Staged)>>,
    pub(super) settlements: Vec<(Outcome, Outstanding)>,
}

impl Transaction {
    /// Stages a publication that passed the checks; it is routed when committed.
    pub(super) fn publish(&mut self, checked: Checked<'_>, body: Body<'_>) {
        let keys = checked.further_keys.iter();
        let keys: usize = keys.map(|key| key.len() + size_of::<String>()).sum();
        self.bytes += (body.len() + checked.properties.len() + keys + size_of::<Staged>()) as u64;
        self.publications.push(Staged {
            offset: self.page.copy(checked.publication(body)),
            mandatory: checked.mandatory,
            by_headers: checked.headers.is_some(),
            further_keys: checked.further_keys,
        });
        if self.page.len() >= PAGE {
            self.close_page();
        }
    }

    fn close_page(&mut self) {
        let publications = std::mem::take(&mut self.publications);
        self.pages.push((self.page.finish(), publications));
    }

    /// Stages a settlement of a delivery that is off the ledger of unsettled ones.
    pub(super) fn settle(&mut self, outcome: Outcome, delivery: Outstanding) {
        self.settlements.push((outcome, delivery));
    }

    /// Bytes that are staged.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Everything staged; the next transaction begins.
    pub(super) fn commit(&mut self) -> Committed {
        let mut staged = std::mem::take(self);
        staged.close_page();
        let publications = staged.pages.into_iter().flat_map(|(page, publications)| {
            let on_page = publications.into_iter();
            on_page.map(move |publication| (Arc::clone(&page), publication))
        });
        Committed {
            publications: Box::new(publications),
            settlements: staged.settlements,
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
