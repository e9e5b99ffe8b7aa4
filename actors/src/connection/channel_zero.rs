//! Frames on channel 0: what concerns the open connection itself.

use leveret_protocol::method::{Method, connection};
use leveret_protocol::{Exception, FrameBatch, FrameKind, ReplyCode};
use tracing::debug;

use super::actor::Connection;
use crate::node::Context;

impl Connection {
    pub(super) fn own_frames(&mut self, batch: &FrameBatch, ctx: &mut Context<Self>) {
        for frame in batch.frames.iter() {
            let handled = match frame.kind {
                FrameKind::Heartbeat => Ok(()),
                FrameKind::Method => Method::decode(batch.payload(frame)).and_then(|method| {
                    let ids = method.ids();
                    self.own_method(method, ctx)
                        .map_err(|exception| exception.on(ids))
                }),
                FrameKind::Header | FrameKind::Body => {
                    let text = "content on channel 0";
                    Err(Exception::new(ReplyCode::UnexpectedFrame, text))
                }
            };
            if let Err(exception) = handled {
                return self.close(exception, ctx);
            }
        }
    }

    fn own_method(&mut self, method: Method<'_>, ctx: &mut Context<Self>) -> Result<(), Exception> {
        match method {
            Method::Connection(connection::Method::Close(close)) => {
                debug!(peer = %self.peer, code = close.reply_code, text = close.reply_text, "client closes");
                self.leave(true, ctx);
                Ok(())
            }
            Method::Connection(connection::Method::UpdateSecret(_)) => {
                // Passwords are checked once, at login.
                self.send(0, &connection::UpdateSecretOk {});
                Ok(())
            }
            Method::Connection(connection::Method::CloseOk(_)) => Ok(()),
            Method::Connection(other) => {
                let text = format!("unexpected method {} in connection state running", other.name());
                Err(Exception::new(ReplyCode::ChannelError, text))
            }
            other => {
                let text = format!("{} on channel 0", other.name());
                Err(Exception::new(ReplyCode::CommandInvalid, text))
            }
        }
    }
}
