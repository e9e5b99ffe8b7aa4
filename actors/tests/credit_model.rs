//! Credit on its way between consumers, queues and a channel's shared budget: it is never exceeded, and never gets
//! lost, so that everything is delivered in the end.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::collections::VecDeque;

use leveret_actors::{
    channel::global_prefetch::Budget,
    consumer::credit::{Credit, FIRST_WINDOW, WIDEST_WINDOW, WINDOW_MESSAGES},
    id::{ChannelId, ConsumerId},
    publication::{Handout, PageBuilder},
    queue::{Grant, Outcome, QueueSettings, QueueState, Subscription},
};
use leveret_protocol::Body;
use proptest::{collection::vec, prelude::*};

const LARGEST_BODY: usize = 300_000;

/// What a queue sent to its consumer.
enum Sent {
    Handout(Handout),
    Offer,
    Unused(u32),
}

/// What a consumer told its queue.
enum Told {
    Grant(Grant),
    OnOffer(bool),
}

/// A queue and its one consumer, with their messages to each other on the way.
struct Pair {
    queue: QueueState,
    consumer: ConsumerId,
    credit: Credit,
    no_ack: bool,
    wants: bool,
    to_queue: VecDeque<Told>,
    to_consumer: VecDeque<Sent>,
    /// Delivered, not on the socket.
    unwritten: VecDeque<(u32, u64)>,
    /// Keys of what the client has not settled.
    unsettled: VecDeque<u32>,
    delivered: usize,
}

impl Pair {
    fn new(channel: ChannelId, prefetch: u16, no_ack: bool, on_offer: bool) -> Self {
        let mut queue = QueueState::new(QueueSettings::default());
        let consumer = ConsumerId::next();
        queue
            .subscribe(
                channel,
                consumer,
                Subscription {
                    no_ack,
                    on_offer,
                    ..Subscription::default()
                },
            )
            .unwrap();
        Self {
            queue,
            consumer,
            credit: Credit::new(prefetch, no_ack),
            no_ack,
            wants: false,
            to_queue: VecDeque::new(),
            to_consumer: VecDeque::new(),
            unwritten: VecDeque::new(),
            unsettled: VecDeque::new(),
            delivered: 0,
        }
    }

    fn publish(&mut self, sizes: &[usize]) {
        let mut page = PageBuilder::new();
        let body = vec![0; LARGEST_BODY];
        let push = |&size: &usize| page.push("", "q", &[0, 0], false, Body::Slice(&body[..size]));
        let offsets: Vec<u32> = sizes.iter().map(push).collect();
        self.queue.enqueue(page.finish(), &offsets);
    }

    /// The queue takes what its consumer sent, and makes a pass.
    fn queue_turn(&mut self, limit: usize) -> bool {
        let mut progress = !self.to_queue.is_empty();
        for told in self.to_queue.drain(..) {
            match told {
                Told::Grant(grant) => self.queue.credit(self.consumer, grant),
                Told::OnOffer(on_offer) => self.queue.set_on_offer(self.consumer, on_offer),
            }
        }
        let pass = self.queue.dispatch(limit);
        progress |= !pass.handouts.is_empty() || !pass.offers.is_empty();
        let handouts = pass
            .handouts
            .into_iter()
            .map(|(_, handout)| Sent::Handout(handout));
        self.to_consumer.extend(handouts);
        self.to_consumer
            .extend(pass.unused.iter().map(|&(_, messages)| Sent::Unused(messages)));
        self.to_consumer.extend(pass.offers.iter().map(|_| Sent::Offer));
        progress
    }

    /// The consumer takes a handout to the channel.
    fn receive(&mut self, handout: &Handout) {
        self.credit.delivered(handout.len() as u32, handout.bytes);
        self.unwritten.push_back((handout.len() as u32, handout.bytes));
        self.delivered += handout.len();
        if !self.no_ack {
            self.unsettled
                .extend(handout.deliveries.iter().map(|delivery| delivery.key));
        }
    }

