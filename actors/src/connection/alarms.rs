//! What a resource alarm means for one connection: publishers are told and held back.

use actix::prelude::*;
use leveret_protocol::method::connection;
use leveret_protocol::{FrameBatch, FrameKind};

use super::actor::Connection;
use super::closing::Phase;
use super::messages::AlarmChanged;
use crate::node::Context;

/// Class and method of basic.publish as a method frame begins with them.
const PUBLISH: [u8; 4] = [0, 60, 0, 40];

impl Connection {
    /// A publisher meets an alarm: it is told, if it can be, and not read from until the alarm is cleared.
    pub(super) fn block(&mut self) {
        self.blocked = true;
        self.gate.hold_back(true);
        if self.handshake.client_can("connection.blocked") && !self.told_blocked {
            self.told_blocked = true;
            let reason = self.node.alarms.raised().to_string();
            self.send(0, &connection::Blocked { reason: &reason });
        }
    }

    /// Publications wait for the queues, and are not seen here before these have taken others. Whoever sent them
    /// publishes.
    pub(super) fn let_publications_wait(&mut self) {
        self.publications_wait = true;
        if self.node.alarms.raised().any() {
            self.block();
        }
    }

    fn unblock(&mut self) {
        self.blocked = false;
        self.gate.hold_back(false);
        if std::mem::take(&mut self.told_blocked) {
            self.send(0, &connection::Unblocked {});
        }
    }
}

/// Whether a batch contains basic.publish.
pub(super) fn publishes(batch: &FrameBatch) -> bool {
    let mut methods = batch
        .frames
        .iter()
        .filter(|frame| frame.kind == FrameKind::Method);
    methods.any(|frame| batch.payload(frame).starts_with(&PUBLISH))
}

impl Handler<AlarmChanged> for Connection {
    type Result = ();

    fn handle(&mut self, _: AlarmChanged, _: &mut Context<Self>) {
        if self.phase != Phase::Running {
            return;
        }
        let raised = self.node.alarms.raised().any();
        if self.blocked && !raised {
            self.unblock();
        } else if raised && self.publications_wait {
            self.let_publications_wait();
        }
    }
}
