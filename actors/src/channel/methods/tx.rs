//! Class tx.

use std::borrow::Cow;

use leveret_protocol::method::tx::{Commit, Method, RollbackOk, SelectOk};
use leveret_protocol::{Exception, Properties, ReplyCode};

use super::super::actor::{Channel, Phase};
use super::super::confirms::Confirms;
use super::super::publish::Checked;
use super::super::transaction::{Committed, Staged, Transaction};
use crate::node::Context;
use crate::publication::Page;

/// Bytes gathered for the queues at which a commit posts them and rests.
const MOST_GATHERED: u64 = 1024 * 1024;

impl Channel {
    pub(in crate::channel) fn tx(
        &mut self,
        method: Method,
        ctx: &mut Context<Self>,
    ) -> Result<(), Exception> {
        match method {
            Method::Select(_) => self.select(),
            Method::Commit(_) => self.commit(ctx),
            Method::Rollback(_) => self.roll_back(),
            Method::SelectOk(_) | Method::CommitOk(_) | Method::RollbackOk(_) => {
                Err(super::misplaced("an answer of class tx"))
            }
        }
    }

    fn select(&mut self) -> Result<(), Exception> {
        if self.transaction.is_none() && self.confirms.is_some() {
            let text = "cannot switch from confirm to tx mode";
            return Err(Exception::new(ReplyCode::PreconditionFailed, text));
        }
        self.transaction.get_or_insert_default();
        self.output.method(self.number, &SelectOk {});
        Ok(())
    }

    fn transaction(&mut self) -> Result<&mut Transaction, Exception> {
        self.transaction
            .as_deref_mut()
            .ok_or_else(|| Exception::new(ReplyCode::PreconditionFailed, "channel is not transactional"))
    }

    fn roll_back(&mut self) -> Result<(), Exception> {
        let unsettled = self.transaction()?.roll_back();
        self.unacked.restore(unsettled);
        self.output.method(self.number, &RollbackOk {});
        Ok(())
    }

    /// Routes and settles what was staged; commit-ok follows when every queue has stored its part.
    fn commit(&mut self, ctx: &mut Context<Self>) -> Result<(), Exception> {
        let committed = self.transaction()?.commit();
        // One ledger for all commits: queues answer with numbers that never start again.
        self.confirms.get_or_insert_with(|| Box::new(Confirms::new()));
        self.carry_out(committed, ctx)
    }

    /// Goes on with a commit; one that takes long lets others have their turn.
    fn carry_out(&mut self, mut committed: Committed, ctx: &mut Context<Self>) -> Result<(), Exception> {
        while let Some((page, staged)) = committed.publications.next() {
            self.send_staged(&page, staged, ctx)?;
            if self.session.mailbag.bytes() >= MOST_GATHERED || self.labour.is_over() {
                self.ask(
                    |_| tokio::task::yield_now(),
                    ctx,
                    move |channel, (), ctx| {
                        let carried_out = channel.carry_out(committed, ctx);
                        carried_out.map_err(|exception| exception.on(Commit::IDS))
                    },
                );
                return Ok(());
            }
        }
        for (outcome, delivery) in committed.settlements {
            self.settle_one(outcome, delivery);
        }
        self.pause();
        self.committing = true;
        // Not to be resumed when there is nothing to wait for: the commands behind would overtake each other.
        if let Some(committed) = self.finish_commit() {
            self.phase = Phase::Open;
            return committed;
        }
        Ok(())
    }

    fn send_staged(&mut self, page: &Page, staged: Staged, ctx: &mut Context<Self>) -> Result<(), Exception> {
        let publication = page.get(staged.offset);
        let headers = match staged.by_headers {
            true => Properties::parse(publication.properties)?.headers()?,
            false => None,
        };
        let checked = Checked {
            exchange: utf8(publication.exchange),
            key: utf8(publication.routing_key),
            mandatory: staged.mandatory,
            properties: Cow::Borrowed(publication.properties),
            persistent: publication.persistent,
            blind: publication.blind,
            headers,
            further_keys: staged.further_keys,
        };
        let route = self.route(checked.exchange, checked.key, ctx)?;
        self.send(route, &checked, publication.body, ctx)
    }
}

/// What was staged came in as valid UTF-8.
fn utf8(name: &[u8]) -> &str {
    str::from_utf8(name).unwrap_or_default()
}
