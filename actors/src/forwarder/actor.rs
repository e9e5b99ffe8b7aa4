//! The forwarder actor.

use std::sync::Arc;

use actix::prelude::*;

use crate::queue::Outcome;
use crate::queue::forwarding::{Forward, Source, StartForwarder};
use crate::queue::messages::Settle;
use crate::vhost::directory::Directory;

/// Carries the dead messages of one queue away.
pub(crate) struct Forwarder {
    source: Source,
}

impl Forwarder {
    /// Starts forwarders for the queues of a virtual host.
    pub(crate) fn starting(_directory: &Arc<Directory>) -> StartForwarder {
        Box::new(move |source| Forwarder { source }.start().recipient())
    }
}

impl Actor for Forwarder {
    type Context = Context<Self>;
}

impl Handler<Forward> for Forwarder {
    type Result = ();

    fn handle(&mut self, Forward { handout, .. }: Forward, _: &mut Context<Self>) {
        let keys = handout.deliveries.iter().map(|delivery| delivery.key);
        self.source.addr.do_send(Settle {
            channel: self.source.holder,
            runs: vec![(Outcome::Ack, keys.collect())],
        });
    }
}