    fn write(&mut self) -> bool {
        let written = self.unwritten.pop_front();
        written
            .iter()
            .for_each(|&(messages, bytes)| self.credit.written(messages, bytes));
        written.is_some()
    }

    fn settle(&mut self, channel: ChannelId, count: usize) -> u32 {
        let keys: Vec<u32> = self.unsettled.drain(..count.min(self.unsettled.len())).collect();
        self.queue.settle(channel, Outcome::Ack, &keys);
        self.credit.settled(keys.len() as u32);
        keys.len() as u32
    }

    /// Messages handed out or allowed to be, and not settled.
    fn exposed(&self) -> u32 {
        let on_the_way: usize = self
            .to_consumer
            .iter()
            .map(|sent| if let Sent::Handout(it) = sent { it.len() } else { 0 })
            .sum();
        let granted: u32 = self
            .to_queue
            .iter()
            .map(|told| {
                if let Told::Grant(grant) = told {
                    grant.messages
                } else {
                    0
                }
            })
            .sum();
        granted + (on_the_way + self.unsettled.len()) as u32
    }

    fn unwritten_bytes(&self) -> u64 {
        let on_the_way = self
            .to_consumer
            .iter()
            .map(|sent| if let Sent::Handout(it) = sent { it.bytes } else { 0 });
        on_the_way
            .chain(self.unwritten.iter().map(|&(_, bytes)| bytes))
            .sum()
    }
}

#[derive(Clone, Debug)]
enum Standing {
    Publish(Vec<usize>),
    Queue(usize),
    Consumer,
    Write,
    Settle(usize),
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    vec(
        prop_oneof![8 => 0..200_usize, 2 => 0..20_000_usize, 1 => Just(LARGEST_BODY)],
        1..40,
    )
}

fn standing() -> impl Strategy<Value = Standing> {
    prop_oneof![
        2 => sizes().prop_map(Standing::Publish),
        3 => (1..50_usize).prop_map(Standing::Queue),
        3 => Just(Standing::Consumer),
        3 => Just(Standing::Write),
        3 => (1..20_usize).prop_map(Standing::Settle),
    ]
}

/// A consumer with standing credit takes its turn.
fn consumer_turn(pair: &mut Pair) -> bool {
    let sent: Vec<Sent> = pair.to_consumer.drain(..).collect();
    for sent in &sent {
        let Sent::Handout(handout) = sent else {
            panic!("there is no offer without being on offer")
        };
        pair.receive(handout);
    }
    top_up(pair) || !sent.is_empty()
}

fn top_up(pair: &mut Pair) -> bool {
    let grant = pair.credit.top_up();
    pair.to_queue.extend(grant.map(Told::Grant));
    grant.is_some()
}

proptest! {
    #[test]
    fn standing_credit_is_never_exceeded_and_never_lost(
        prefetch in prop_oneof![Just(0), Just(1), 2..50_u16, Just(u16::MAX)],
        no_ack in any::<bool>(),
        steps in vec(standing(), 1..120),
    ) {
        let channel = ChannelId::next();
        let mut pair = Pair::new(channel, prefetch, no_ack, false);
        let mut published = 0;
        let check = |pair: &Pair| {
            let limit = if prefetch > 0 && !no_ack { prefetch.into() } else { u32::MAX };
            assert!(pair.exposed() <= limit, "{} messages exposed", pair.exposed());
            assert!(pair.unwritten_bytes() <= u64::from(WIDEST_WINDOW) + LARGEST_BODY as u64 + 64);
        };
        for step in steps {
            match step {
                Standing::Publish(sizes) => {
                    published += sizes.len();
                    pair.publish(&sizes);
                }
                Standing::Queue(limit) => drop(pair.queue_turn(limit)),
                Standing::Consumer => drop(consumer_turn(&mut pair)),
                Standing::Write => drop(pair.write()),
                Standing::Settle(count) => drop(pair.settle(channel, count)),
            }
            check(&pair);
        }
        loop {
            let settled = pair.settle(channel, usize::MAX) > 0;
            let progress = [pair.queue_turn(64), consumer_turn(&mut pair), pair.write(), settled];
            check(&pair);
            if progress == [false; 4] {
                break;
            }
        }
        prop_assert_eq!(pair.delivered, published);
        prop_assert_eq!(pair.queue.bytes(), 0);
    }
}

