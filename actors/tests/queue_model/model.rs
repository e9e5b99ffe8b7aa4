//! The model and its checks.

use std::{cmp::Reverse, collections::BTreeMap};

use leveret_actors::{
    id::{ChannelId, ConsumerId},
    journal::Kept,
    publication::{Handout, NO_KEY},
    queue::{
        Grant, Outcome, Pass, Priorities, QueueSettings, QueueState, Subscription, effective::Effective,
        terms::RetryKind,
    },
};
use proptest::sample::Index;

use crate::death::Deaths;
use crate::disk::Disk;
use crate::step::{CHANNELS, Step, priority};

/// The most a record costs beside its body: header, properties, route, index of a large body.
const RECORD: usize = 12 + 2 + 8 + 4;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Message {
    pub(crate) size: usize,
    pub(crate) redelivered: bool,
    /// 0 when it does not expire.
    pub(crate) deadline: u64,
    /// It lives until the next pass is over.
    pub(crate) fleeting: bool,
    /// That was over while it was held.
    pub(crate) over: bool,
    /// Who was the single active consumer when it was handed out last.
    pub(crate) during: Option<ConsumerId>,
}

#[derive(Clone, Debug)]
struct Consumer {
    id: ConsumerId,
    channel: usize,
    subscription: Subscription,
    messages: u32,
    bytes: i64,
    offered: bool,
}

/// Where a message waits: higher levels come first. The number of the message is its position.
pub(crate) type Place = (Reverse<u8>, u64);

/// The queue, and what must be true of it.
pub(crate) struct Model {
    pub(crate) queue: QueueState,
    pub(crate) disk: Disk,
    /// Messages that could not be read again; the queue may still count them.
    pub(crate) lost: usize,
    pub(crate) deaths: Deaths,
    pub(crate) settings: QueueSettings,
    pub(crate) effective: Effective,
    /// Milliseconds.
    now: u64,
    /// How often messages have come back, where that counts.
    attempts: BTreeMap<u64, u32>,
    /// Messages that are not handed out before they are due.
    pub(crate) resting: BTreeMap<u64, (u64, Message)>,
    channels: [ChannelId; CHANNELS],
    pub(crate) published: u64,
    pub(crate) ready: BTreeMap<Place, Message>,
    /// Unsettled, by channel and key: the number of the message.
    held: [BTreeMap<u32, (u64, Message)>; CHANNELS],
    /// By age.
    consumers: Vec<Consumer>,
    active: Option<ConsumerId>,
    /// Credit taken back by a change of mode, to be reported by the next pass.
    taken_back: Vec<(ConsumerId, u32)>,
    pub(crate) gone: u64,
}

impl Model {
    pub(crate) fn new(
        (single_active_consumer, yields_to_priority): (bool, bool),
        journaled: bool,
        priorities: Priorities,
        effective: Effective,
        deaths: Deaths,
    ) -> Self {
        let settings = QueueSettings {
            single_active_consumer,
            yields_to_priority,
            auto_delete: true,
            journaled,
            transient_too: false,
            priorities,
        };
        let mut queue = QueueState::new(settings);
        let effective = deaths.effective(effective);
        queue.amend_returns(&effective);
        queue.amend(&effective);
        let channels = std::array::from_fn(|_| ChannelId::next());
        channels.iter().for_each(|&channel| queue.attach(channel));
        Self {
            queue,
            disk: Disk::default(),
            lost: 0,
            deaths,
            settings,
            effective,
            now: 1_000_000,
            attempts: BTreeMap::new(),
            resting: BTreeMap::new(),
            channels,
            published: 0,
            ready: BTreeMap::new(),
            held: Default::default(),
            consumers: Vec::new(),
            active: None,
            taken_back: Vec::new(),
            gone: 0,
        }
    }

