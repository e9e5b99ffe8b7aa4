//! How messages die: what becomes of one whose time is over, that was refused, or that is one too many.
//!
//! With nowhere to go it is gone at once. Else it is [dying](super::dying) until the forwarder has settled it.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::absent::Stretch;
use super::convoy::Convoy;
use super::dying::{Buried, Dead};
use super::effective::Effective;
use super::fifo::Entry;
use super::holders::Held;
use super::ready::TakenOut;
use super::reason::Reason;
use super::state::QueueState;
use crate::id::ChannelId;
use crate::journal::Keeper;
use crate::publication::Page;

/// Dead messages that wait for the forwarder while those that are refused are still taken to them.
const MOST_REFUSED: usize = 4_096;

impl QueueState {
    /// These terms hold from now on. What waits keeps its deadline.
    pub fn amend(&mut self, terms: &Effective) {
        let counted = self.limits.count_bytes();
        self.limits
            .amend(terms.max_length, terms.max_length_bytes, terms.overflow);
        if self.limits.count_bytes() != counted {
            self.recount();
        }
        self.reconsider_passing_on(terms);
        self.dying
            .want(terms.dead_letter_exchange.is_some() || terms.delays);
        self.dying.reconsider();
        if !self.dying.is_wanted() {
            self.give_up_dead();
        }
    }

    /// How many dead messages wait for the forwarder, neighbours that are not in memory counted as one, or are with it.
    pub fn dead(&self) -> usize {
        self.dying.waiting() + self.dying.held()
    }

    /// How many no forwarder can carry.
    pub fn aside(&self) -> usize {
        self.dying.aside()
    }

    /// Whether dead messages wait for a forwarder that could take them.
    pub fn has_dead(&self) -> bool {
        self.dying.is_wanted() && !self.dying.is_empty() && self.dying.has_room()
    }

    /// The next dead messages for the forwarder, which is known as `holder`. `None` when there are none in memory, or it has
    /// enough.
    pub fn next_dead(&mut self, holder: ChannelId) -> Option<Convoy> {
        self.dying.set_holder(holder);
        let (first, dead) = self.dying.hand_over();
        let mut convoy = Convoy::new(first, dead.len());
        let one_cause =
            |one: &Dead, other: &Dead| (one.entry.page, one.reason) == (other.entry.page, other.reason);
        for neighbours in dead.chunk_by(one_cause) {
            let Some(Dead { entry, reason, .. }) = neighbours.first() else {
                continue;
            };
            // What is not absent has a page.
            let page = self.pages.get(entry)?;
            let offsets = neighbours.iter().map(|dead| dead.entry.offset);
            convoy.push(page, offsets, *reason);
        }
        if self.settings.journaled && dead.iter().all(|dead| dead.entry.kept) {
            convoy = convoy.kept_at(dead.iter().map(|dead| dead.position).collect());
        }
        (!convoy.is_empty()).then_some(convoy)
    }

    /// Takes messages in that are refused, and dead at once: those at `offsets` of a page. They were never enqueued. With
    /// [many](MOST_REFUSED) dead ones here already they are dropped: their publisher knows that they were refused.
    pub fn enqueue_dead(&mut self, page: Arc<Page>, offsets: &[u32]) {
        if self.dying.waiting() >= MOST_REFUSED {
            return;
        }
        let (ready, dying) = (&mut self.ready, &mut self.dying);
        let kept = |_: &Page, _| false;
        self.pages.insert(page, offsets, kept, |entry| {
            dying.push(Dead {
                position: ready.skip_position(),
                entry,
                reason: Reason::MaxLen,
            });
        });
    }

    /// A channel refuses messages it holds.
    pub(super) fn reject(&mut self, channel: ChannelId, keys: &[u32]) -> usize {
        let mut rejected = Vec::with_capacity(keys.len());
        let count = self.holders.release(channel, keys, |Held { position, entry }| {
            rejected.push((position, entry));
        });
        if !self.returning.attempts.is_empty() {
            for &(position, _) in &rejected {
                self.returning.attempts.forget(position);
            }
        }
        self.die_together(&rejected, Reason::Rejected);
        count
    }