/// Consumers of one channel, each with a queue of its own, that share a budget while there is a limit.
struct Shared {
    channel: ChannelId,
    budget: Option<Budget>,
    limit: u32,
    /// What may be in use: more than the limit when that was lowered, or set while more was in use. Unknown while
    /// standing credit is on its way back.
    highest: Option<u32>,
    pairs: Vec<Pair>,
}

impl Shared {
    fn new(prefetch: u16, limit: u32) -> Self {
        let channel = ChannelId::next();
        let pairs = (0..PAIRS)
            .map(|_| Pair::new(channel, prefetch, false, true))
            .collect();
        Self {
            channel,
            budget: Some(Budget::new(limit)),
            limit,
            highest: Some(limit),
            pairs,
        }
    }

    fn consumer_turn(&mut self, at: usize) -> bool {
        let sent: Vec<Sent> = self.pairs[at].to_consumer.drain(..).collect();
        for sent in &sent {
            let pair = &mut self.pairs[at];
            match (sent, &mut self.budget) {
                (Sent::Handout(handout), budget) => {
                    pair.receive(handout);
                    let messages = handout.len() as u32;
                    budget
                        .iter_mut()
                        .for_each(|budget| budget.delivered(pair.consumer, messages));
                }
                (Sent::Offer, _) => {
                    pair.wants = true;
                    self.ask(at);
                }
                (Sent::Unused(messages), budget) => {
                    pair.credit.unused(*messages);
                    let grants = budget
                        .as_mut()
                        .map(|budget| budget.unused(pair.consumer, *messages));
                    self.granted(grants.unwrap_or_default());
                }
            }
        }
        self.ask(at) || !sent.is_empty()
    }

    /// A consumer with an open offer and room for messages asks for some of the budget.
    fn ask(&mut self, at: usize) -> bool {
        let pair = &mut self.pairs[at];
        let Some(budget) = &mut self.budget else {
            return top_up(pair);
        };
        if !pair.wants || pair.credit.room() == 0 {
            return false;
        }
        pair.wants = false;
        let grant = budget
            .offer(pair.consumer)
            .map(|messages| (pair.consumer, messages));
        self.granted(grant.into_iter().collect());
        true
    }

    fn granted(&mut self, grants: Vec<(ConsumerId, u32)>) {
        let mut grants = VecDeque::from(grants);
        while let Some((consumer, messages)) = grants.pop_front() {
            let pair = self
                .pairs
                .iter_mut()
                .find(|pair| pair.consumer == consumer)
                .unwrap();
            let lent = pair.credit.lend(messages);
            pair.to_queue.extend(lent.map(Told::Grant));
            pair.wants |= lent.is_none();
            let rest = messages - lent.map_or(0, |grant| grant.messages);
            grants.extend(self.budget.as_mut().unwrap().unused(consumer, rest));
        }
    }

    fn settle(&mut self, at: usize, count: usize) -> bool {
        let settled = self.pairs[at].settle(self.channel, count);
        let grants = self.budget.as_mut().map(|budget| budget.settled(settled));
        self.granted(grants.unwrap_or_default());
        settled > 0
    }

