//! Messages that are dead and not buried: they wait for the forwarder to take them where they are to go, or to be read
//! first. Pure.
//!
//! They are neither ready nor unacked. What the forwarder has is held for it, and is here again when the forwarder is lost.
//! Then the next one gets these one by one, and a message with which alone forwarders are lost again and again is set aside:
//! it stays with its queue, and the others go on.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use super::carried::Carried;
pub(super) use super::dead::{Buried, Dead, Waiting};
use super::fifo::Entry;
use super::reason::Reason;
use super::spans::Spans;
use crate::id::ChannelId;
use crate::journal::Positions;

/// Messages that the forwarder may have unsettled.
const MOST_HELD: usize = 4_096;
/// Their bytes.
const MOST_BYTES: u64 = 4 * 1024 * 1024;
/// Forwarders that are lost with one message alone before it is set aside.
const MOST_LOST: u32 = 3;

/// The dead, in the order of their deaths.
#[derive(Debug, Default)]
pub(super) struct Dying {
    pub(super) waiting: VecDeque<Waiting>,
    /// How many stretches are read at once.
    pub(super) at_once: usize,
    /// Whether there is somewhere to go for them.
    wanted: bool,
    /// Whether some may be on their way back to where they died first, whatever becomes of others.
    redrives: bool,
    /// Whom the forwarder is known as.
    holder: Option<ChannelId>,
    /// What the forwarder has.
    carried: Carried,
    /// So many of the first were with a forwarder that is lost.
    suspects: usize,
    /// The message with which alone forwarders were lost last, and how many.
    accused: Option<(u64, u32)>,
    /// Messages that no forwarder can carry.
    aside: VecDeque<Waiting>,
    /// No position of theirs is higher.
    highest: u64,
}