    /// Takes a step and checks what came of it.
    pub(crate) fn run(&mut self, step: Step) {
        match step {
            Step::Enqueue(sizes) => self.enqueue(&sizes),
            Step::Settle(outcome, channel, picks) => self.settle(outcome, channel, &picks),
            Step::TakeAway(picks, fate) => self.take_away(&picks, fate),
            Step::GiveBack(channel, picks) => self.give_back(channel, &picks),
            Step::Detach(channel) => self.detach(channel),
            Step::Subscribe(channel, subscription) => self.subscribe(channel, subscription),
            Step::Unsubscribe(pick) => self.unsubscribe(pick),
            Step::SetOnOffer(pick, on_offer) => self.set_on_offer(pick, on_offer),
            Step::Credit(pick, grant) => self.credit(pick, grant),
            Step::Get(channel, no_ack) => self.get(channel, no_ack),
            Step::Purge => self.purge(),
            Step::Dispatch(limit) => self.dispatch(limit),
            Step::Evict(keep, scratch) => self.disk.evict(&mut self.queue, keep, scratch),
            Step::EvictHeld(scratch) => self.disk.evict_held(&mut self.queue, scratch),
            Step::Synced => self.queue.synced_below(self.published),
            Step::Scratched => self.disk.scratched(&mut self.queue),
            Step::Load => self.disk.load(&mut self.queue),
            Step::Answer(most, unreadable) => self.answer(most, unreadable),
            Step::Pass(milliseconds, most) => {
                self.now += milliseconds;
                self.pass_time(milliseconds, most);
            }
            Step::DropExcess => self.drop_excess(),
            Step::Amend(length) => self.amend(length),
            Step::Forward => self.forward(),
            Step::Resurrect(picks) => self.resurrect(&picks),
            Step::SettleDead(picks) => self.settle_dead(&picks),
            Step::LoseForwarder => self.lose_forwarder(),
            Step::Browse(from, bounds, read, between) => self.browse(from, bounds, read, between),
            Step::Restart(in_order) => self.restart(in_order),
        }
        self.wake();
        self.disk.settle(&mut self.queue);
        // Handouts are dropped by now: what they have kept from being compacted is.
        self.queue.give_up_pages();
        self.check();
        self.check_length();
    }

    /// What could not be read is gone.
    pub(crate) fn answer(&mut self, most: usize, unreadable: Option<Index>) {
        // Of what is read for one level, messages of others may be in memory.
        let unreadable = unreadable.filter(|_| self.settings.priorities.are_equal());
        let (queue, ready, resting) = (&mut self.queue, &self.ready, &self.resting);
        let does_wait =
            |number| ready.keys().any(|&(_, waiting)| waiting == number) || resting.contains_key(&number);
        let lost = self.disk.answer(queue, most, unreadable, does_wait);
        if let Some(number) = lost
            && (self.ready.remove(&self.place(number)).is_some() || self.resting.remove(&number).is_some())
        {
            self.lost += 1;
            self.gone += 1;
        }
    }

    pub(crate) fn place(&self, number: u64) -> Place {
        (Reverse(self.settings.priorities.of(priority(number))), number)
    }

    /// A message comes back to its place, or rests, or has come back too often.
    fn take_back(&mut self, outcome: Outcome, number: u64, message: Message) {
        if !self.effective.counts_deliveries {
            self.wait_again(number, message);
            return;
        }
        let attempts = self.attempts.entry(number).or_default();
        *attempts += 1;
        if self
            .effective
            .delivery_limit
            .is_some_and(|limit| *attempts > limit)
        {
            self.attempts.remove(&number);
            return self.bury(number, message);
        }
        let retry = self.effective.retry.filter(|retry| match retry.kind {
            RetryKind::All => true,
            RetryKind::Failed => outcome == Outcome::Fail,
            RetryKind::Returned => outcome == Outcome::Requeue,
        });
        if let Some(retry) = retry {
            let delay = (retry.min * *attempts).min(retry.max).as_millis() as u64;
            self.resting.insert(number, (self.now + delay, message));
        } else {
            self.ready.insert(self.place(number), message);
        }
    }

    /// What is due takes its place. The queue looks a little later than the millisecond.
    fn wake(&mut self) {
        self.queue.wake(self.now);
        let due = |due: u64| (due + 1).next_multiple_of(10) <= self.now;
        let woken: Vec<u64> = self
            .resting
            .iter()
            .filter_map(|(&number, &(at, _))| due(at).then_some(number))
            .collect();
        for number in woken {
            if let Some((_, message)) = self.resting.remove(&number) {
                self.ready.insert(self.place(number), message);
            }
        }
    }

