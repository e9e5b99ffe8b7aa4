//! Deliveries that a client keeps unsettled for too long, where the queue sets a limit to that. Pure: time comes in, in
//! milliseconds since the Unix epoch.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::dispatch::Pass;
use super::effective::Effective;
use super::state::QueueState;
use crate::clock::{end_of, millis};
use crate::id::ChannelId;
use crate::publication::NO_KEY;

/// Notes of settled deliveries, beyond twice as many as there are others, that are not worth looking for.
const STALE: usize = 1_024;

/// What was handed out, and when.
#[derive(Debug, Default)]
pub(super) struct Overtime {
    timeout: Option<Duration>,
    /// The oldest first.
    notes: VecDeque<Note>,
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

/// Deliveries of one channel, by their keys, that are unsettled for too long.
pub(super) type Overdue = BTreeMap<ChannelId, Vec<u32>>;

impl Overtime {
    /// How long a look may be late, in milliseconds: a thirty-second part of the limit.
    fn grain(timeout: Duration) -> u64 {
        (millis(timeout) / 32).clamp(1, 1_000)
    }
}

impl QueueState {
    /// This is how long a delivery may be unsettled from now on.
    pub fn amend_overtime(&mut self, effective: &Effective) {
        self.overtime.timeout = effective.consumer_timeout;
        if self.overtime.timeout.is_none() {
            self.overtime = Overtime::default();
        }
    }

    /// Whether [`note_pass`](Self::note_pass) has to hear of each pass.
    #[inline]
    pub fn limits_unsettled(&self) -> bool {
        self.overtime.timeout.is_some()
    }

    /// A message was got.
    #[inline]
    pub(super) fn note_got(&mut self, channel: ChannelId, key: u32, position: u64) {
        if self.limits_unsettled() && key != NO_KEY {
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
        let got = overtime.got.drain(..).map(|note| Note { since: now, ..note });
        overtime.notes.extend(got);
        for (consumer, handout) in &pass.handouts {
            let Some(channel) = self.subscribers.channel_of(*consumer) else {
                continue;
            };
            for delivery in &handout.deliveries {
                if let Some(position) = self.holders.position(channel, delivery.key) {
                    overtime.notes.push_back(Note {
                        since: now,
                        channel,
                        key: delivery.key,
                        position,
                    });
                }
            }
        }
        self.sweep_notes();
        self.take_overdue(now)
    }

    /// When to look for overdue ones again, in milliseconds since the Unix epoch.
    pub fn next_overdue(&self) -> Option<u64> {
        let timeout = self.overtime.timeout?;
        let due = end_of(self.overtime.notes.front()?.since, millis(timeout));
        Some(due.next_multiple_of(Overtime::grain(timeout)))
    }

    fn take_overdue(&mut self, now: u64) -> Overdue {
        let mut overdue = Overdue::new();
        let timeout = self.overtime.timeout.map_or(u64::MAX, millis);
        let is_over = |note: &Note| end_of(note.since, timeout) <= now;
        while let Some(&note) = self.overtime.notes.front().filter(|note| is_over(note)) {
            self.overtime.notes.pop_front();
            if self.holders.position(note.channel, note.key) == Some(note.position) {
                overdue.entry(note.channel).or_default().push(note.key);
            }
        }
        overdue
    }

    /// Forgets what is settled, once that is most.
    fn sweep_notes(&mut self) {
        let overtime = &mut self.overtime;
        if overtime.notes.len() > 2 * self.holders.len().max(overtime.swept) + STALE {
            let holders = &self.holders;
            overtime
                .notes
                .retain(|note| holders.position(note.channel, note.key) == Some(note.position));
            overtime.swept = overtime.notes.len();
        }
    }
}
