//! Class access: from older versions of AMQP, answered for clients that still ask.

use leveret_protocol::Exception;
use leveret_protocol::method::access::{Method, RequestOk};

use super::super::actor::Channel;
use super::misplaced;

impl Channel {
    /// Grants a ticket that is never looked at.
    pub(in crate::channel) fn access(&mut self, method: Method<'_>) -> Result<(), Exception> {
        match method {
            Method::Request(_) => {
                self.output.method(self.number, &RequestOk { ticket: 1 });
                Ok(())
            }
            Method::RequestOk(_) => Err(misplaced("access.request-ok")),
        }
    }
}
