//! Where one consumer at a time is served: which one, and who is next.

use std::cmp::Reverse;
use std::mem;

use super::{Subscriber, Subscribers};
use crate::id::ConsumerId;

impl Subscribers {
    /// The single active consumer, where there is one.
    pub(in crate::queue) fn active(&self) -> Option<ConsumerId> {
        Some(self.slots.get(self.active? as usize)?.id)
    }

    /// The holder slot of the active consumer's channel, if that consumer gets nothing more and is to be
    /// [succeeded](Self::promote) once nothing is held there of what it got.
    #[inline]
    pub(in crate::queue) fn yielding(&self) -> Option<u32> {
        if !self.yielding {
            return None;
        }
        Some(self.slots.get(self.active? as usize)?.holder)
    }

    /// Lets the consumer of the highest priority, the oldest among equals, become the active one.
    pub(in crate::queue) fn promote(&mut self) {
        let rank = |subscriber: &Subscriber| (Reverse(subscriber.subscription.priority), subscriber.order);
        let first = self.slots.iter().min_by_key(|(_, subscriber)| rank(subscriber));
        self.active = first.map(|(slot, _)| slot as u32);
        self.changed = true;
        self.yielding = false;
        if let Some(slot) = self.active {
            self.join(slot);
        }
    }

    /// The holder slot of a consumer that has become the active one since this was asked last, if it may have to yield.
    pub(in crate::queue) fn take_successor(&mut self) -> Option<u32> {
        if !mem::take(&mut self.changed) || !self.yields {
            return None;
        }
        Some(self.slots.get(self.active? as usize)?.holder)
    }

    /// Others came or went: looks whether the active consumer is to yield to one of them.
    pub(super) fn look_for_successor(&mut self) {
        let Some(slot) = self.active.filter(|_| self.yields) else {
            return;
        };
        let priorities = self.slots.iter().map(|(_, other)| other.subscription.priority);
        let highest = priorities.max();
        let Some(active) = self.slots.get_mut(slot as usize) else {
            return;
        };
        let yielding = highest > Some(active.subscription.priority);
        if yielding == self.yielding {
            return;
        }
        self.yielding = yielding;
        if yielding {
            active.in_turn = false;
            self.turns.retain(|other| other != slot);
        } else {
            self.join(slot);
        }
    }

    /// Whether this is one that may be served.
    pub(super) fn may_be_served(&self, slot: u32) -> bool {
        !self.single_active || (self.active == Some(slot) && !self.yielding)
    }
}