    /// A message dies that nobody holds and that does not wait.
    pub(super) fn die(&mut self, position: u64, entry: Entry, reason: Reason) {
        if !self.dying.is_wanted() {
            self.settlements.note(position, &entry);
            self.pages.release(&entry);
        } else {
            self.dying.push(Dead {
                position,
                entry,
                reason,
            });
        }
    }

    /// Messages die that nobody holds and that do not wait, in this order.
    fn die_together(&mut self, messages: &[(u64, Entry)], reason: Reason) {
        if !self.dying.is_wanted() {
            for (position, entry) in messages {
                self.settlements.note(*position, entry);
                self.pages.release(entry);
            }
            return;
        }
        self.dying.push_all(messages, reason);
    }

    /// Messages die that waited. Returns roughly how many were looked at.
    pub(super) fn bury(&mut self, taken: TakenOut, reason: Reason) -> usize {
        let TakenOut {
            mut entries,
            mut absent,
        } = taken;
        let deaths = entries.len() + absent.len();
        // They die in the order in which they stood, whatever of them is in memory.
        entries.sort_unstable_by_key(|&(position, _)| position);
        absent.sort_unstable_by_key(|stretch| stretch.run.positions.first);
        entries.iter().for_each(|(_, entry)| self.left(entry));
        self.pass_over(&entries);
        let mut rest = entries.as_slice();
        for Stretch { keeper, run, bodies } in absent {
            let before = rest.partition_point(|&(position, _)| position < run.positions.first);
            let (now, later) = rest.split_at(before);
            self.die_together(now, reason);
            rest = later;
            self.backlog.pass_over(run.positions);
            let counted = self.count_absent_out(bodies);
            let buried = Buried {
                keeper,
                positions: run.positions,
                reason,
                counted,
            };
            if counted || self.dying.is_wanted() {
                self.dying.push_absent(buried);
            } else {
                self.settle_absent(buried);
            }
        }
        self.die_together(rest, reason);
        deaths
    }

    /// The forwarder is lost: what it had is here again. Answers the position of a message that is set aside now, for no
    /// forwarder can carry it.
    pub fn take_dead_back(&mut self) -> Option<u64> {
        let aside = self.dying.take_back();
        if !self.dying.is_wanted() {
            self.give_up_dead();
        }
        aside
    }

    /// The forwarder that is known as `holder` is done with messages, given by their numbers. Returns how many those are.
    pub fn settle_dead(&mut self, holder: ChannelId, numbers: RangeInclusive<u64>) -> usize {
        if !self.dying.is_holder(holder) {
            return 0;
        }
        let (dying, pages, settlements) = (&mut self.dying, &mut self.pages, &mut self.settlements);
        let settled = dying.release(numbers, |run| {
            for together in run.chunk_by(|one, other| one.entry.page == other.entry.page) {
                let mut cost = 0;
                for Dead { position, entry, .. } in together {
                    settlements.note(*position, entry);
                    cost += u64::from(entry.cost);
                }
                let page = together.first().map(|dead| dead.entry.page);
                page.into_iter()
                    .for_each(|page| pages.release_some(page, together.len() as u32, cost));
            }
        });
        self.compact_pages();
        settled
    }

    fn give_up_dead(&mut self) {
        for dead in self.dying.drain().collect::<Vec<_>>() {
            match dead {
                Ok(Dead {
                    position,
                    entry,
                    reason,
                }) => self.die(position, entry, reason),
                // It counts until its body is read.
                Err(buried) if buried.counted => self.dying.push_absent(buried),
                Err(buried) => self.settle_absent(buried),
            }
        }
    }

    pub(super) fn settle_absent(&mut self, buried: Buried) {
        self.settlements.note_range(Keeper::Journal, buried.positions);
        if buried.keeper == Keeper::Scratch {
            self.settlements.note_range(Keeper::Scratch, buried.positions);
        }
    }
}
