//! Telling the connections of an alarm.
//!
//! When it is raised, all hear of it at once: they stop reading. When it is over they go on in turns, because ten thousand
//! publishers that flood at the same moment would leave everybody else waiting.

use std::time::Duration;

use actix::prelude::*;
use tracing::{info, warn};

use super::actor::Broker;
use crate::connection::actor::Connection;
use crate::connection::messages::AlarmChanged;

/// Connections that go on in one turn.
const TURN: usize = 128;
/// Between two turns: ten thousand connections go on within half a second.
const PAUSE: Duration = Duration::from_millis(5);

/// An alarm was raised or cleared: the connections look.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct AlarmsChanged;

/// Connections that have not heard yet that they may go on.
#[derive(Default)]
pub(super) struct Untold {
    connections: Vec<Addr<Connection>>,
    next_turn: SpawnHandle,
}

impl Handler<AlarmsChanged> for Broker {
    type Result = ();

    fn handle(&mut self, _: AlarmsChanged, ctx: &mut Context<Self>) {
        ctx.cancel_future(self.untold.next_turn);
        let raised = self.node.alarms.raised();
        if raised.any() {
            warn!(reason = %raised, "publishers are held back");
            self.untold.connections.clear();
            for connection in self.connections.values() {
                connection.do_send(AlarmChanged);
            }
        } else {
            info!("publishers go on");
            self.untold.connections = self.connections.values().cloned().collect();
            self.tell_next(ctx);
        }
    }
}

impl Broker {
    fn tell_next(&mut self, ctx: &mut Context<Self>) {
        let untold = &mut self.untold.connections;
        for connection in untold.drain(untold.len().saturating_sub(TURN)..) {
            connection.do_send(AlarmChanged);
        }
        if !untold.is_empty() {
            self.untold.next_turn = ctx.run_later(PAUSE, Self::tell_next);
        }
    }
}
