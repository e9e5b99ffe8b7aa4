//! Deliveries that the client keeps unsettled for longer than their queue allows.

use leveret_protocol::{Exception, ReplyCode};
use tracing::info;

use super::actor::Channel;
use super::unacked::NO_CONSUMER;
use crate::consumer::messages::Cancel;
use crate::node::Context;
use crate::queue::Outcome;

impl Channel {
    /// A queue wants these deliveries back, which it knows by their keys. Their consumers are cancelled; where the client
    /// can't be told so, the channel ends.
    pub(super) fn overdue(&mut self, queue: u32, keys: &[u32], timeout: u64, ctx: &mut Context<Self>) {
        let forfeited = self.unacked.forfeit(queue, keys);
        if forfeited.is_empty() {
            return;
        }
        let cancels = self.session.cancel_notify;
        if !cancels || forfeited.iter().any(|delivery| delivery.consumer == NO_CONSUMER) {
            let text = format!(
                "delivery acknowledgement on channel {} timed out. Timeout value used: {timeout} ms. This timeout value \
                 can be configured, see consumers doc guide to learn more",
                self.number
            );
            return self.fail(Exception::new(ReplyCode::PreconditionFailed, text), ctx);
        }
        for delivery in forfeited {
            self.settle_one(Outcome::Fail, delivery);
            if let Some(subscriber) = self.subscriptions.get(delivery.consumer) {
                info!(channel = self.number, consumer = %subscriber.tag(), timeout, "cancelled: it did not settle in time");
                subscriber.addr.do_send(Cancel);
            }
        }
    }
}