    /// The queue is built again from what its journal has.
    fn restart(&mut self, in_order: bool) {
        self.read_what_counts();
        let handed_out_below = if in_order { 0 } else { self.published };
        let kept = Kept {
            waiting: self.disk.restart(),
            next_position: self.published,
            handed_out_below,
            returned: self.disk.returned.values().copied().collect(),
            timed: self.deaths.timed,
            alike: self.disk.alike(),
        };
        let before = std::mem::take(&mut self.ready);
        let held = self
            .held
            .iter_mut()
            .flat_map(|held| std::mem::take(held).into_values());
        let held: Vec<(u64, Message)> = held.collect();
        let all = before.into_iter().map(|((_, number), message)| (number, message));
        let dead = self.deaths.restart();
        self.deaths.began = self.published;
        for (number, mut message) in all.chain(held).chain(dead) {
            if self.disk.journal.contains_key(&number) {
                (message.fleeting, message.over) = (false, false);
                message.redelivered = number < handed_out_below || self.attempts.contains_key(&number);
                self.ready.insert(self.place(number), message);
            } else {
                self.gone += 1;
            }
        }
        let before = self.resting.len();
        self.resting
            .retain(|number, _| self.disk.journal.contains_key(number));
        self.gone += (before - self.resting.len()) as u64;
        self.lost = 0;
        self.consumers.clear();
        self.taken_back.clear();
        self.active = None;
        self.queue = QueueState::new(self.settings);
        self.queue.amend_returns(&self.effective);
        self.queue.amend(&self.effective);
        let queue = &mut self.queue;
        self.channels.iter().for_each(|&channel| queue.attach(channel));
        queue.restore(kept);
        if self.deaths.timed {
            self.review();
        }
    }

    /// Those that don't wait and may wait again.
    pub(crate) fn away_mut(&mut self) -> impl Iterator<Item = &mut Message> {
        let held = self.held.iter_mut().flat_map(BTreeMap::values_mut);
        held.map(|(_, message)| message).chain(self.deaths.messages_mut())
    }

    /// What rests and was not read since a restart counts as waiting.
    pub(crate) fn unread_rest(&self) -> bool {
        self.resting.len() > self.queue.resting()
    }

    fn pick(&self, channel: usize, picks: &[Index]) -> Vec<u32> {
        let mut keys: Vec<u32> = self.held[channel].keys().copied().collect();
        let mut picked = Vec::new();
        for pick in picks {
            if !keys.is_empty() {
                picked.push(keys.swap_remove(pick.index(keys.len())));
            }
        }
        picked
    }

    fn settle(&mut self, outcome: Outcome, channel: usize, picks: &[Index]) {
        let keys = self.pick(channel, picks);
        assert_eq!(
            self.queue.settle(self.channels[channel], outcome, &keys),
            keys.len()
        );
        for key in keys {
            let (number, mut message) = self.held[channel]
                .remove(&key)
                .unwrap_or_else(|| panic!("{key} is held"));
            match outcome {
                Outcome::Requeue | Outcome::Fail => {
                    message.redelivered = true;
                    self.take_back(outcome, number, message);
                }
                Outcome::Reject => self.bury(number, message),
                Outcome::Ack => self.gone += 1,
            }
        }
    }

    fn give_back(&mut self, channel: usize, picks: &[Index]) {
        let keys = self.pick(channel, picks);
        assert_eq!(self.queue.give_back(self.channels[channel], &keys), keys.len());
        for key in keys {
            if let Some((number, message)) = self.held[channel].remove(&key) {
                self.wait_again(number, message);
            }
        }
    }

    pub(crate) fn wait_again(&mut self, number: u64, message: Message) {
        if self.deaths.is_over(&message) {
            self.bury(number, message);
        } else {
            self.ready.insert(self.place(number), message);
        }
    }

    fn detach(&mut self, channel: usize) {
        self.queue.detach(self.channels[channel]);
        for (_, (number, mut message)) in std::mem::take(&mut self.held[channel]) {
            message.redelivered = true;
            self.take_back(Outcome::Fail, number, message);
        }
        self.consumers.retain(|consumer| consumer.channel != channel);
        self.promote();
        self.queue.attach(self.channels[channel]);
    }

