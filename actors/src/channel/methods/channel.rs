//! Class channel.

use leveret_protocol::method::channel::{FlowOk, Method, OpenOk};
use leveret_protocol::{Exception, ReplyCode};

use super::super::actor::Channel;
use crate::node::Context;

impl Channel {
    pub(in crate::channel) fn channel(
        &mut self,
        method: Method<'_>,
        ctx: &mut Context<Self>,
    ) -> Result<(), Exception> {
        match method {
            Method::Open(_) if self.opened => Err(Exception::new(
                ReplyCode::ChannelError,
                "second 'channel.open' seen",
            )),
            Method::Open(_) => {
                self.opened = true;
                self.output.method(self.number, &OpenOk {});
                Ok(())
            }
            Method::Close(_) => {
                self.leave(true, ctx);
                Ok(())
            }
            Method::Flow(flow) if flow.active => {
                self.output.method(self.number, &FlowOk { active: true });
                Ok(())
            }
            Method::Flow(_) => Err(Exception::new(ReplyCode::NotImplemented, "active=false")),
            // An answer to what was never asked, or that crossed something on its way.
            Method::FlowOk(_) | Method::CloseOk(_) => Ok(()),
            Method::OpenOk(_) => Err(super::misplaced("channel.open-ok")),
        }
    }
}