    /// Changes, lifts (with 0) or sets the limit.
    fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
        match (&mut self.budget, limit) {
            (None, 0) => {}
            (Some(_), 0) => {
                self.budget = None;
                self.set_on_offer(false);
            }
            (Some(budget), _) => {
                self.highest = self.highest.map(|_| budget.in_use().max(limit));
                let grants = budget.set_limit(limit);
                self.granted(grants);
            }
            (None, _) => {
                let mut budget = Budget::new(limit);
                budget.adopt(self.unsettled());
                self.budget = Some(budget);
                self.set_on_offer(true);
            }
        }
    }

    fn set_on_offer(&mut self, on_offer: bool) {
        self.highest = None;
        for pair in &mut self.pairs {
            pair.wants = false;
            pair.to_queue.push_back(Told::OnOffer(on_offer));
        }
    }

    fn unsettled(&self) -> u32 {
        self.pairs.iter().map(|pair| pair.unsettled.len() as u32).sum()
    }

    fn check(&mut self) {
        let exposed: u32 = self.pairs.iter().map(Pair::exposed).sum();
        let Some(budget) = &self.budget else { return };
        let in_use = budget.in_use();
        assert!(in_use >= self.unsettled());
        if let Some(highest) = &mut self.highest {
            assert!(exposed <= in_use && in_use <= *highest);
            *highest = in_use.max(self.limit);
        } else if self
            .pairs
            .iter()
            .all(|pair| pair.to_queue.is_empty() && pair.to_consumer.is_empty())
        {
            self.highest = Some(in_use.max(self.limit));
        }
    }
}

#[derive(Clone, Debug)]
enum Turn {
    Publish(usize, Vec<usize>),
    Queue(usize, usize),
    Consumer(usize),
    Write(usize),
    Settle(usize, usize),
    Limit(u32),
}

const PAIRS: usize = 3;

fn turn() -> impl Strategy<Value = Turn> {
    let pair = 0..PAIRS;
    prop_oneof![
        2 => (pair.clone(), sizes()).prop_map(|(pair, sizes)| Turn::Publish(pair, sizes)),
        4 => (pair.clone(), 1..50_usize).prop_map(|(pair, limit)| Turn::Queue(pair, limit)),
        4 => pair.clone().prop_map(Turn::Consumer),
        3 => pair.clone().prop_map(Turn::Write),
        3 => (pair, 1..20_usize).prop_map(|(pair, count)| Turn::Settle(pair, count)),
        1 => prop_oneof![1 => Just(0), 2 => 1..40_u32].prop_map(Turn::Limit),
    ]
}

proptest! {
    #[test]
    fn a_shared_budget_is_never_exceeded_and_starves_nobody(
        limit in 1..40_u32,
        prefetch in prop_oneof![Just(0), 1..10_u16],
        turns in vec(turn(), 1..150),
    ) {
        let mut shared = Shared::new(prefetch, limit);
        let mut published = [0; PAIRS];
        for turn in turns {
            match turn {
                Turn::Publish(at, sizes) => {
                    published[at] += sizes.len();
                    shared.pairs[at].publish(&sizes);
                }
                Turn::Queue(at, limit) => drop(shared.pairs[at].queue_turn(limit)),
                Turn::Consumer(at) => drop(shared.consumer_turn(at)),
                Turn::Write(at) => drop(shared.pairs[at].write()),
                Turn::Settle(at, count) => drop(shared.settle(at, count)),
                Turn::Limit(limit) => shared.set_limit(limit),
            }
            shared.check();
        }
        let mut progress = true;
        while std::mem::take(&mut progress) {
            for at in 0..PAIRS {
                progress |= shared.settle(at, usize::MAX);
                progress |= shared.pairs[at].queue_turn(64);
                progress |= shared.consumer_turn(at);
                progress |= shared.pairs[at].write();
            }
            shared.check();
        }
        for (pair, published) in shared.pairs.iter().zip(published) {
            prop_assert_eq!(pair.delivered, published);
        }
        prop_assert_eq!(shared.budget.map_or(0, |budget| budget.in_use()), 0);
    }
}

#[test]
fn windows_have_sensible_bounds() {
    let mut credit = Credit::new(0, true);
    assert_eq!(
        credit.top_up(),
        Some(Grant {
            messages: WINDOW_MESSAGES,
            bytes: FIRST_WINDOW
        })
    );
    assert_eq!(credit.top_up(), None);
}