    fn subscribe(&mut self, channel: usize, subscription: Subscription) {
        let id = ConsumerId::next();
        let occupied = self
            .consumers
            .iter()
            .any(|consumer| consumer.subscription.exclusive);
        let can_be_alone = self.consumers.is_empty() && !self.settings.single_active_consumer;
        let allowed = !occupied && (!subscription.exclusive || can_be_alone);
        assert_eq!(
            self.queue
                .subscribe(self.channels[channel], id, subscription)
                .is_ok(),
            allowed
        );
        if allowed {
            self.consumers.push(Consumer {
                id,
                channel,
                subscription,
                messages: 0,
                bytes: 0,
                offered: false,
            });
            self.promote();
        }
    }

    fn unsubscribe(&mut self, pick: Index) {
        assert!(!self.queue.unsubscribe(ConsumerId::next()), "nobody leaves");
        if !self.consumers.is_empty() {
            let consumer = self.consumers.remove(pick.index(self.consumers.len()));
            assert!(self.queue.unsubscribe(consumer.id));
            self.promote();
            assert_eq!(self.queue.abandoned(), self.consumers.is_empty());
        }
    }

    fn promote(&mut self) {
        if self.active_one().is_none() {
            self.choose_active();
        }
        assert_eq!(self.queue.active_consumer(), self.active);
    }

    /// Messages are handed out: one that yields and holds nothing is succeeded before.
    fn succeed(&mut self) {
        let settled = |active: &Consumer| {
            let mut held = self.held[active.channel].values();
            held.all(|(_, message)| message.during != self.active)
        };
        let yielded = |active: &Consumer| self.yields(active) && settled(active);
        if self.active_one().is_some_and(yielded) {
            self.choose_active();
        }
        assert_eq!(self.queue.active_consumer(), self.active);
    }

    fn choose_active(&mut self) {
        let oldest_last = self.consumers.iter().rev();
        let best = oldest_last.max_by_key(|consumer| consumer.subscription.priority);
        let best = best.filter(|_| self.settings.single_active_consumer);
        self.active = best.map(|consumer| consumer.id);
    }

    fn active_one(&self) -> Option<&Consumer> {
        self.consumers
            .iter()
            .find(|consumer| Some(consumer.id) == self.active)
    }

    /// Whether the active consumer gets nothing more, since one of a higher priority waits.
    fn yields(&self, active: &Consumer) -> bool {
        let priority = |consumer: &Consumer| consumer.subscription.priority;
        self.settings.yields_to_priority && self.consumers.iter().map(priority).max() > Some(priority(active))
    }

    fn set_on_offer(&mut self, pick: Index, on_offer: bool) {
        if self.consumers.is_empty() {
            return;
        }
        let at = pick.index(self.consumers.len());
        self.queue.set_on_offer(self.consumers[at].id, on_offer);
        if self.consumers[at].subscription.on_offer != on_offer {
            self.consumers[at].subscription.on_offer = on_offer;
            self.consumers[at].offered = false;
            if on_offer {
                let id = self.consumers[at].id;
                let back = std::mem::take(&mut self.consumers[at].messages);
                self.taken_back.extend((back > 0).then_some((id, back)));
            }
        }
    }

    fn credit(&mut self, pick: Index, grant: Grant) {
        self.queue.credit(ConsumerId::next(), grant);
        if self.consumers.is_empty() {
            return;
        }
        let at = pick.index(self.consumers.len());
        let consumer = &mut self.consumers[at];
        self.queue.credit(consumer.id, grant);
        consumer.messages += grant.messages;
        consumer.bytes += i64::from(grant.bytes);
        consumer.offered &= grant.messages == 0;
    }

    fn get(&mut self, channel: usize, no_ack: bool) {
        let Some((handout, left)) = self.queue.get(self.channels[channel], no_ack) else {
            assert!(self.ready.is_empty() || !self.queue.has_first());
            return;
        };
        assert_eq!(handout.len(), 1);
        let first = self.ready.keys().next().map(|&(_, number)| number);
        assert_eq!(self.receive(channel, no_ack, &handout), Vec::from_iter(first));
        self.check_ready(left);
    }

    /// What rests since an earlier life is counted as ready until it is read; then the queue knows.
    fn check_ready(&self, counted: u32) {
        let (ready, resting) = (self.ready.len(), self.resting.len());
        let unread = resting.saturating_sub(self.queue.resting());
        assert!((ready..=ready + unread + self.lost).contains(&(counted as usize)));
        assert!(counted as usize + self.queue.resting() >= ready + resting);
    }

