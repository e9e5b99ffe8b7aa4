//! Policies that come and go: recorded first, then told to all they change.

use std::sync::Arc;

use actix::fut;
use actix::prelude::*;
use tracing::info;

use super::actor::VirtualHost;
use super::definitions::{Change, NotRecorded};
use super::messages::{ClearPolicy, SetPolicy};
use crate::exchange::options::ExchangeOptions;
use crate::name::Name;
use crate::policy::{Policies, PolicyClass};
use crate::queue::effective::Effective;
use crate::queue::messages::Amend;
use crate::queue::options::QueueOptions;

type Answer<T> = ResponseActFuture<VirtualHost, Result<T, NotRecorded>>;

impl VirtualHost {
    /// What an exchange's declaration says, or else its policy.
    pub(super) fn alternate(&self, name: &Name, options: &ExchangeOptions) -> Option<Name> {
        let of_policy = || self.directory.policies().alternate(name);
        options.alternate.clone().or_else(of_policy)
    }

    /// Records a change of one policy, then lets it hold. No other change of the same is under way meanwhile.
    fn change_policy<T: 'static>(
        &mut self,
        changed: (PolicyClass, Name),
        change: Change,
        apply: impl FnOnce(&mut Policies) -> T + 'static,
    ) -> Answer<T> {
        let recorded = self.definitions.record(change);
        self.policies_under_way.begin(changed.clone());
        Box::pin(
            fut::wrap_future::<_, Self>(recorded).map(move |recorded, host, _| {
                host.policies_under_way.end(&changed);
                recorded?;
                let mut policies = Policies::clone(&host.directory.policies());
                let answer = apply(&mut policies);
                host.put_policies(policies);
                Ok(answer)
            }),
        )
    }

    /// What holds for a queue under these policies, and what the broker says where they don't.
    pub(super) fn effective(&self, policies: &Policies, name: &str, options: &QueueOptions) -> Effective {
        let effective = policies.effective(name, options);
        effective.or_timeout(self.node.settings.consumer_timeout)
    }

    fn put_policies(&mut self, policies: Policies) {
        let before = self.directory.policies();
        self.directory.put_policies(policies.clone());
        for queue in self.directory.queues() {
            let effective = self.effective(&policies, &queue.name, &queue.options);
            if effective != self.effective(&before, &queue.name, &queue.options) {
                queue.addr().do_send(Amend(Arc::new(effective)));
            }
        }
        let mut rerouted = false;
        for exchange in self.directory.exchanges() {
            let alternate = self.alternate(&exchange.name, &exchange.options);
            rerouted |= exchange.publish_alternate(&alternate);
        }
        if rerouted {
            self.directory.changed();
        }
    }
}

impl Handler<SetPolicy> for VirtualHost {
    type Result = Answer<()>;

    fn handle(&mut self, mail: SetPolicy, _: &mut Context<Self>) -> Answer<()> {
        let (class, set) = (mail.class, mail.policy.policy());
        let changed = (class, set.name.clone());
        if let Some(over) = self.policies_under_way.wait(&changed) {
            let later = fut::wrap_future::<_, Self>(over);
            return Box::pin(later.then(|_, host, ctx| host.handle(mail, ctx)));
        }
        info!(vhost = %self.directory.vhost, policy = %set.name, ?class, pattern = set.pattern, "a policy is set");
        let change = Change::PolicySet {
            class,
            policy: set.clone(),
        };
        self.change_policy(changed, change, move |policies| policies.set(class, mail.policy))
    }
}

impl Handler<ClearPolicy> for VirtualHost {
    type Result = Answer<bool>;

    fn handle(&mut self, mail: ClearPolicy, _: &mut Context<Self>) -> Answer<bool> {
        let changed = (mail.class, mail.name.clone());
        if let Some(over) = self.policies_under_way.wait(&changed) {
            let later = fut::wrap_future::<_, Self>(over);
            return Box::pin(later.then(|_, host, ctx| host.handle(mail, ctx)));
        }
        let ClearPolicy { class, name } = mail;
        if self.directory.policies().get(class, &name).is_none() {
            return Box::pin(fut::ready(Ok(false)));
        }
        info!(vhost = %self.directory.vhost, policy = %name, ?class, "a policy is cleared");
        let change = Change::PolicyCleared {
            class,
            name: name.clone(),
        };
        self.change_policy(changed, change, move |policies| policies.clear(class, &name))
    }
}
