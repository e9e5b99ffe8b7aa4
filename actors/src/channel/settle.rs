//! Settlements of deliveries, and answers to publishers.

use leveret_protocol::method::{basic, tx};
use leveret_protocol::{Exception, ReplyCode};

use super::actor::Channel;
use super::confirms::{Answer, Verdict};
use super::unacked::{NO_CONSUMER, Outstanding};
use crate::id::QueueId;
use crate::node::Context;
use crate::queue::Outcome;

/// Room for so many settlements is kept for the next.
const MOST_KEPT: usize = 256;

/// How many acts a confirm waits at most to be answered together with those before it.
const PATIENCE: u8 = 4;

impl Channel {
    /// basic.ack, nack or reject: takes the deliveries off the ledger and gathers what their queues must hear.
    pub(super) fn settle(&mut self, outcome: Outcome, tag: u64, multiple: bool) -> Result<(), Exception> {
        let mut taken = std::mem::take(&mut self.taken);
        self.unacked
            .take(tag, multiple, |delivery| taken.push(delivery))
            .map_err(|unknown| Exception::new(ReplyCode::PreconditionFailed, unknown.to_string()))?;
        for delivery in taken.drain(..) {
            match &mut self.transaction {
                Some(transaction) => transaction.settle(outcome, delivery),
                None => self.settle_one(outcome, delivery),
            }
        }
        taken.shrink_to(MOST_KEPT);
        self.taken = taken;
        Ok(())
    }

    pub(super) fn settle_one(&mut self, outcome: Outcome, delivery: Outstanding) {
        self.attachments.settle(delivery.queue, outcome, delivery.key);
        if delivery.consumer != NO_CONSUMER {
            self.subscriptions.settled(delivery.consumer);
            self.settled_deliveries += 1;
        }
    }

    /// Requeues everything that is unsettled.
    pub(super) fn recover(&mut self) {
        let mut taken = Vec::new();
        self.unacked.take_all(|delivery| taken.push(delivery));
        taken
            .into_iter()
            .for_each(|delivery| self.settle_one(Outcome::Requeue, delivery));
    }

    /// Tells queues and consumers what was settled. The queues come first: what returns must be back in
    /// its place before credit comes for more.
    pub(super) fn post_settlements(&mut self) {
        if self.attachments.has_settlements() {
            // What was published before goes before.
            self.post_publications();
            self.attachments.post_settlements();
        }
        let settled = std::mem::take(&mut self.settled_deliveries);
        if settled > 0 {
            self.subscriptions.post_settled();
            if let Some(budget) = &mut self.budget {
                let grants = budget.settled(settled);
                self.lend(grants);
            }
        }
    }

    /// Queues have stored publications, each up to a number.
    pub(super) fn stored(&mut self, stored: &[(QueueId, u64)], ctx: &mut Context<Self>) {
        if let Some(confirms) = &mut self.confirms {
            for &(queue, upto) in stored {
                if let Some(key) = self.attachments.key_of(queue) {
                    confirms.stored(key, upto);
                }
            }
        }
        self.check_commit(ctx);
    }

    /// A queue refused some of a batch.
    pub(super) fn refused(
        &mut self,
        queue: u32,
        upto: u64,
        of: u32,
        places: &[u32],
        ctx: &mut Context<Self>,
    ) {
        if let Some(confirms) = &mut self.confirms {
            confirms.refused_of_batch(queue, upto, of, places);
        }
        self.check_commit(ctx);
    }

    /// A queue is gone, and with it the chance to hear of what it was sent.
    pub(super) fn queue_gone(&mut self, queue: u32, verdict: Verdict, ctx: &mut Context<Self>) {
        if let Some(confirms) = &mut self.confirms {
            confirms.gone(queue, verdict);
        }
        self.check_commit(ctx);
    }

    /// Answers the publisher with as few methods as can be. True when answers wait to be part of a larger one.
    ///
    /// Queues of several threads store what they get of a batch at different times: answered at once, most confirms of
    /// a batch would be methods of their own.
    pub(super) fn answer_confirms(&mut self) -> bool {
        if self.transaction.is_some() {
            return false;
        }
        let Some(confirms) = &mut self.confirms else {
            return false;
        };
        let (number, output) = (self.number, &self.output);
        let sink = |answer: Answer| {
            let (delivery_tag, multiple) = (answer.tag, answer.multiple);
            if answer.nack {
                output.method(
                    number,
                    &basic::Nack {
                        delivery_tag,
                        multiple,
                        requeue: false,
                    },
                );
            } else {
                output.method(
                    number,
                    &basic::Ack {
                        delivery_tag,
                        multiple,
                    },
                );
            }
        };
        let waits = if self.waited < PATIENCE {
            confirms.take_in_order(sink)
        } else {
            confirms.take(sink);
            false
        };
        self.waited = if waits { self.waited + 1 } else { 0 };
        waits
    }

    /// Answers tx.commit once every queue has stored what was committed, and goes on.
    pub(super) fn check_commit(&mut self, ctx: &mut Context<Self>) {
        if self.committing
            && let Some(committed) = self.finish_commit()
        {
            self.resume(ctx, |_| committed);
        }
    }

    /// The answer to tx.commit, if no queue is waited for any more.
    pub(super) fn finish_commit(&mut self) -> Option<Result<(), Exception>> {
        let confirms = self.confirms.as_mut()?;
        let mut refused = false;
        confirms.take(|answer| refused |= answer.nack);
        self.commit_refused |= refused;
        if confirms.open() > 0 {
            return None;
        }
        self.committing = false;
        if std::mem::take(&mut self.commit_refused) {
            let text = "partial tx completion";
            return Some(Err(
                Exception::new(ReplyCode::PreconditionFailed, text).on(tx::Commit::IDS)
            ));
        }
        self.output.method(self.number, &tx::CommitOk {});
        Some(Ok(()))
    }
}