    fn purge(&mut self) {
        let purged = self.queue.purge();
        self.check_ready(purged);
        assert_eq!((self.queue.ready(), self.queue.absent()), (0, 0));
        self.lost = 0;
        self.gone += self.ready.len() as u64;
        self.ready.clear();
        // What was not known to rest was ready.
        let gone = self.resting.len() - self.queue.resting();
        let kept: Vec<u64> = self.queue.resting_positions().collect();
        self.resting.retain(|number, _| kept.contains(number));
        self.gone += gone as u64;
    }

    /// Moves what a handout holds out of the ready ones, and returns the numbers of its messages.
    fn receive(&mut self, channel: usize, no_ack: bool, handout: &Handout) -> Vec<u64> {
        let mut numbers = Vec::new();
        let mut counts = BTreeMap::from_iter(handout.counts.iter().copied());
        for (index, (delivery, publication)) in (0..).zip(handout.publications()) {
            let body = publication.body.as_slice();
            let number = u64::from_le_bytes(body[..8].try_into().unwrap_or_default());
            let message = self
                .ready
                .remove(&self.place(number))
                .unwrap_or_else(|| panic!("{number} is not ready"));
            assert_eq!(
                (body.len(), delivery.redelivered),
                (message.size, message.redelivered)
            );
            assert_eq!(
                (publication.exchange, publication.routing_key),
                (&b"x"[..], &b"key"[..])
            );
            assert_eq!(delivery.key == NO_KEY, no_ack);
            assert_eq!(counts.remove(&index), self.attempts.get(&number).copied());
            if no_ack {
                self.gone += 1;
            } else {
                let message = Message {
                    during: self.active,
                    ..message
                };
                let taken = self.held[channel].insert(delivery.key, (number, message));
                assert!(taken.is_none(), "a key stands for one message");
            }
            numbers.push(number);
        }
        assert_eq!((numbers.len(), counts.len()), (handout.len(), 0));
        numbers
    }

    fn dispatch(&mut self, limit: usize) {
        let waiting: Vec<Place> = self.ready.keys().copied().collect();
        let pass = self.queue.dispatch(limit);
        self.succeed();
        let mut got = BTreeMap::new();
        let mut all = Vec::new();
        for (id, handout) in &pass.handouts {
            let (at, count) = self.check_handout(*id, handout);
            all.extend(count.iter().map(|&number| self.place(number)));
            assert!(
                got.insert(at, count.len()).is_none(),
                "one handout for a consumer"
            );
        }
        for tray in &pass.trays {
            for (portion, places) in tray.portions() {
                let part = tray.handout.part(places, portion.bytes);
                let (at, count) = self.check_handout(portion.consumer, &part);
                all.extend(count.iter().map(|&number| self.place(number)));
                *got.entry(at).or_default() += count.len();
            }
        }
        all.sort_unstable();
        assert!(all.len() <= limit);
        assert_eq!(all, waiting[..all.len()], "the first that waited");
        assert_eq!(
            pass.more,
            all.len() == limit && self.queue.has_first() && self.someone_can_take()
        );
        assert!(
            pass.more || !self.queue.has_first() || !self.someone_can_take(),
            "all that could be handed out was"
        );
        self.check_turns(&got);
        assert!(!self.queue.has_first() || !self.ready.is_empty());
        self.check_offers(&pass, !waiting.is_empty());
        if !pass.more {
            self.expire_fleeting();
        }
    }

    fn check_handout(&mut self, id: ConsumerId, handout: &Handout) -> (usize, Vec<u64>) {
        let at = self.consumers.iter().position(|consumer| consumer.id == id);
        let at = at.unwrap_or_else(|| panic!("a handout for one who left"));
        let (channel, no_ack) = (self.consumers[at].channel, self.consumers[at].subscription.no_ack);
        let numbers = self.receive(channel, no_ack, handout);
        assert!(numbers.is_sorted_by_key(|&number| self.place(number)), "in order");
        assert!(handout.pages.len() <= handout.len());
        let consumer = &mut self.consumers[at];
        assert!(
            handout.len() <= consumer.messages as usize,
            "messages beyond credit"
        );
        let last = handout.deliveries.last().map_or(0, |delivery| {
            i64::from(handout.pages[delivery.page as usize].cost(delivery.offset))
        });
        consumer.messages -= handout.len() as u32;
        consumer.bytes -= handout.bytes as i64;
        assert!(
            consumer.bytes + last > 0,
            "more than one message beyond the bytes of credit"
        );
        (at, numbers)
    }

