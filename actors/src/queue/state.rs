//! The state of a queue, and the commands that change it.

use std::sync::Arc;

use super::{
    backlog::Backlog,
    compaction::Compaction,
    credit::Grant,
    dying::Dying,
    expiry::Expiry,
    fifo::Entry,
    holders::{Held, Holders},
    levels::Levels,
    limits::Limits,
    overtime::Overtime,
    pages::Pages,
    priorities::Priorities,
    returning::Returning,
    settlements::Settlements,
    subscribers::{InExclusiveUse, Subscribers},
    subscription::Subscription,
};
use crate::{
    id::{ChannelId, ConsumerId},
    journal::{Keeper, Kept, Positions},
    publication::{Delivery, Handout, NO_KEY, Page},
};

/// What a queue is told when it is declared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueSettings {
    /// Only one consumer at a time is served; the others wait to take its place.
    pub single_active_consumer: bool,
    /// That one makes room for one of a higher priority as soon as it has settled what it got.
    pub yields_to_priority: bool,
    /// The queue is to be deleted when its last consumer leaves.
    pub auto_delete: bool,
    /// Its persistent messages are in a journal, which is to hear when they are gone.
    pub journaled: bool,
    /// So are its transient ones, as a quorum queue promises.
    pub transient_too: bool,
    /// Those of its messages.
    pub priorities: Priorities,
}

impl QueueSettings {
    /// Whether the journal keeps the message at this offset of a page.
    pub(super) fn keeps(self, page: &Page, offset: u32) -> bool {
        self.journaled && (page.is_persistent(offset) || self.transient_too)
    }
}

/// What becomes of a settled message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Ack,
    /// It goes back to its place, marked as redelivered.
    Requeue,
    /// The same, and who had it failed with it.
    Fail,
    /// It was refused, and is dropped.
    Reject,
}

/// A queue without its actor, see the [module](super).
///
/// Counts are as the wire carries them: above `u32::MAX` they stay there. In this order, what is asked for each batch is together
/// in memory: what is last of `ready`, and first of the consumers.
#[derive(Debug, Default)]
#[repr(C)]
pub struct QueueState {
    pub(super) ready: Levels,
    pub(super) settings: QueueSettings,
    /// Whether what comes may be passed on without being enqueued.
    pub(super) may_pass_on: bool,
    pub(super) subscribers: Subscribers,
    pub(super) pages: Pages,
    /// Number of the last pass.
    pub(super) passes: u64,
    pub(super) compaction: Compaction,
    pub(super) settlements: Settlements,
    pub(super) limits: Limits,
    pub(super) holders: Holders,
    pub(super) backlog: Backlog,
    pub(super) returning: Returning,
    pub(super) overtime: Overtime,
    pub(super) expiry: Expiry,
    pub(super) dying: Dying,
}

impl QueueState {
    /// An empty queue.
    pub fn new(settings: QueueSettings) -> Self {
        Self {
            settings,
            ready: Levels::new(settings.priorities),
            subscribers: Subscribers::new(settings.single_active_consumer, settings.yields_to_priority),
            ..Self::default()
        }
    }

    /// A channel will use this queue. Attaching again changes nothing.
    pub fn attach(&mut self, channel: ChannelId) {
        self.holders.attach(channel);
    }

    /// A channel is gone: so are its consumers, which are returned, and what it held returns to its place, marked as
    /// redelivered.
    pub fn detach(&mut self, channel: ChannelId) -> Vec<ConsumerId> {
        let gone = self.subscribers.remove_of(channel);
        let held = self.holders.detach(channel);
        self.welcome_successor();
        self.take_back(held, Outcome::Fail);
        self.compact_pages();
        gone
    }

