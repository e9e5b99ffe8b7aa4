//! Deliveries that a client keeps unsettled for too long, where the queue or the consumer sets a limit to that. Pure: time
//! comes in, in milliseconds since the Unix epoch.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::Duration;

use super::dispatch::Pass;
use super::effective::Effective;
use super::holders::Holders;
use super::stale::Stale;
use super::state::QueueState;
use crate::clock::{end_of, millis};
use crate::id::ChannelId;
use crate::publication::NO_KEY;

/// What was handed out, and when.
#[derive(Debug, Default)]
pub(super) struct Overtime {
    /// What the queue says.
    timeout: Option<Duration>,
    /// Whether it says so only now, so that nothing is noted of what was handed out before.
    begins: bool,
    /// Whether there ever was a consumer with a limit of its own.
    own_limits: bool,
    /// By the limit of their consumer; `None` for those with that of the queue. The oldest first.
    notes: BTreeMap<Option<Duration>, VecDeque<Note>>,
    /// What was got since the time was told last.
    got: Vec<Note>,
    swept: Stale,
}

/// One delivery. Its key may be another's by now; its position only if it came back and was handed out again.
#[derive(Clone, Copy, Debug)]
struct Note {
    since: u64,
    channel: ChannelId,
    key: u32,
    position: u64,
}

impl Note {
    fn delivery(&self) -> (ChannelId, u32, u64) {
        (self.channel, self.key, self.position)
    }

    fn is_held(&self, holders: &Holders) -> bool {
        holders.position(self.channel, self.key) == Some(self.position)
    }
}

/// Deliveries of one channel, by their keys, that are unsettled for longer than so many milliseconds.
pub(super) type Overdue = BTreeMap<(ChannelId, u64), Vec<u32>>;

