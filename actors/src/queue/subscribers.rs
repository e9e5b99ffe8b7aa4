//! The consumers of a queue, their credit, and which of them may be handed messages.

mod succession;

use std::{fmt, time::Duration};

use rustc_hash::FxHashMap;
use slab::Slab;

use super::{
    credit::{Credit, Grant},
    subscription::Subscription,
    turns::Turns,
};
use crate::id::{ChannelId, ConsumerId};

/// An exclusive consumer is here, or an exclusive one came where it can't be alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InExclusiveUse;

impl fmt::Display for InExclusiveUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("in exclusive use")
    }
}

impl std::error::Error for InExclusiveUse {}

/// One consumer. What is asked for each batch comes first.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Subscriber {
    pub(super) id: ConsumerId,
    pub(super) credit: Credit,
    /// Whether it is among the [`Turns`]: when it may be served and has credit.
    in_turn: bool,
    /// Whether an offer to it is unanswered.
    offered: bool,
    /// Slot of its channel among the [`Holders`](super::holders::Holders).
    pub(super) holder: u32,
    pub(super) subscription: Subscription,
    /// Where its handout of the running pass is.
    pub(super) open: Open,
    pub(super) channel: ChannelId,
    /// Rank by age.
    order: u64,
    /// Its place among those of its channel.
    place: u32,
}

/// The handout a subscriber got last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Open {
    /// The pass it belongs to.
    pub(super) pass: u64,
    /// Its index in that pass.
    pub(super) handout: u32,
    /// Slot of the page used last.
    pub(super) page: u32,
}

/// All consumers of a queue. What is asked for each batch comes first.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Subscribers {
    single_active: bool,
    /// Whether the single active one makes room for a higher priority.
    yields: bool,
    /// It gets nothing more: a higher priority waits until it has settled what it got.
    yielding: bool,
    /// The active one may be another than when this was asked last.
    changed: bool,
    /// With a single active consumer: the one.
    active: Option<u32>,
    /// Slots of those on offer.
    on_offer: Vec<u32>,
    slots: Slab<Subscriber>,
    turns: Turns,
    /// Credit taken back and not reported yet.
    taken_back: Vec<(ConsumerId, u32)>,
    index: FxHashMap<ConsumerId, u32>,
    /// Slots by channel, in no order.
    of_channel: FxHashMap<ChannelId, Vec<u32>>,
    /// How many there ever were.
    ever: u64,
}

