//! The channels of a queue: how they come and go, and what they are told.

use actix::prelude::*;

use super::actor::Queue;
use super::messages::{Attach, Detach, QueueNotice};
use crate::id::ChannelId;
use crate::node::Context;

/// A channel that is attached.
pub(super) struct Peer {
    pub(super) notice: Recipient<QueueNotice>,
    /// Up to which number its publications are stored.
    pub(super) stored: u64,
    /// What it was told of that.
    pub(super) told: u64,
}

impl Queue {
    /// A channel's publications are stored up to a number: it hears of that at the end of the turn.
    pub(super) fn stored(&mut self, channel: ChannelId, upto: u64) {
        if let Some(peer) = self.peers.get_mut(&channel) {
            peer.stored = peer.stored.max(upto);
            self.owed.push(channel);
        }
    }
}

impl Handler<Attach> for Queue {
    type Result = ();

    fn handle(&mut self, Attach { channel, peer }: Attach, _: &mut Context<Self>) {
        let notice = peer.read();
        if self.deleted && !self.is_forwarder(channel) {
            notice.do_send(QueueNotice::Gone {
                queue: self.id,
                crashed: false,
            });
            return;
        }
        if !self.is_forwarder(channel) {
            self.state.attach(channel);
        }
        let (stored, told) = (0, 0);
        self.peers.insert(channel, Peer { notice, stored, told });
    }
}

impl Handler<Detach> for Queue {
    type Result = ();

    fn handle(&mut self, Detach { channel }: Detach, ctx: &mut Context<Self>) {
        self.peers.remove(&channel);
        if self.is_forwarder(channel) {
            return self.lost_forwarder(ctx);
        }
        if self.deleted {
            return;
        }
        let gone = self.state.detach(channel);
        gone.iter().for_each(|&id| drop(self.supplies.remove(id)));
        self.gets.retain(|get| get.channel != channel);
        self.check_abandoned(ctx);
        self.absorbed(1, ctx);
    }
}
