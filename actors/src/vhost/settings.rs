//! What is set for a virtual host: recorded first, then told to all whom it concerns.

use actix::fut;
use actix::prelude::*;
use tracing::info;

use super::actor::VirtualHost;
use super::definitions::{Change, NotRecorded};
use super::limits::VhostLimits;
use super::messages::SetVhost;
use crate::exchange::bindings::Destination;
use crate::queue::options::QueueKind;

/// What is set for a virtual host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VhostSettings {
    /// The type of a queue whose declaration asks for none; `None` for the broker's.
    pub default_queue_type: Option<QueueKind>,
    /// How much there may be in it.
    pub limits: VhostLimits,
}

/// One of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VhostSetting {
    /// [`VhostSettings::default_queue_type`].
    DefaultQueueType(Option<QueueKind>),
    /// [`VhostSettings::limits`].
    Limits(VhostLimits),
}

impl VhostSettings {
    /// The same but for one.
    fn with(self, setting: VhostSetting) -> Self {
        match setting {
            VhostSetting::DefaultQueueType(kind) => VhostSettings {
                default_queue_type: kind,
                ..self
            },
            VhostSetting::Limits(limits) => VhostSettings { limits, ..self },
        }
    }
}

impl VirtualHost {
    /// Lets settings hold.
    pub(super) fn put_settings(&mut self, settings: VhostSettings) {
        self.settings = settings;
        let kind = settings
            .default_queue_type
            .unwrap_or(self.node.settings.default_queue_type);
        self.directory.put_default_queue_type(kind);
        self.directory.put_limits(settings.limits);
    }

    /// The limit of queues, if there are as many, those that are being recorded included.
    pub(super) fn queue_limit_reached(&self) -> Option<u32> {
        let limit = self.settings.limits.max_queues?;
        let is_queue = |declared: &&Destination| matches!(declared, Destination::Queue(_));
        let to_come = self.under_way.iter().filter(is_queue).count();
        let count = self.directory.queues_at_most() + to_come;
        // Counting exactly takes a look at each: only where it matters.
        let reached = count >= limit as usize && self.directory.queue_count() + to_come >= limit as usize;
        reached.then_some(limit)
    }
}

impl Handler<SetVhost> for VirtualHost {
    type Result = ResponseActFuture<Self, Result<(), NotRecorded>>;

    fn handle(&mut self, mail: SetVhost, _: &mut Context<Self>) -> Self::Result {
        if let Some(over) = self.settings_under_way.wait(&()) {
            let later = fut::wrap_future::<_, Self>(over);
            return Box::pin(later.then(|_, host, ctx| host.handle(mail, ctx)));
        }
        let SetVhost(setting) = mail;
        let settings = self.settings.with(setting);
        let recorded = self.definitions.record(Change::VhostSet(settings));
        self.settings_under_way.begin(());
        Box::pin(
            fut::wrap_future::<_, Self>(recorded).map(move |recorded, host, _| {
                host.settings_under_way.end(&());
                recorded?;
                info!(vhost = %host.directory.vhost, ?setting, "the virtual host is set");
                host.put_settings(settings);
                Ok(())
            }),
        )
    }
}