    /// Takes the messages at `offsets` of a page, in that order. They are not copied out of a page that is not worth to be kept for
    /// them before consumers had a chance to take them.
    pub fn enqueue(&mut self, page: Arc<Page>, offsets: &[u32]) {
        self.count_arrived(&page, offsets);
        let ready = &mut self.ready;
        let settings = self.settings;
        let (together, level) = (ready.takes_together(&page), ready.usual());
        if together && !settings.journaled {
            self.pages.insert_together(page, offsets.len(), |page, key| {
                ready.push_all(offsets, |offset| Entry {
                    level,
                    ..Entry::new(key, offset, page.cost(offset))
                })
            });
        } else if together {
            self.pages.insert_together(page, offsets.len(), |page, key| {
                ready.push_all(offsets, |offset| Entry {
                    kept: settings.keeps(page, offset),
                    level,
                    ..Entry::new(key, offset, page.cost(offset))
                })
            });
        } else {
            let kept = |page: &Page, offset| settings.keeps(page, offset);
            let publications = Arc::clone(&page);
            self.pages.insert(page, offsets, kept, |entry| {
                let level = ready.level_of(&publications, entry.offset);
                ready.push_to_level(Entry { level, ..entry });
            });
        }
        if !self.consumers_take_more() {
            self.compact_pages();
        }
    }

    /// The position that the next message gets.
    pub fn next_position(&self) -> u64 {
        self.ready.next_position()
    }

    /// Takes messages back that a journal has kept, before any other. Those below `handed_out_below` are marked as redelivered.
    pub fn restore(&mut self, kept: Kept) {
        self.ready.start_at(kept.next_position, kept.handed_out_below);
        self.synced_below(kept.next_position);
        self.take_back_kept(&kept.returned, kept.next_position);
        if let Some(run) = kept.waiting {
            let review = kept.timed || self.limits.count_bytes();
            self.ready.push_kept(run, kept.alike, review);
        }
    }

    /// The messages that a journal has and that are gone, or that it need not have any more, since this was asked last.
    pub fn take_settled(&mut self, keeper: Keeper) -> Vec<Positions> {
        self.settlements.take(keeper)
    }

    /// The last position of a message that was handed out and is not settled.
    pub fn last_handed_out(&self) -> Option<u64> {
        let held = self.holders.iter().map(|held| held.position).max();
        let resting = self.returning.resting.positions().last();
        held.max(resting).max(self.ready.last_redelivered())
    }

    /// A channel settles messages it holds, by their keys; returns how many. Unknown keys are skipped;
    /// a key is used again once it is settled.
    pub fn settle(&mut self, channel: ChannelId, outcome: Outcome, keys: &[u32]) -> usize {
        let settled = match outcome {
            Outcome::Reject if self.dying.is_wanted() => self.reject(channel, keys),
            Outcome::Ack | Outcome::Reject => {
                let (pages, settlements) = (&mut self.pages, &mut self.settlements);
                let attempts = &mut self.returning.attempts;
                let counted = !attempts.is_empty();
                self.holders.release(channel, keys, |held| {
                    if counted {
                        attempts.forget(held.position);
                    }
                    settlements.note(held.position, &held.entry);
                    pages.release(&held.entry);
                })
            }
            Outcome::Requeue | Outcome::Fail => {
                let mut back = Vec::with_capacity(keys.len());
                let settled = self.holders.release(channel, keys, |held| back.push(held));
                self.take_back(back, outcome);
                settled
            }
        };
        self.compact_pages();
        settled
    }

    /// A channel returns messages that never reached the client: they go back to their places unmarked.
    pub fn give_back(&mut self, channel: ChannelId, keys: &[u32]) -> usize {
        let mut back = Vec::with_capacity(keys.len());
        let given = self.holders.release(channel, keys, |held| back.push(held));
        for Held { position, entry } in back {
            self.put_back(position, entry);
        }
        self.compact_pages();
        given
    }

    /// A consumer of a channel joins; it is served once it has credit.
    pub fn subscribe(
        &mut self,
        channel: ChannelId,
        consumer: ConsumerId,
        subscription: Subscription,
    ) -> Result<(), InExclusiveUse> {
        if let Some(timeout) = subscription.timeout {
            self.note_own_limit(timeout);
        }
        let holder = self.holders.attach(channel);
        self.subscribers.add(consumer, channel, holder, subscription)?;
        self.welcome_successor();
        Ok(())
    }

    /// A consumer leaves. What it got stays with its channel. `false` when there is no such consumer.
    pub fn unsubscribe(&mut self, consumer: ConsumerId) -> bool {
        let was_there = self.subscribers.remove(consumer);
        self.welcome_successor();
        was_there
    }

    /// Moves a consumer to or from being served on offer. The next pass reports what credit this took back.
    pub fn set_on_offer(&mut self, consumer: ConsumerId, on_offer: bool) {
        self.subscribers.set_on_offer(consumer, on_offer);
    }