impl Dying {
    /// Whether those who die are wanted somewhere.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted || self.redrives
    }

    /// Says whether those who die are wanted somewhere.
    pub(super) fn want(&mut self, wanted: bool) {
        self.wanted = wanted;
    }

    /// From now on there is somewhere to go for some.
    pub(super) fn want_always(&mut self) {
        self.redrives = true;
    }

    /// Whether none waits for the forwarder.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many were set aside.
    pub(super) fn aside(&self) -> usize {
        self.aside.len()
    }

    /// How many messages the forwarder has.
    #[inline]
    pub(super) fn held(&self) -> usize {
        self.carried.len()
    }

    /// The positions of those.
    pub(super) fn held_positions(&self) -> impl Iterator<Item = u64> {
        self.carried.iter().map(|dead| dead.position)
    }

    /// Whether this is the forwarder.
    #[inline]
    pub(super) fn is_holder(&self, channel: ChannelId) -> bool {
        self.holder == Some(channel)
    }

    pub(super) fn push(&mut self, dead: Dead) {
        match dead.waiting() {
            Waiting::Absent(buried) => self.push_absent(buried),
            one => {
                self.highest = self.highest.max(dead.position);
                self.waiting.push_back(one);
            }
        }
    }

    /// Many at once, in the order of their deaths.
    pub(super) fn push_all(&mut self, messages: &[(u64, Entry)], reason: Reason) {
        let dead = |&(position, entry): &(u64, Entry)| Dead {
            position,
            entry,
            reason,
        };
        for some in messages.chunk_by(|(_, one), (_, other)| one.is_absent() == other.is_absent()) {
            if some.first().is_some_and(|(_, entry)| entry.is_absent()) {
                some.iter().map(dead).for_each(|dead| self.push(dead));
                continue;
            }
            let highest = some.iter().map(|&(position, _)| position).max();
            self.highest = self.highest.max(highest.unwrap_or_default());
            self.waiting.extend(some.iter().map(dead).map(Waiting::One));
        }
    }

    pub(super) fn push_absent(&mut self, buried: Buried) {
        self.highest = self.highest.max(buried.positions.last);
        if let Some(Waiting::Absent(last)) = self.waiting.back_mut()
            && last.positions.last + 1 == buried.positions.first
            && (last.keeper, last.reason, last.counted) == (buried.keeper, buried.reason, buried.counted)
        {
            last.positions.last = buried.positions.last;
            return;
        }
        self.waiting.push_back(Waiting::Absent(buried));
    }

    /// How many wait for the forwarder, neighbours that are not in memory counted as one.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// None of them counts as waiting.
    pub(super) fn uncount(&mut self) {
        for waiting in &mut self.waiting {
            if let Waiting::Absent(buried) = waiting {
                buried.counted = false;
            }
        }
    }

    /// Lets those leave memory that the forwarder has or can't have soon, as far as `let_go` does.
    pub(super) fn let_go(&mut self, mut let_go: impl FnMut(u64, &mut Entry)) {
        for dead in self.carried.iter_mut() {
            let_go(dead.position, &mut dead.entry);
        }
        for mut waiting in self.waiting.split_off(self.soon()) {
            if let Waiting::One(mut dead) = waiting {
                let_go(dead.position, &mut dead.entry);
                waiting = dead.waiting();
            }
            match waiting {
                Waiting::One(dead) => self.push(dead),
                Waiting::Absent(buried) => self.push_absent(buried),
            }
        }
    }

    /// How many of the first the forwarder can have soon.
    fn soon(&self) -> usize {
        let mut bytes = 0;
        let mut costs = self.waiting.iter().map(|waiting| match waiting {
            Waiting::One(dead) => u64::from(dead.entry.cost),
            Waiting::Absent(_) => 0,
        });
        let beyond = costs.position(|cost| {
            bytes += cost;
            bytes > MOST_BYTES
        });
        beyond
            .unwrap_or(usize::MAX)
            .min(MOST_HELD)
            .min(self.waiting.len())
    }

    /// Whether the forwarder may have more.
    pub(super) fn has_room(&self) -> bool {
        let (messages, bytes) = self.room();
        messages > 0 && bytes > 0
    }

    /// How many messages more the forwarder may have, as long as it has room for a byte more.
    fn room(&self) -> (usize, u64) {
        match self.suspects {
            0 => (
                MOST_HELD.saturating_sub(self.carried.len()),
                MOST_BYTES.saturating_sub(self.carried.bytes()),
            ),
            _ => (1_usize.saturating_sub(self.carried.len()), 1),
        }
    }

    /// The forwarder gets the next of the dead, as far as it has room for them and they are in memory. Answers them, and the number
    /// of the first.
    pub(super) fn hand_over(&mut self) -> (u64, &[Dead]) {
        let (messages, mut bytes) = self.room();
        let mut run = Vec::with_capacity(messages.min(self.waiting.len()));
        for waiting in self.waiting.iter().take(messages) {
            match waiting {
                Waiting::One(dead) if bytes > 0 => {
                    bytes = bytes.saturating_sub(dead.entry.cost.into());
                    run.push(*dead);
                }
                _ => break,
            }
        }
        self.waiting.drain(..run.len());
        self.carried.add(run)
    }

    /// The next of the dead, if they are not in memory.
    pub(super) fn first_absent(&self) -> Option<Buried> {
        match self.waiting.front()? {
            Waiting::One(_) => None,
            Waiting::Absent(buried) => Some(*buried),
        }
    }

    /// The forwarder does not have those of these numbers any more; `sink` gets neighbours together. Returns how many.
    pub(super) fn release(&mut self, numbers: RangeInclusive<u64>, sink: impl FnMut(&[Dead])) -> usize {
        let released = self.carried.release(numbers, sink);
        self.suspects = self.suspects.saturating_sub(released);
        released
    }

    /// There is a new forwarder.
    pub(super) fn set_holder(&mut self, holder: ChannelId) {
        self.holder = Some(holder);
    }

    /// The forwarder is lost: what it had comes first. Answers a message that is set aside now.
    pub(super) fn take_back(&mut self) -> Option<u64> {
        self.holder = None;
        let had = self.carried.take_all();
        self.suspects = self.suspects.max(had.len());
        let alone = had.first().filter(|_| had.len() == 1).map(|dead| dead.position);
        for dead in had.into_iter().rev() {
            self.waiting.push_front(dead.waiting());
        }
        self.accuse(alone?)
    }

    /// A forwarder was lost with the first message alone.
    fn accuse(&mut self, position: u64) -> Option<u64> {
        let before = self.accused.filter(|(accused, _)| *accused == position);
        let lost = before.map_or(1, |(_, lost)| lost + 1);
        self.accused = Some((position, lost));
        if lost < MOST_LOST {
            return None;
        }
        self.aside.extend(self.waiting.pop_front());
        self.suspects -= 1;
        Some(position)
    }

    /// Those that were set aside may try again.
    pub(super) fn reconsider(&mut self) {
        self.suspects += self.aside.len();
        self.accused = None;
        while let Some(waiting) = self.aside.pop_back() {
            self.waiting.push_front(waiting);
        }
    }

    /// Nobody wants them any more.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Result<Dead, Buried>> {
        self.suspects = 0;
        self.aside
            .drain(..)
            .chain(self.waiting.drain(..))
            .map(|waiting| match waiting {
                Waiting::One(dead) => Ok(dead),
                Waiting::Absent(buried) => Err(buried),
            })
    }

    /// Whether some may come back alive: they are on their way to where they died first.
    pub(super) fn may_come_back(&self) -> bool {
        self.redrives && !(self.waiting.is_empty() && self.aside.is_empty() && self.carried.len() == 0)
    }

    /// Those that may.
    pub(super) fn redriven(&self) -> impl Iterator<Item = Positions> {
        let all = self.aside.iter().chain(&self.waiting);
        let all = all.take(if self.redrives { usize::MAX } else { 0 });
        let waiting = all.filter_map(|waiting| {
            let (reason, positions) = match waiting {
                Waiting::One(dead) => (dead.reason, Positions::one(dead.position)),
                Waiting::Absent(buried) => (buried.reason, buried.positions),
            };
            (reason == Reason::Redriven).then_some(positions)
        });
        let redriven = self.carried.iter().filter(|dead| dead.reason == Reason::Redriven);
        waiting.chain(redriven.map(|dead| Positions::one(dead.position)))
    }

    /// Of these positions, those of the dead.
    pub(super) fn among(&self, asked: Positions) -> Spans {
        let mut among = Spans::default();
        if self.highest < asked.first {
            // Mostly they stood before all that wait, and there may be millions of them.
            return among;
        }
        let waiting = self.aside.iter().chain(&self.waiting);
        let waiting = waiting.map(|waiting| match waiting {
            Waiting::One(dead) => Positions::one(dead.position),
            Waiting::Absent(buried) => buried.positions,
        });
        let held = self.held_positions().map(Positions::one);
        for Positions { first, last } in waiting.chain(held) {
            let (first, last) = (first.max(asked.first), last.min(asked.last));
            if first <= last {
                among.add(Positions { first, last });
            }
        }
        among
    }

    /// Those that the journal may have, and why they died: first those that the forwarder has.
    pub(super) fn kept(&self) -> impl Iterator<Item = (Positions, Reason)> {
        let one = |dead: &Dead| {
            dead.entry
                .kept
                .then(|| (Positions::one(dead.position), dead.reason))
        };
        let waiting = self.aside.iter().chain(&self.waiting);
        let waiting = waiting.filter_map(move |waiting| match waiting {
            Waiting::One(dead) => one(dead),
            Waiting::Absent(buried) => Some((buried.positions, buried.reason)),
        });
        self.carried.iter().filter_map(one).chain(waiting)
    }

    /// Those in memory. After [`recount`](Self::recount), what is changed here counts.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        let waiting = self.aside.iter_mut().chain(&mut self.waiting);
        let waiting = waiting.filter_map(|waiting| match waiting {
            Waiting::One(dead) => Some(dead),
            Waiting::Absent(_) => None,
        });
        let all = waiting.chain(self.carried.iter_mut());
        all.map(|dead| &mut dead.entry)
    }

    /// Adds up what they cost after that changed.
    pub(super) fn recount(&mut self) {
        self.carried.recount();
    }

    /// Where they all stood.
    pub(super) fn positions(&self) -> impl Iterator<Item = u64> {
        let waiting = self.aside.iter().chain(&self.waiting);
        let waiting = waiting.flat_map(|waiting| match waiting {
            Waiting::One(dead) => dead.position..=dead.position,
            Waiting::Absent(buried) => buried.positions.first..=buried.positions.last,
        });
        waiting.chain(self.held_positions())
    }
}