impl Subscribers {
    /// None. When a single one is active, it may be one that yields to a higher priority.
    pub(super) fn new(single_active: bool, yields: bool) -> Self {
        Self {
            single_active,
            yields: single_active && yields,
            ..Self::default()
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there ever was one.
    pub(super) fn had_any(&self) -> bool {
        self.ever > 0
    }

    /// Whether some would take messages, or would be offered them.
    pub(super) fn take_more(&self) -> bool {
        self.turns.first().is_some() || !self.on_offer.is_empty()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = ConsumerId> {
        self.slots.iter().map(|(_, subscriber)| subscriber.id)
    }

    /// The channel of a consumer, and how long it says that it may keep a message.
    pub(super) fn limit_of(&self, id: ConsumerId) -> Option<(ChannelId, Option<Duration>)> {
        let slot = *self.index.get(&id)?;
        let subscriber = self.slots.get(slot as usize)?;
        Some((subscriber.channel, subscriber.subscription.timeout))
    }

    /// Whether a consumer of this channel says itself how long it may keep a message.
    pub(super) fn has_own_limit(&self, channel: ChannelId) -> bool {
        let mut slots = self.of_channel.get(&channel).into_iter().flatten();
        slots.any(|&slot| {
            let subscriber = self.slots.get(slot as usize);
            subscriber.is_some_and(|subscriber| subscriber.subscription.timeout.is_some())
        })
    }

    pub(super) fn add(
        &mut self,
        id: ConsumerId,
        channel: ChannelId,
        holder: u32,
        subscription: Subscription,
    ) -> Result<(), InExclusiveUse> {
        if subscription.exclusive && (self.single_active || !self.slots.is_empty()) || self.is_exclusive() {
            return Err(InExclusiveUse);
        }
        let credit = Credit::default();
        let (order, open) = (self.ever, Open::default());
        self.ever += 1;
        let siblings = self.of_channel.entry(channel).or_default();
        let place = siblings.len() as u32;
        let subscriber = Subscriber {
            id,
            channel,
            holder,
            subscription,
            credit,
            open,
            order,
            place,
            in_turn: false,
            offered: false,
        };
        let slot = self.slots.insert(subscriber) as u32;
        siblings.push(slot);
        self.index.insert(id, slot);
        if subscription.on_offer {
            self.on_offer.push(slot);
        }
        if self.single_active && self.active.is_none() {
            self.active = Some(slot);
            self.changed = true;
        }
        self.look_for_successor();
        Ok(())
    }

    /// Removes a consumer; `false` when there is none of that identity.
    pub(super) fn remove(&mut self, id: ConsumerId) -> bool {
        let Some(&slot) = self.index.get(&id) else {
            return false;
        };
        self.leave_channel(slot);
        self.remove_slots(&[slot]);
        true
    }

    /// Removes the consumers of a channel and returns who they were.
    pub(super) fn remove_of(&mut self, channel: ChannelId) -> Vec<ConsumerId> {
        match self.of_channel.remove(&channel) {
            Some(slots) => self.remove_slots(&slots),
            None => Vec::new(),
        }
    }

    /// Takes a consumer off the list of its channel.
    fn leave_channel(&mut self, slot: u32) {
        let Some(subscriber) = self.slots.get(slot as usize) else {
            return;
        };
        let (channel, place) = (subscriber.channel, subscriber.place);
        let Some(siblings) = self.of_channel.get_mut(&channel) else {
            return;
        };
        siblings.swap_remove(place as usize);
        if let Some(moved) = siblings.get(place as usize).copied() {
            if let Some(moved) = self.slots.get_mut(moved as usize) {
                moved.place = place;
            }
        } else if siblings.is_empty() {
            self.of_channel.remove(&channel);
        }
    }

    /// Removes consumers that are on no list of a channel any more. Takes time for them, and once for all others.
    fn remove_slots(&mut self, slots: &[u32]) -> Vec<ConsumerId> {
        let (mut in_turn, mut on_offer, mut active) = (false, false, false);
        let mut removed = Vec::with_capacity(slots.len());
        for &slot in slots {
            let Some(subscriber) = self.slots.try_remove(slot as usize) else {
                continue;
            };
            self.index.remove(&subscriber.id);
            in_turn |= subscriber.in_turn;
            on_offer |= subscriber.subscription.on_offer;
            active |= self.active == Some(slot);
            removed.push(subscriber.id);
        }
        let left = &self.slots;
        if in_turn {
            self.turns.retain(|slot| left.contains(slot as usize));
        }
        if on_offer {
            self.on_offer.retain(|&slot| left.contains(slot as usize));
        }
        if active {
            self.promote();
        } else {
            self.look_for_successor();
        }
        removed
    }

    /// Adds credit; an offer is answered when it grants messages.
    pub(super) fn credit(&mut self, id: ConsumerId, grant: Grant) {
        let Some(&slot) = self.index.get(&id) else { return };
        let Some(subscriber) = self.slots.get_mut(slot as usize) else {
            return;
        };
        subscriber.credit.add(grant);
        subscriber.offered &= grant.messages == 0;
        self.join(slot);
    }

    /// Moves a consumer to or from standing credit. Standing credit is taken back.
    pub(super) fn set_on_offer(&mut self, id: ConsumerId, on_offer: bool) {
        let Some(&slot) = self.index.get(&id) else { return };
        let Some(subscriber) = self.slots.get_mut(slot as usize) else {
            return;
        };
        if subscriber.subscription.on_offer == on_offer {
            return;
        }
        subscriber.subscription.on_offer = on_offer;
        subscriber.offered = false;
        if on_offer {
            self.on_offer.push(slot);
            self.take_back_from(&[slot]);
        } else {
            self.on_offer.retain(|&other| other != slot);
        }
    }

    /// Who is to be handed the next message.
    #[inline]
    pub(super) fn next(&mut self) -> Option<&mut Subscriber> {
        self.slots.get_mut(self.turns.first()? as usize)
    }

    /// Who is to be handed so many messages, none of which needs an ack, if it is one alone and has credit for all: it has paid.
    #[inline]
    pub(super) fn take_all(&mut self, messages: u32, bytes: u64) -> Option<ConsumerId> {
        if self.turns.equals() != 1 || self.single_active || !self.on_offer.is_empty() {
            return None;
        }
        let subscriber = self.next()?;
        let credit = subscriber.credit;
        let covers =
            credit.messages >= messages && u64::try_from(credit.bytes).is_ok_and(|room| room >= bytes);
        if !covers || !subscriber.subscription.no_ack {
            return None;
        }
        let id = subscriber.id;
        subscriber.credit.spend_together(messages as usize, bytes);
        if !subscriber.credit.covers() {
            self.end_turn();
        }
        Some(id)
    }

    /// How many take turns with the next, itself included.
    #[inline]
    pub(super) fn equals(&self) -> usize {
        self.turns.equals()
    }

    /// The next one had its turn.
    #[inline]
    pub(super) fn end_turn(&mut self) {
        let Some(subscriber) = self.next() else { return };
        if subscriber.credit.covers() {
            self.turns.rotate();
        } else {
            subscriber.in_turn = false;
            self.turns.leave();
        }
    }

    /// So many of the next equals do without a turn.
    pub(super) fn skip(&mut self, turns: usize) {
        self.turns.skip(turns);
    }

    /// Offers messages to those on offer who have neither credit nor an unanswered offer.
    pub(super) fn offer(&mut self, offers: &mut Vec<ConsumerId>) {
        let served = self.active.filter(|_| !self.yielding);
        for &slot in &self.on_offer {
            if self.single_active && served != Some(slot) {
                continue;
            }
            let Some(subscriber) = self.slots.get_mut(slot as usize) else {
                continue;
            };
            if subscriber.credit.messages == 0 && !subscriber.offered {
                subscriber.offered = true;
                offers.push(subscriber.id);
            }
        }
    }

    /// Takes back the credit of all who are on offer.
    pub(super) fn take_back(&mut self) {
        let on_offer = std::mem::take(&mut self.on_offer);
        self.take_back_from(&on_offer);
        self.on_offer = on_offer;
    }

    /// The credit taken back since it was asked last.
    pub(super) fn taken_back(&mut self) -> Vec<(ConsumerId, u32)> {
        std::mem::take(&mut self.taken_back)
    }

    fn take_back_from(&mut self, slots: &[u32]) {
        let before = self.taken_back.len();
        for &slot in slots {
            let Some(subscriber) = self.slots.get_mut(slot as usize) else {
                continue;
            };
            if subscriber.credit.messages > 0 {
                self.taken_back
                    .push((subscriber.id, subscriber.credit.take_messages()));
                subscriber.in_turn = false;
            }
        }
        if self.taken_back.len() > before {
            let slots = &self.slots;
            self.turns.retain(|slot| {
                slots
                    .get(slot as usize)
                    .is_some_and(|subscriber| subscriber.in_turn)
            });
        }
    }

    fn is_exclusive(&self) -> bool {
        // An exclusive consumer is alone.
        self.slots.len() == 1
            && self
                .slots
                .iter()
                .any(|(_, subscriber)| subscriber.subscription.exclusive)
    }

    /// Lets a consumer join the turns when it may be served, has credit, and is not there yet.
    fn join(&mut self, slot: u32) {
        let may_be_served = self.may_be_served(slot);
        let Some(subscriber) = self.slots.get_mut(slot as usize) else {
            return;
        };
        if may_be_served && subscriber.credit.covers() && !subscriber.in_turn {
            subscriber.in_turn = true;
            self.turns.join(subscriber.subscription.priority, slot);
        }
    }
}