    /// A consumer can take more. A grant of messages answers an offer.
    pub fn credit(&mut self, consumer: ConsumerId, grant: Grant) {
        self.subscribers.credit(consumer, grant);
    }

    /// The first ready message for a channel that asked for one, and how many are left. `None` also when there is one that is
    /// [not in memory](Self::has_first).
    pub fn get(&mut self, channel: ChannelId, no_ack: bool) -> Option<(Handout, u32)> {
        let (position, entry) = self.ready.pop(&mut self.settlements)?;
        let page = Arc::clone(self.pages.get(&entry)?);
        let count = self.returning.counted(position);
        let key = if no_ack {
            self.returning.attempts.forget(position);
            self.settlements.note(position, &entry);
            self.pages.release(&entry);
            self.compact_pages();
            NO_KEY
        } else {
            let holder = self.holders.attach(channel);
            self.holders.hold(holder, Held { position, entry })?
        };
        self.note_got(channel, key, position);
        let delivery = Delivery {
            page: 0,
            offset: entry.offset,
            key,
            redelivered: entry.redelivered,
        };
        let handout = Handout {
            pages: vec![page],
            deliveries: vec![delivery],
            counts: count.map(|count| (0, count)).into_iter().collect(),
            bytes: entry.cost.into(),
        };
        self.count_left(&handout);
        Some((handout, self.ready()))
    }

    /// Drops all ready messages and returns how many there were.
    pub fn purge(&mut self) -> u32 {
        let purged = self.ready();
        let held = self.held_between();
        let pages = &mut self.pages;
        self.ready
            .clear(&mut self.settlements, &held, |entry| pages.release(entry));
        self.backlog.forget_loading();
        self.forget_returns();
        self.recount();
        self.sweep_deadlines();
        self.compact_pages();
        purged
    }

    /// The queue is deleted: all goes but the dead, which are still to be carried away.
    pub fn leave_dead(&mut self) {
        self.purge();
        let others = self.holders.detach_all();
        let resting = self.returning.resting.take_out(&(0..=u64::MAX));
        for (position, entry) in others
            .into_iter()
            .map(|held| (held.position, held.entry))
            .chain(resting)
        {
            self.settlements.note(position, &entry);
            self.pages.release(&entry);
        }
        self.returning = Returning::default();
        self.overtime = Overtime::default();
        self.expiry = Expiry::default();
        self.subscribers = Subscribers::new(false, false);
        self.compact_pages();
    }

    /// Whether a journal keeps this message of a page.
    pub fn keeps(&self, page: &Page, offset: u32) -> bool {
        self.settings.keeps(page, offset)
    }

    /// Whether a journal keeps persistent messages.
    pub fn is_journaled(&self) -> bool {
        self.settings.journaled
    }

    /// Messages that wait.
    pub fn ready(&self) -> u32 {
        count(self.ready.len())
    }

    /// Messages handed out and not settled.
    pub fn unacked(&self) -> u32 {
        count(self.holders.len())
    }

    /// Consumers.
    pub fn consumers(&self) -> u32 {
        count(self.subscribers.len())
    }

    /// The consumers, in no particular order.
    pub fn consumer_ids(&self) -> impl Iterator<Item = ConsumerId> {
        self.subscribers.ids()
    }

    /// The consumer that is served, on a queue with a single active one.
    pub fn active_consumer(&self) -> Option<ConsumerId> {
        self.subscribers.active()
    }

    /// Bytes of memory the messages keep alive, unsettled ones included.
    pub fn bytes(&self) -> u64 {
        self.pages.bytes()
    }

    /// Whether an auto-delete queue lost its last consumer.
    pub fn abandoned(&self) -> bool {
        self.settings.auto_delete && self.subscribers.had_any() && self.subscribers.len() == 0
    }

    /// The positions of unsettled, resting and dead messages that may stand between those that wait, in rising order. With one level
    /// and without dead ones there are none: the others were all before.
    fn held_between(&self) -> Vec<u64> {
        let dead = self.dying.held() > 0 || self.dying.aside() > 0 || !self.dying.is_empty();
        if self.ready.is_one() && !dead {
            return Vec::new();
        }
        let held = self.holders.iter().map(|held| held.position);
        let others = self.returning.resting.positions().chain(self.dying.positions());
        let mut positions: Vec<u64> = held.chain(others).collect();
        positions.sort_unstable();
        positions
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
