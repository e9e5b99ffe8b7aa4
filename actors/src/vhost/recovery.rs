//! What a virtual host begins with: the predeclared exchanges, and what was durable before a restart.
//!
//! Exchanges start with all their bindings, so that nothing is asked or sent, and a hundred thousand queues are a matter
//! of a second.

use std::sync::Arc;
use std::time::Instant;

use actix::prelude::*;
use rustc_hash::FxHashMap;
use tracing::{error, info};

use super::actor::VirtualHost;
use super::definitions::Recovered;
use super::names;
use super::supervision::Birth;
use crate::exchange::bindings::{Binding, Bindings};
use crate::exchange::kind::ExchangeKind;
use crate::exchange::options::ExchangeOptions;
use crate::id::{ConnectionId, StoreId};
use crate::name::Name;

impl VirtualHost {
    /// Starts everything there was. Nobody sees the virtual host before this is done.
    pub(super) fn recover(&mut self, recovered: Recovered, ctx: &mut Context<Self>) {
        let begun = Instant::now();
        let (exchanges, queues) = (recovered.exchanges.len(), recovered.queues.len());
        let bindings = recovered.bindings.len();
        self.directory.put_policies(recovered.policies);
        self.put_settings(recovered.settings);
        for (id, name, options) in recovered.queues {
            let birth = self.rebirth(&name, id);
            self.create_queue(name, Arc::new(options), None, Some(id), birth, ctx);
        }
        #[cfg(feature = "faults")]
        crate::fault::dawdle_over(recovered.exchanges.iter().map(|(_, name, _)| &**name));
        let predeclared = names::PREDECLARED.into_iter().map(|exchange| {
            let options = ExchangeOptions::predeclared(exchange.kind, exchange.internal);
            (StoreId::PREDECLARED, Name::from(exchange.name), options)
        });
        let exchanges_and_predeclared: Vec<_> = predeclared.chain(recovered.exchanges).collect();
        let mut bound = self.bound(&exchanges_and_predeclared, recovered.bindings);
        for (id, name, options) in exchanges_and_predeclared {
            let bindings = bound.remove(&name).unwrap_or_else(|| Bindings::new(options.kind));
            self.start_exchange(name, options, Some(id), bindings, ctx);
        }
        self.recover_departing(recovered.departing, ctx);
        self.directory.complete();
        if exchanges + queues + bindings > 0 {
            let vhost = &self.directory.vhost;
            let ms = begun.elapsed().as_millis();
            info!(%vhost, exchanges, queues, bindings, ms, "recovered what was declared");
        }
    }

    /// A queue with messages lives at once: their time may be over, or they may be dead.
    fn rebirth(&self, name: &Name, id: StoreId) -> Birth {
        let worker = self.node.workers.by_name(name);
        let journals = self.node.journals.as_ref();
        match journals.is_some_and(|journals| journals.found_messages(id)) {
            true => Birth::At(self.placement.near(worker)),
            false => Birth::WhenNeeded((worker, ConnectionId::NOBODY)),
        }
    }

    /// The bindings of each exchange that has some.
    fn bound(
        &mut self,
        exchanges: &[(StoreId, Name, ExchangeOptions)],
        recovered: Vec<(Name, Binding)>,
    ) -> FxHashMap<Name, Bindings> {
        let kinds: FxHashMap<&Name, ExchangeKind> = exchanges
            .iter()
            .map(|(_, name, options)| (name, options.kind))
            .collect();
        let mut bound: FxHashMap<Name, Bindings> = FxHashMap::default();
        for (source, binding) in recovered {
            let Some(kind) = kinds.get(&source) else {
                error!(exchange = %source, ?binding, "a recovered binding has no exchange");
                continue;
            };
            self.sources_of
                .entry(binding.destination.clone())
                .or_default()
                .add(source.clone(), |name| kinds.contains_key(name));
            let bindings = bound
                .entry(source.clone())
                .or_insert_with(|| Bindings::new(*kind));
            if let Err(refused) = bindings.bind(binding) {
                error!(exchange = %source, %refused, "a recovered binding does not fit its exchange");
            }
        }
        bound
    }
}
