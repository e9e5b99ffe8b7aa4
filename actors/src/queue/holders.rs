//! Messages handed out and not settled, by the channel that answers for them.

use rustc_hash::{FxHashMap, FxHashSet};
use slab::Slab;

use super::fifo::Entry;
use crate::id::ChannelId;

/// Room for this many unsettled messages is kept when the last of them is settled.
const KEPT: usize = 4_096;

/// An unsettled message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) position: u64,
    pub(super) entry: Entry,
}

/// What each attached channel holds. The key of an unsettled message is its slab key.
#[derive(Debug, Default)]
pub(super) struct Holders {
    slots: FxHashMap<ChannelId, u32>,
    unacked: Slab<Slab<Held>>,
    len: usize,
    /// Where one consumer at a time is served: the slot of its channel, and the keys of what that holds since before.
    before: Option<(u32, FxHashSet<u32>)>,
}

impl Holders {
    /// Unsettled messages of all channels.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The slot of a channel, a new one when it had none.
    pub(super) fn attach(&mut self, channel: ChannelId) -> u32 {
        *self
            .slots
            .entry(channel)
            .or_insert_with(|| self.unacked.insert(Slab::new()) as u32)
    }

    /// Forgets a channel and returns what it held, in order of position.
    pub(super) fn detach(&mut self, channel: ChannelId) -> Vec<Held> {
        let slot = self.slots.remove(&channel);
        let Some(unacked) = slot.and_then(|slot| self.unacked.try_remove(slot as usize)) else {
            return Vec::new();
        };
        let mut held: Vec<Held> = unacked.into_iter().map(|(_, held)| held).collect();
        held.sort_unstable_by_key(|held| held.position);
        self.len -= held.len();
        held
    }

    /// Forgets all channels, and returns what they held.
    pub(super) fn detach_all(&mut self) -> Vec<Held> {
        let channels: Vec<ChannelId> = self.slots.keys().copied().collect();
        channels
            .into_iter()
            .flat_map(|channel| self.detach(channel))
            .collect()
    }

    /// Holds a message for the channel in `slot`, and returns its key.
    #[inline]
    pub(super) fn hold(&mut self, slot: u32, held: Held) -> Option<u32> {
        let key = self.unacked.get_mut(slot as usize)?.insert(held);
        self.len += 1;
        Some(key as u32)
    }

    /// What the channel in `slot` holds does not count for [`is_free`](Self::is_free): others got it.
    pub(super) fn begin_anew(&mut self, slot: u32) {
        let held = self.unacked.get(slot as usize).into_iter().flatten();
        self.before = Some((slot, held.map(|(key, _)| key as u32).collect()));
    }

    /// Whether the channel in `slot` holds nothing, or only what it held before it [began anew](Self::begin_anew).
    pub(super) fn is_free(&self, slot: u32) -> bool {
        let before = self.before.as_ref().filter(|(began, _)| *began == slot);
        let before = before.map_or(0, |(_, keys)| keys.len());
        self.unacked
            .get(slot as usize)
            .is_none_or(|unacked| unacked.len() == before)
    }

    /// Holds messages that stand side by side from a position on; `held` hears of each, with its key.
    #[inline]
    pub(super) fn hold_all(
        &mut self,
        slot: u32,
        position: u64,
        entries: &[Entry],
        mut held: impl FnMut(&Entry, Option<u32>),
    ) {
        let mut unacked = self.unacked.get_mut(slot as usize);
        if unacked.is_some() {
            self.len += entries.len();
        }
        for (position, entry) in (position..).zip(entries) {
            let message = Held {
                position,
                entry: *entry,
            };
            let key = unacked.as_mut().map(|unacked| unacked.insert(message) as u32);
            held(entry, key);
        }
    }

    /// The position of the message that a channel holds by this key.
    pub(super) fn position(&self, channel: ChannelId, key: u32) -> Option<u64> {
        let slot = *self.slots.get(&channel)?;
        let held = self.unacked.get(slot as usize)?.get(key as usize)?;
        Some(held.position)
    }