impl QueueState {
    /// This is how long a delivery may be unsettled from now on, if its consumer does not say otherwise. For one that is unsettled
    /// already, and had no limit, the time begins now.
    pub fn amend_overtime(&mut self, effective: &Effective) {
        let timeout = effective.consumer_timeout.filter(|timeout| !timeout.is_zero());
        let overtime = &mut self.overtime;
        overtime.begins = timeout.is_some() && (overtime.timeout.is_none() || overtime.begins);
        overtime.timeout = timeout;
        if timeout.is_none() {
            overtime.notes.remove(&None);
            overtime.got.clear();
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
        if std::mem::take(&mut self.overtime.begins) {
            self.note_held(now);
        }
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

    /// For what is unsettled the time begins `now`. Channels whose consumers say otherwise are left alone.
    fn note_held(&mut self, now: u64) {
        let held = self.holders.deliveries();
        let limited = held.filter(|&(channel, ..)| !self.subscribers.has_own_limit(channel));
        let notes = limited.map(|(channel, key, position)| Note {
            since: now,
            channel,
            key,
            position,
        });
        self.overtime.notes.entry(None).or_default().extend(notes);
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
        let mut over = Vec::new();
        let mut notes = std::mem::take(&mut self.notes);
        for (own, notes) in &mut notes {
            let Some(limit) = self.limit(*own) else { continue };
            let is_over = |note: &&Note| end_of(note.since, limit) <= now;
            while let Some(&note) = notes.front().filter(is_over) {
                notes.pop_front();
                over.extend(note.is_held(holders).then_some((note, limit)));
            }
        }
        notes.retain(|_, notes| !notes.is_empty());
        self.notes = notes;
        self.without_repeated(over)
    }

    /// Those that were not handed out again later, under the same key.
    fn without_repeated(&self, over: Vec<(Note, u64)>) -> Overdue {
        let mut overdue = Overdue::new();
        if over.is_empty() {
            return overdue;
        }
        let later: HashSet<_> = self.notes.values().flatten().map(Note::delivery).collect();
        let mut told = HashSet::new();
        for (note, limit) in over {
            if !later.contains(&note.delivery()) && told.insert(note.delivery()) {
                overdue.entry((note.channel, limit)).or_default().push(note.key);
            }
        }
        overdue
    }

    /// Forgets what is settled, once that is most.
    fn sweep(&mut self, holders: &Holders) {
        let len = |overtime: &Self| overtime.notes.values().map(VecDeque::len).sum::<usize>();
        if self.swept.pays(len(self), holders.len()) {
            for notes in self.notes.values_mut() {
                notes.retain(|note| note.is_held(holders));
            }
            self.swept.looked(len(self), holders.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use leveret_protocol::Body;
    use proptest::{collection::vec, prelude::*, sample::Index};

    use super::*;
    use crate::id::ConsumerId;
    use crate::publication::PageBuilder;
    use crate::queue::{Grant, Outcome, QueueSettings, Subscription};

    const CHANNELS: usize = 3;
    const TIMEOUT: u64 = 1_000;

    #[derive(Clone, Debug)]
    enum Step {
        Publish(usize),
        Credit(usize, u32),
        Get(usize),
        Settle(usize, Outcome, Vec<Index>),
        Detach(usize),
        Wait(u64),
        /// The limit goes or comes back.
        Amend(bool),
    }

    fn step() -> impl Strategy<Value = Step> {
        let channel = || 0..CHANNELS;
        let outcome = prop_oneof![Just(Outcome::Ack), Just(Outcome::Requeue)];
        prop_oneof![
            2 => (1..8_usize).prop_map(Step::Publish),
            3 => (channel(), 1..6_u32).prop_map(|(channel, messages)| Step::Credit(channel, messages)),
            1 => channel().prop_map(Step::Get),
            3 => (channel(), outcome, vec(any::<Index>(), 1..5))
                .prop_map(|(channel, outcome, picks)| Step::Settle(channel, outcome, picks)),
            1 => channel().prop_map(Step::Detach),
            4 => prop_oneof![0..100_u64, 0..1_500_u64].prop_map(Step::Wait),
            1 => prop::bool::weighted(0.8).prop_map(Step::Amend),
        ]
    }

    /// What is unsettled: since when, and whether that is known to be too long.
    #[derive(Debug, Default)]
    struct Model {
        now: u64,
        limited: bool,
        held: BTreeMap<(usize, u32), Option<u64>>,
    }

    struct Run {
        queue: QueueState,
        channels: [ChannelId; CHANNELS],
        consumers: [ConsumerId; CHANNELS],
        model: Model,
    }

    impl Run {
        fn new() -> Self {
            let mut run = Run {
                queue: QueueState::new(QueueSettings::default()),
                channels: std::array::from_fn(|_| ChannelId::next()),
                consumers: std::array::from_fn(|_| ConsumerId::next()),
                model: Model {
                    now: 1_000_000,
                    ..Model::default()
                },
            };
            (0..CHANNELS).for_each(|channel| run.join(channel));
            run.amend(true);
            run
        }

        fn join(&mut self, channel: usize) {
            let subscription = Subscription::default();
            let joined = self
                .queue
                .subscribe(self.channels[channel], self.consumers[channel], subscription);
            joined.unwrap();
        }

        fn amend(&mut self, limited: bool) {
            let effective = Effective {
                consumer_timeout: limited.then_some(Duration::from_millis(TIMEOUT)),
                ..Effective::default()
            };
            self.queue.amend_overtime(&effective);
            if self.model.limited != limited {
                let since = limited.then_some(self.model.now);
                self.model.held.values_mut().for_each(|held| *held = since);
            }
            self.model.limited = limited;
        }

        fn step(&mut self, step: Step) {
            match step {
                Step::Publish(count) => {
                    let mut builder = PageBuilder::new();
                    let push = |_| builder.push("", "q", &[0, 0], false, Body::Slice(b"x"));
                    let offsets: Vec<u32> = (0..count).map(push).collect();
                    self.queue.enqueue(builder.finish(), &offsets);
                }
                Step::Credit(channel, messages) => {
                    let bytes = 1 << 20;
                    self.queue
                        .credit(self.consumers[channel], Grant { messages, bytes });
                }
                Step::Get(channel) => {
                    if let Some((handout, _)) = self.queue.get(self.channels[channel], false) {
                        self.hold(channel, handout.deliveries[0].key);
                    }
                }
                Step::Settle(channel, outcome, picks) => {
                    let keys: Vec<u32> = self
                        .model
                        .held
                        .range((channel, 0)..(channel + 1, 0))
                        .map(|(&(_, key), _)| key)
                        .collect();
                    let mut picked: Vec<u32> = picks
                        .iter()
                        .filter(|_| !keys.is_empty())
                        .map(|pick| keys[pick.index(keys.len())])
                        .collect();
                    picked.sort_unstable();
                    picked.dedup();
                    self.queue.settle(self.channels[channel], outcome, &picked);
                    let held = &mut self.model.held;
                    held.retain(|&(holder, key), _| holder != channel || !picked.contains(&key));
                }
                Step::Detach(channel) => {
                    self.queue.detach(self.channels[channel]);
                    self.model.held.retain(|&(holder, _), _| holder != channel);
                    self.channels[channel] = ChannelId::next();
                    self.join(channel);
                }
                Step::Wait(milliseconds) => self.model.now += milliseconds,
                Step::Amend(limited) => self.amend(limited),
            }
            self.pass();
        }

        fn hold(&mut self, channel: usize, key: u32) {
            let since = self.model.limited.then_some(self.model.now);
            assert!(self.model.held.insert((channel, key), since).is_none());
        }

        /// What the queue's actor does after every step.
        fn pass(&mut self) {
            let pass = self.queue.dispatch(100);
            for (consumer, handout) in &pass.handouts {
                let channel = self.consumers.iter().position(|id| id == consumer).unwrap();
                handout
                    .deliveries
                    .iter()
                    .for_each(|delivery| self.hold(channel, delivery.key));
            }
            let mut told = Vec::new();
            if self.queue.limits_unsettled() {
                for ((channel, limit), keys) in self.queue.note_pass(&pass, self.model.now) {
                    assert_eq!(limit, TIMEOUT);
                    let channel = self.channels.iter().position(|&id| id == channel).unwrap();
                    told.extend(keys.into_iter().map(|key| (channel, key)));
                }
            }
            let now = self.model.now;
            let mut expected = Vec::new();
            for (&held, since) in &mut self.model.held {
                if since.take_if(|since| end_of(*since, TIMEOUT) <= now).is_some() {
                    expected.push(held);
                }
            }
            told.sort_unstable();
            assert_eq!(told, expected, "each once, and none too early");
            let next = self.model.held.values().flatten().min();
            if let Some(&since) = next {
                let look = self.queue.next_overdue().unwrap();
                assert!(look <= end_of(since, TIMEOUT) + TIMEOUT / 32);
            }
            assert!(self.queue.next_overdue().is_none_or(|look| look > now));
        }
    }

    proptest! {
        #[test]
        fn what_is_unsettled_for_too_long_is_told_once_and_nothing_else(steps in vec(step(), 1..80)) {
            let mut run = Run::new();
            steps.into_iter().for_each(|step| run.step(step));
        }
    }
}