    fn may_be_served(&self, consumer: &Consumer) -> bool {
        let active = || self.active == Some(consumer.id) && !self.yields(consumer);
        !self.settings.single_active_consumer || active()
    }

    fn can_take(&self, consumer: &Consumer) -> bool {
        self.may_be_served(consumer) && consumer.messages > 0 && consumer.bytes > 0
    }

    fn someone_can_take(&self) -> bool {
        self.consumers.iter().any(|consumer| self.can_take(consumer))
    }

    fn check_turns(&self, got: &BTreeMap<usize, usize>) {
        for (&at, &count) in got {
            let served = &self.consumers[at];
            assert!(self.may_be_served(served));
            for (other_at, other) in self
                .consumers
                .iter()
                .enumerate()
                .filter(|(_, other)| self.can_take(other))
            {
                let other_count = got.get(&other_at).copied().unwrap_or(0);
                let priority = other.subscription.priority;
                assert!(
                    priority <= served.subscription.priority,
                    "a higher priority was passed over"
                );
                let equal = priority == served.subscription.priority;
                assert!(!equal || count <= other_count + 1, "equals take turns");
            }
        }
    }

    fn check_offers(&mut self, pass: &Pass, waited: bool) {
        let mut unused = std::mem::take(&mut self.taken_back);
        for at in 0..self.consumers.len() {
            let may_be_served = self.may_be_served(&self.consumers[at]);
            let consumer = &mut self.consumers[at];
            if pass.offers.contains(&consumer.id) {
                assert!(waited && may_be_served && consumer.subscription.on_offer && !consumer.offered);
                consumer.offered = true;
            }
            if consumer.subscription.on_offer && !pass.more && consumer.messages > 0 {
                unused.push((consumer.id, std::mem::take(&mut consumer.messages)));
            }
            let hungry = may_be_served && consumer.subscription.on_offer && consumer.messages == 0;
            assert!(
                !hungry || !self.queue.has_first() || consumer.offered,
                "nobody is forgotten"
            );
        }
        unused.sort_unstable();
        let mut reported = pass.unused.clone();
        reported.sort_unstable();
        assert_eq!(reported, unused);
    }

    fn check(&self) {
        let held: usize = self.held.iter().map(BTreeMap::len).sum();
        self.check_ready(self.queue.ready());
        assert_eq!(self.queue.unacked() as usize, held);
        assert_eq!(self.queue.consumers() as usize, self.consumers.len());
        assert_eq!(
            self.published,
            self.gone + (self.ready.len() + self.resting.len() + held + self.deaths.len()) as u64,
            "none lost, none twice"
        );
        let messages = self
            .ready
            .values()
            .chain(self.resting.values().map(|(_, it)| it))
            .chain(self.held.iter().flat_map(|held| held.values().map(|(_, it)| it)));
        let messages = messages.chain(self.deaths.messages());
        let live: usize = messages.map(|message| message.size + RECORD).sum();
        assert!(
            self.queue.bytes() <= (2 * live + 256 * 1024) as u64,
            "what waits is compact"
        );
    }

    /// Settles everything: then nothing is left.
    pub(crate) fn finish(mut self) {
        for channel in 0..CHANNELS {
            self.detach(channel);
        }
        self.wake();
        self.now += 1_000_000;
        self.wake();
        let numbers: Vec<u64> = self.ready.keys().map(|&(_, number)| number).collect();
        let mut drained = Vec::new();
        while self.queue.ready() > 0 {
            if let Some((handout, _)) = self.queue.get(self.channels[0], true) {
                drained.extend(self.receive(0, true, &handout));
            } else {
                self.disk.load(&mut self.queue);
                assert!(self.disk.is_asked(), "what is not in memory is read");
                self.answer(usize::MAX, None);
                self.wake();
            }
        }
        assert_eq!(drained, numbers);
        self.lost = 0;
        // Those that were set aside may try again.
        self.queue.amend(&self.effective);
        self.finish_dead();
        self.disk.settle(&mut self.queue);
        self.check();
        assert_eq!(self.queue.bytes(), 0);
        assert_eq!(self.queue.absent(), 0);
        self.disk.finish();
    }
}
