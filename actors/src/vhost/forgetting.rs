//! Bindings to what is no more: they are taken out of every exchange before its end is told or its name used again.
//!
//! A binding names its destination. One that is left when another queue gets the name would lead to that one.

use std::future::Future;

use actix::prelude::*;
use futures_util::future::join_all;
use leveret_protocol::Exception;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::oneshot;

use super::actor::VirtualHost;
use super::definitions;
use super::messages::{Forgotten, Settled};
use crate::exchange::bindings::Destination;
use crate::exchange::messages as exchange;
use crate::name::Name;

/// Exchanges that may have bindings to one destination.
#[derive(Debug, Default)]
pub(super) struct Sources {
    names: FxHashSet<Name>,
    /// When to look next for those that are gone.
    prune_at: usize,
}

impl Sources {
    /// The least number of names that is looked through.
    const FEW: usize = 64;

    /// Adds an exchange. Those that do not exist any more are dropped now and then, so that a queue which is
    /// bound to one short-lived exchange after the other does not remember them all.
    pub(super) fn add(&mut self, name: Name, exists: impl Fn(&Name) -> bool) {
        self.names.insert(name);
        if self.names.len() >= self.prune_at.max(Self::FEW) {
            self.names.retain(exists);
            self.prune_at = 2 * self.names.len();
        }
    }
}

/// Destinations whose bindings are being taken away, and who waits until they are.
#[derive(Debug, Default)]
pub(super) struct Forgetting {
    running: FxHashMap<Destination, Vec<oneshot::Sender<()>>>,
}

impl Forgetting {
    /// Completes when nothing leads to a destination of the past any more; `None` when that is so already.
    pub(super) fn wait(&mut self, destination: &Destination) -> Option<impl Future<Output = ()> + use<>> {
        let waiting = self.running.get_mut(destination)?;
        let (done, wait) = oneshot::channel();
        waiting.push(done);
        Some(async move {
            let _ = wait.await;
        })
    }

    fn done(&mut self, destination: &Destination) {
        for waiting in self.running.remove(destination).into_iter().flatten() {
            let _ = waiting.send(());
        }
    }
}

impl VirtualHost {
    /// Has every binding to a destination that is no more taken away, and with them the exchanges that go with
    /// their last one. Answers the exchanges that may have had such bindings.
    pub(super) fn forget_destination(
        &mut self,
        destination: Destination,
        ctx: &mut Context<Self>,
    ) -> Vec<Name> {
        let sources = self.sources_of.remove(&destination).unwrap_or_default().names;
        let question = exchange::Forget {
            destination: destination.clone(),
        };
        let exchanges = sources
            .iter()
            .filter_map(|source| self.directory.exchange(source));
        let asked: Vec<_> = exchanges
            .map(|exchange| {
                let asked = self.ask_exchange(&exchange, question.clone(), ctx);
                async move { (asked.await.unwrap_or_default().ended, exchange) }
            })
            .collect();
        let sources = sources.into_iter().collect();
        if asked.is_empty() {
            return sources;
        }
        self.forgetting.running.entry(destination.clone()).or_default();
        let forgotten = actix::fut::wrap_future::<_, Self>(join_all(asked)).then(|answers, host, ctx| {
            let ended = answers.into_iter().filter(|(ended, _)| *ended);
            let ends: Vec<_> = ended
                .filter_map(|(_, exchange)| host.exchange_ended(&exchange.name, exchange.incarnation, ctx))
                .collect();
            actix::fut::wrap_future(join_all(ends))
        });
        ctx.spawn(forgotten.map(move |_, host, _| host.forgetting.done(&destination)));
        sources
    }

    /// Completes when nothing leads to what was of that name, and it will not come back.
    pub(super) fn gone(
        &mut self,
        destination: &Destination,
        durable: bool,
    ) -> impl Future<Output = Result<(), Exception>> + use<> {
        let recorded = match durable {
            true => self.definitions.removals_recorded(),
            false => definitions::nothing(),
        };
        let forgotten = self.forgetting.wait(destination);
        async move {
            if let Some(forgotten) = forgotten {
                forgotten.await;
            }
            recorded.await.map_err(|failed| failed.refuse("the deletion"))
        }
    }

    /// An exchange has ended, which may be known. Completes when nothing leads to it any more.
    pub(super) fn exchange_ended(
        &mut self,
        name: &Name,
        incarnation: u64,
        ctx: &mut Context<Self>,
    ) -> Option<impl Future<Output = ()> + use<>> {
        self.forget_exchange(name, incarnation, ctx);
        self.forgetting.wait(&Destination::Exchange(name.clone()))
    }
}

impl Handler<Forgotten> for VirtualHost {
    type Result = ResponseFuture<Result<(), Exception>>;

    fn handle(&mut self, Forgotten { queue, durable }: Forgotten, _: &mut Context<Self>) -> Self::Result {
        Box::pin(self.gone(&Destination::Queue(queue), durable))
    }
}

impl Handler<Settled> for VirtualHost {
    type Result = ();

    fn handle(&mut self, _: Settled, _: &mut Context<Self>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_that_are_gone_are_not_kept() {
        let mut sources = Sources::default();
        for number in 0..10_000 {
            let newest = Name::from(number.to_string());
            let kept = newest.clone();
            sources.add(newest, |name| *name == kept);
            assert!(sources.names.len() <= Sources::FEW);
        }
    }

    #[test]
    fn sources_that_exist_are_all_kept() {
        let mut sources = Sources::default();
        (0..10_000).for_each(|number| sources.add(Name::from(number.to_string()), |_| true));
        assert_eq!(sources.names.len(), 10_000);
    }
}
