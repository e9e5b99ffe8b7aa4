//! Class confirm.

use leveret_protocol::method::confirm::{Method, SelectOk};
use leveret_protocol::{Exception, ReplyCode};

use super::super::actor::Channel;
use super::super::confirms::Confirms;
use crate::node::Context;

impl Channel {
    pub(in crate::channel) fn confirm(
        &mut self,
        method: Method,
        _: &mut Context<Self>,
    ) -> Result<(), Exception> {
        let Method::Select(select) = method else {
            return Err(super::misplaced("confirm.select-ok"));
        };
        if self.transaction.is_some() {
            let text = "cannot switch from tx to confirm mode";
            return Err(Exception::new(ReplyCode::PreconditionFailed, text));
        }
        self.confirms.get_or_insert_with(|| Box::new(Confirms::new()));
        if !select.nowait {
            self.output.method(self.number, &SelectOk {});
        }
        Ok(())
    }
}
