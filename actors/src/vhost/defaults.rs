//! What a declaration gets that does not say: recorded first, then told to all who declare.

use actix::fut;
use actix::prelude::*;
use tracing::info;

use super::actor::VirtualHost;
use super::definitions::{Change, NotRecorded};
use super::messages::SetDefaultQueueType;
use crate::queue::options::QueueKind;

impl VirtualHost {
    /// Lets a default hold; `None` is the broker's.
    pub(super) fn put_default_queue_type(&self, kind: Option<QueueKind>) {
        let kind = kind.unwrap_or(self.node.settings.default_queue_type);
        self.directory.put_default_queue_type(kind);
    }
}

impl Handler<SetDefaultQueueType> for VirtualHost {
    type Result = ResponseActFuture<Self, Result<(), NotRecorded>>;

    fn handle(&mut self, mail: SetDefaultQueueType, _: &mut Context<Self>) -> Self::Result {
        if let Some(over) = self.default_under_way.wait(&()) {
            let later = fut::wrap_future::<_, Self>(over);
            return Box::pin(later.then(|_, host, ctx| host.handle(mail, ctx)));
        }
        let SetDefaultQueueType(kind) = mail;
        let recorded = self.definitions.record(Change::DefaultQueueType(kind));
        self.default_under_way.begin(());
        Box::pin(
            fut::wrap_future::<_, Self>(recorded).map(move |recorded, host, _| {
                host.default_under_way.end(&());
                recorded?;
                info!(vhost = %host.directory.vhost, ?kind, "the default queue type is set");
                host.put_default_queue_type(kind);
                Ok(())
            }),
        )
    }
}
