//! Deliveries that a client keeps unsettled for too long, where the queue or the consumer sets a limit to that. Pure: time
//! comes in, in milliseconds since the Unix epoch.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::dispatch::Pass;
use super::effective::Effective;
use super::holders::Holders;
use super::state::QueueState;
use crate::clock::{end_of, millis};
use crate::id::ChannelId;
use crate::publication::NO_KEY;

/// Notes of settled deliveries, beyond twice as many as there are others, that are not worth looking for.
const STALE: usize = 1_024;

/// What was handed out, and when.
#[derive(Debug, Default)]
pub(super) struct Overtime {
    /// What the queue says.
    timeout: Option<Duration>,
    /// Whether there ever was a consumer with a limit of its own.
    own_limits: bool,
    /// By the limit of their consumer; `None` for those with that of the queue. The oldest first.
    notes: BTreeMap<Option<Duration>, VecDeque<Note>>,
    /// What was got since the time was told last.
    got: Vec<Note>,
    swept: usize,
}

/// One delivery. Its key may be another's by now; its position never.
#[derive(Clone, Copy, Debug)]
struct Note {
    since: u64,
    channel: ChannelId,
    key: u32,
    position: u64,
}

impl Note {
    fn is_held(&self, holders: &Holders) -> bool {
        holders.position(self.channel, self.key) == Some(self.position)
    }
}

/// Deliveries of one channel, by their keys, that are unsettled for longer than so many milliseconds.
pub(super) type Overdue = BTreeMap<(ChannelId, u64), Vec<u32>>;

impl QueueState {
    /// This is how long a delivery may be unsettled from now on, if its consumer does not say otherwise.
    pub fn amend_overtime(&mut self, effective: &Effective) {
        self.overtime.timeout = effective.consumer_timeout;
        if self.overtime.timeout.is_none() {
            self.overtime.notes.remove(&None);
            self.overtime.got.clear();
        }
    }

    /// Whether [`note_pass`](Self::note_pass) has to hear of each pass.
    #[inline]
    pub fn limits_unsettled(&self) -> bool {
        self.overtime.timeout.is_some() || self.overtime.own_limits
    }

    /// A consumer came that says itself how long it may keep a message.
    pub(super) fn note_own_limit(&mut self, timeout: Duration) {
        self.overtime.own_limits |= !timeout.is_zero();
    }

    /// A message was got.
    #[inline]
    pub(super) fn note_got(&mut self, channel: ChannelId, key: u32, position: u64) {
        if self.overtime.timeout.is_some() && key != NO_KEY {
            self.overtime.got.push(Note {
                since: 0,
                channel,
                key,
                position,
            });
        }
    }

    /// It is `now`, and this was handed out. Returns what was unsettled for longer than it may be, each once.
    pub(super) fn note_pass(&mut self, pass: &Pass, now: u64) -> Overdue {
        let overtime = &mut self.overtime;
        if !overtime.got.is_empty() {
            let got = overtime.got.drain(..).map(|note| Note { since: now, ..note });
            overtime.notes.entry(None).or_default().extend(got);
        }
        for (consumer, handout) in &pass.handouts {
            let Some((channel, own)) = self.subscribers.limit_of(*consumer) else {
                continue;
            };
            if overtime.limit(own).is_none() {
                continue;
            }
            let held = handout.deliveries.iter().filter_map(|delivery| {
                let key = delivery.key;
                let position = self.holders.position(channel, key)?;
                Some(Note {
                    since: now,
                    channel,
                    key,
                    position,
                })
            });
            overtime.notes.entry(own).or_default().extend(held);
        }
        overtime.sweep(&self.holders);
        overtime.take_overdue(&self.holders, now)
    }

    /// When to look for overdue ones again, in milliseconds since the Unix epoch.
    pub fn next_overdue(&self) -> Option<u64> {
        self.overtime.next()
    }
}

impl Overtime {
    /// The limit in milliseconds of deliveries whose consumer says this; `None` when they have none.
    fn limit(&self, own: Option<Duration>) -> Option<u64> {
        let limit = own.or(self.timeout).filter(|limit| !limit.is_zero());
        limit.map(millis)
    }

    fn next(&self) -> Option<u64> {
        let due = self.notes.iter().filter_map(|(own, notes)| {
            let limit = self.limit(*own)?;
            // A look may be late by a thirty-second part of the limit.
            let grain = (limit / 32).clamp(1, 1_000);
            Some(end_of(notes.front()?.since, limit).next_multiple_of(grain))
        });
        due.min()
    }

    fn take_overdue(&mut self, holders: &Holders, now: u64) -> Overdue {
        let mut overdue = Overdue::new();
        let mut notes = std::mem::take(&mut self.notes);
        for (own, notes) in &mut notes {
            let Some(limit) = self.limit(*own) else { continue };
            let is_over = |note: &&Note| end_of(note.since, limit) <= now;
            while let Some(&note) = notes.front().filter(is_over) {
                notes.pop_front();
                if note.is_held(holders) {
                    overdue.entry((note.channel, limit)).or_default().push(note.key);
                }
            }
        }
        notes.retain(|_, notes| !notes.is_empty());
        self.notes = notes;
        overdue
    }

    /// Forgets what is settled, once that is most.
    fn sweep(&mut self, holders: &Holders) {
        let len = |overtime: &Self| overtime.notes.values().map(VecDeque::len).sum::<usize>();
        if len(self) > 2 * holders.len().max(self.swept) + STALE {
            for notes in self.notes.values_mut() {
                notes.retain(|note| note.is_held(holders));
            }
            self.swept = len(self);
        }
    }
}