    /// Releases the messages with these keys to `sink` and returns how many there were; unknown keys are skipped.
    #[inline]
    pub(super) fn release(&mut self, channel: ChannelId, keys: &[u32], mut sink: impl FnMut(Held)) -> usize {
        let Some(&slot) = self.slots.get(&channel) else {
            return 0;
        };
        let Some(unacked) = self.unacked.get_mut(slot as usize) else {
            return 0;
        };
        let had = unacked.len();
        keys.iter()
            .filter_map(|&key| unacked.try_remove(key as usize))
            .for_each(&mut sink);
        let released = had - unacked.len();
        if let Some((_, before)) = self.before.as_mut().filter(|(began, _)| *began == slot) {
            keys.iter().for_each(|key| {
                before.remove(key);
            });
        }
        if unacked.is_empty() && unacked.capacity() > KEPT {
            *unacked = Slab::new();
        }
        self.len -= released;
        released
    }

    /// Each message with its channel, the key by which that holds it, and its position.
    pub(super) fn deliveries(&self) -> impl Iterator<Item = (ChannelId, u32, u64)> {
        self.slots.iter().flat_map(|(&channel, &slot)| {
            let unacked = self.unacked.get(slot as usize).into_iter().flatten();
            unacked.map(move |(key, held)| (channel, key as u32, held.position))
        })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Held> {
        self.unacked
            .iter()
            .flat_map(|(_, unacked)| unacked.iter().map(|(_, held)| held))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Held> {
        self.unacked
            .iter_mut()
            .flat_map(|(_, unacked)| unacked.iter_mut().map(|(_, held)| held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(position: u64) -> Held {
        Held {
            position,
            entry: Entry {
                page: 0,
                offset: 0,
                cost: 1,
                redelivered: false,
                kept: false,
                scratched: false,
                level: 0,
            },
        }
    }

    #[test]
    fn an_unsettled_message_takes_twenty_four_bytes() {
        let mut slab = Slab::with_capacity(1);
        slab.insert(held(1));
        assert_eq!(size_of::<Held>(), 24);
    }

    #[test]
    fn one_stuck_message_among_millions_settled_takes_no_room() {
        let mut holders = Holders::default();
        let channel = ChannelId::next();
        let slot = holders.attach(channel);
        holders.hold(slot, held(0));
        for position in 1..2_000_000 {
            let key = holders.hold(slot, held(position)).unwrap();
            assert_eq!(holders.release(channel, &[key], drop), 1);
        }
        assert_eq!(holders.len(), 1);
        assert!(holders.unacked[slot as usize].capacity() < 16);
    }

    #[test]
    fn room_for_a_flood_is_given_up_once_it_is_settled() {
        let mut holders = Holders::default();
        let channel = ChannelId::next();
        let slot = holders.attach(channel);
        let keys: Vec<u32> = (0..1_000_000)
            .filter_map(|position| holders.hold(slot, held(position)))
            .collect();
        holders.release(channel, &keys, drop);
        assert!(holders.unacked[slot as usize].capacity() <= KEPT);
    }

    #[test]
    fn what_a_channel_held_before_does_not_keep_it_from_being_free() {
        let mut holders = Holders::default();
        let channel = ChannelId::next();
        let slot = holders.attach(channel);
        let early = [holders.hold(slot, held(0)), holders.hold(slot, held(1))].map(Option::unwrap);
        assert!(!holders.is_free(slot));
        holders.begin_anew(slot);
        assert!(holders.is_free(slot));
        holders.release(channel, &early[..1], drop);
        assert!(holders.is_free(slot));
        let again = holders.hold(slot, held(0)).unwrap();
        assert_eq!(again, early[0], "the key of the one before");
        assert!(!holders.is_free(slot));
        holders.release(channel, &[again], drop);
        assert!(holders.is_free(slot));
    }

    #[test]
    fn a_channel_settles_only_what_it_holds() {
        let mut holders = Holders::default();
        let (one, other) = (ChannelId::next(), ChannelId::next());
        let slot = holders.attach(one);
        holders.attach(other);
        let key = holders.hold(slot, held(7)).unwrap();
        assert_eq!(holders.release(other, &[key], |_| panic!("not its own")), 0);
        assert_eq!(holders.release(one, &[key, key], drop), 1);
    }

    #[test]
    fn a_detached_channel_returns_what_it_held_in_order() {
        let mut holders = Holders::default();
        let channel = ChannelId::next();
        let slot = holders.attach(channel);
        for position in [5, 1, 9, 3] {
            holders.hold(slot, held(position));
        }
        let positions: Vec<u64> = holders.detach(channel).iter().map(|held| held.position).collect();
        assert_eq!(positions, [1, 3, 5, 9]);
        assert_eq!(holders.len(), 0);
    }
}
