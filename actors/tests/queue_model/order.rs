//! The order of the dead: they come to the forwarder as they died, each once, wherever they were when they did and however
//! many of them have left memory.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::time::Duration;

use leveret_actors::{
    id::ChannelId,
    publication::PageBuilder,
    queue::{Fate, Outcome, QueueSettings, QueueState, Stamps, effective::Effective},
};
use leveret_protocol::Body;
use proptest::{collection::vec, prelude::*};

use crate::death::carried;
use crate::disk::Disk;
use crate::step::properties;

/// How long messages wait, and how far apart two deadlines are at least.
const TTL: (u64, u64) = (100, 20);

#[derive(Clone, Debug)]
enum Step {
    /// So many messages come, of which one in so many is transient.
    Enqueue(u64, u64),
    /// So many of the first are refused.
    Reject(usize),
    /// So many of the first come back.
    Requeue(usize),
    /// From this one on so many go back to where they first died.
    Redrive(u64, u64),
    /// Of what the forwarder has, it gives so many back.
    Resurrect(usize),
    Pass(u64),
    /// So many may stay.
    Limit(u64),
    Evict(u64),
    EvictHeld,
    Synced,
    Scratched,
    Load,
    Answer(usize),
    Forward,
    SettleDead(usize),
    LoseForwarder,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..700_u64, prop_oneof![Just(1), Just(3), Just(1_000)]).prop_map(|(count, transient)| Step::Enqueue(count, transient)),
        2 => (1..300_usize).prop_map(Step::Reject),
        1 => (1..30_usize).prop_map(Step::Requeue),
        2 => (0..3_000_u64, prop_oneof![Just(1), 1..100_u64]).prop_map(|(first, count)| Step::Redrive(first, count)),
        2 => (1..200_usize).prop_map(Step::Resurrect),
        3 => prop_oneof![Just(0), 0..60_u64, Just(110)].prop_map(Step::Pass),
        1 => (0..1_500_u64).prop_map(Step::Limit),
        4 => prop_oneof![Just(0), 0..60_000_u64].prop_map(Step::Evict),
        2 => Just(Step::EvictHeld),
        4 => Just(Step::Synced),
        4 => Just(Step::Scratched),
        4 => Just(Step::Load),
        4 => (1..500_usize).prop_map(Step::Answer),
        3 => Just(Step::Forward),
        3 => (0..600_usize).prop_map(Step::SettleDead),
        1 => Just(Step::LoseForwarder),
    ]
}

/// A queue in which messages die, and in which order they have.
struct Graveyard {
    queue: QueueState,
    disk: Disk,
    effective: Effective,
    channel: ChannelId,
    published: u64,
    now: u64,
    /// The deadlines of those that wait, by number.
    ready: BTreeMap<u64, u64>,
    /// The deadlines of those that were taken away to where they first died, by number.
    redriven: BTreeMap<u64, u64>,
    /// Those that wait for the forwarder, in the order of their deaths.
    dead: VecDeque<u64>,
    /// The forwarder, and what it has: its keys, in the order in which it came.
    forwarder: Option<ChannelId>,
    held: VecDeque<(u64, u64)>,
    /// Those with which alone forwarders were lost too often.
    aside: VecDeque<u64>,
    gone: u64,
}

impl Graveyard {
    fn new(timed: bool) -> Self {
        let mut queue = QueueState::new(QueueSettings {
            journaled: true,
            ..QueueSettings::default()
        });
        let effective = Effective {
            message_ttl: timed.then_some(Duration::from_millis(TTL.0)),
            dead_letter_exchange: Some("dlx".into()),
            ..Effective::default()
        };
        queue.amend(&effective);
        Graveyard {
            queue,
            disk: Disk::default(),
            effective,
            channel: ChannelId::next(),
            published: 0,
            now: 1_000,
            ready: BTreeMap::new(),
            redriven: BTreeMap::new(),
            dead: VecDeque::new(),
            forwarder: None,
            held: VecDeque::new(),
            aside: VecDeque::new(),
            gone: 0,
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Enqueue(count, transient) => self.enqueue(count, transient),
            Step::Reject(most) => self.settle(Outcome::Reject, most),
            Step::Requeue(most) => self.settle(Outcome::Requeue, most),
            Step::Redrive(first, count) => self.redrive(first..first + count),
            Step::Resurrect(most) => self.resurrect(most),
            Step::Pass(milliseconds) => self.pass(milliseconds),
            Step::Limit(most) => self.limit(Some(most)),
            Step::Evict(keep) => self.disk.evict(&mut self.queue, keep, true),
            Step::EvictHeld => self.disk.evict_held(&mut self.queue, true),
            Step::Synced => self.queue.synced_below(self.published),
            Step::Scratched => self.disk.scratched(&mut self.queue),
            Step::Load => self.disk.load(&mut self.queue),
            Step::Answer(most) => self.answer(most),
            Step::Forward => self.forward(),
            Step::SettleDead(most) => self.settle_dead(most),
            Step::LoseForwarder => self.lose_forwarder(),
        }
        self.disk.settle(&mut self.queue);
        assert_eq!(self.queue.ready() as usize, self.ready.len());
    }

    fn enqueue(&mut self, count: u64, transient: u64) {
        let deadline = match self.effective.message_ttl {
            Some(_) => (self.now + TTL.0).next_multiple_of(TTL.1),
            None => 0,
        };
        self.take(count, transient, deadline);
    }

    fn take(&mut self, count: u64, transient: u64, deadline: u64) {
        let (first, mut builder) = (self.published, PageBuilder::new());
        let mut offsets = Vec::new();
        for number in first..first + count {
            let (body, persistent) = (number.to_le_bytes(), !number.is_multiple_of(transient));
            offsets.push(builder.push("x", "key", &properties(number), persistent, Body::Slice(&body)));
            if persistent {
                self.disk.journal.insert(number, body.to_vec());
            }
            self.ready.insert(number, deadline);
        }
        self.published += count;
        let page = builder.finish();
        self.queue.enqueue(page.clone(), &offsets);
        let stamps = match deadline {
            0 => Stamps::Never,
            _ => Stamps::All(deadline),
        };
        self.queue.stamp(first, &page, &offsets, &stamps, self.now);
    }

    /// Takes the first messages and settles them.
    fn settle(&mut self, outcome: Outcome, most: usize) {
        let (mut keys, mut numbers) = (Vec::new(), Vec::new());
        while keys.len() < most
            && let Some((handout, _)) = self.queue.get(self.channel, false)
        {
            keys.push(handout.deliveries[0].key);
            numbers.extend(self.ready.pop_first());
        }
        self.queue.settle(self.channel, outcome, &keys);
        match outcome {
            Outcome::Reject => self.dead.extend(numbers.into_iter().map(|(number, _)| number)),
            _ => self.ready.extend(numbers),
        }
    }

    fn redrive(&mut self, numbers: Range<u64>) {
        let places: Vec<(u64, u8)> = numbers.clone().map(|number| (number, 0)).collect();
        let waiting: Vec<u64> = self.ready.range(numbers).map(|(&number, _)| number).collect();
        assert_eq!(self.queue.take_away(&places, Fate::Redriven), waiting.len());
        for &number in &waiting {
            self.redriven.extend(self.ready.remove_entry(&number));
        }
        self.dead.extend(waiting);
    }

    /// Those wait again that were redriven, unless their time was over meanwhile.
    fn resurrect(&mut self, most: usize) {
        let Some(holder) = self.forwarder else { return };
        let redriven = &mut self.redriven;
        let mut back = Vec::new();
        self.held.retain(|&(key, number)| {
            let comes_back = back.len() < most && redriven.contains_key(&number);
            back.extend(comes_back.then_some((key, number)));
            !comes_back
        });
        for (key, number) in back {
            assert_eq!(self.queue.resurrect(holder, key..=key), 1);
            let deadline = self.redriven.remove(&number).unwrap_or_default();
            if deadline != 0 && deadline <= self.now {
                self.dead.push_back(number);
            } else {
                self.ready.insert(number, deadline);
            }
        }
    }

    /// Time passes, and few messages die at once.
    fn pass(&mut self, milliseconds: u64) {
        self.now += milliseconds;
        while self.queue.expire(self.now, 50) {}
        let now = self.now;
        let over = |&(_, &deadline): &(&u64, &u64)| deadline != 0 && deadline <= now;
        let over: Vec<u64> = self
            .ready
            .iter()
            .filter(over)
            .map(|(&number, _)| number)
            .collect();
        self.die(&over);
    }

    /// With new terms those try again that were set aside.
    fn limit(&mut self, most: Option<u64>) {
        self.effective.max_length = most;
        self.queue.amend(&self.effective);
        while let Some(number) = self.aside.pop_back() {
            self.dead.push_front(number);
        }
        self.drop_excess();
        self.effective.max_length = None;
        self.queue.amend(&self.effective);
    }

    /// Those die that are too many, as far as the first are in memory or can be read at once.
    fn drop_excess(&mut self) {
        let Some(most) = self.effective.max_length else {
            return;
        };
        while self.queue.is_too_long() {
            while self.queue.drop_excess(70) {}
            let over = self.ready.len() - self.queue.ready() as usize;
            let over: Vec<u64> = self.ready.keys().copied().take(over).collect();
            self.die(&over);
            if self.disk.is_asked() {
                self.answer(usize::MAX);
            } else if self.queue.is_too_long() {
                self.forward();
                self.disk.load(&mut self.queue);
                if !self.disk.is_asked() {
                    self.settle_dead(usize::MAX);
                }
            }
            self.disk.settle(&mut self.queue);
        }
        assert!(self.ready.len() as u64 <= most.max(self.queue.ready().into()));
    }

    fn die(&mut self, numbers: &[u64]) {
        for number in numbers {
            self.ready.remove(number);
            self.dead.push_back(*number);
        }
    }

    fn answer(&mut self, most: usize) {
        self.disk.answer(&mut self.queue, most, None, |_| false);
    }

    fn forward(&mut self) {
        let holder = *self.forwarder.get_or_insert_with(ChannelId::next);
        while let Some(convoy) = self.queue.next_dead(holder) {
            for (key, body) in carried(&convoy) {
                let number = body.as_slice().try_into().map(u64::from_le_bytes);
                assert_eq!(number.ok(), self.dead.pop_front(), "the next of the dead");
                self.held.extend(number.map(|number| (key, number)));
            }
        }
    }

    fn settle_dead(&mut self, most: usize) {
        let Some(holder) = self.forwarder else { return };
        let some: Vec<(u64, u64)> = self.held.drain(..most.min(self.held.len())).collect();
        if let (Some((first, _)), Some((last, _))) = (some.first(), some.last()) {
            assert_eq!(self.queue.settle_dead(holder, *first..=*last), some.len());
            self.gone += some.len() as u64;
        }
    }

    /// What the forwarder had comes first.
    fn lose_forwarder(&mut self) {
        if self.forwarder.take().is_some() {
            let aside = self.queue.take_dead_back();
            let had: Vec<u64> = self.held.drain(..).map(|(_, number)| number).collect();
            assert!(aside.is_none() || aside.as_slice() == had);
            had.into_iter()
                .rev()
                .for_each(|number| self.dead.push_front(number));
            self.aside.extend(aside.and_then(|_| self.dead.pop_front()));
        }
    }

    /// All die, and are forwarded.
    fn finish(mut self) {
        self.limit(Some(0));
        assert!(self.ready.is_empty());
        let mut rounds = 0;
        while self.gone < self.published {
            self.forward();
            self.disk.load(&mut self.queue);
            self.answer(usize::MAX);
            self.settle_dead(usize::MAX);
            self.disk.settle(&mut self.queue);
            rounds += 1;
            assert!(rounds < 10_000, "{:?} are never forwarded", self.dead);
        }
        self.disk.settle(&mut self.queue);
        assert_eq!(self.queue.bytes(), 0);
        self.disk.finish();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_dead_leave_in_the_order_of_their_deaths_and_each_once(
        timed in any::<bool>(),
        steps in vec(step(), 1..120),
    ) {
        let mut graveyard = Graveyard::new(timed);
        steps.into_iter().for_each(|step| graveyard.run(step));
        graveyard.finish();
    }
}

#[test]
fn those_on_disk_die_before_those_behind_them_in_memory() {
    let mut graveyard = Graveyard::new(true);
    let steps = [
        Step::Enqueue(300, 1_000),
        Step::Synced,
        Step::Evict(0),
        Step::Scratched,
        Step::Enqueue(20, 1_000),
        Step::Pass(TTL.0 + TTL.1),
        Step::Forward,
    ];
    steps.into_iter().for_each(|step| graveyard.run(step));
    graveyard.finish();
}

/// All of a queue expire together, the first of which were given back after they had left memory.
#[test]
fn what_came_back_expires_once_and_with_all_that_stands_around_it() {
    let mut graveyard = Graveyard::new(true);
    let steps = [
        Step::Enqueue(600, 1_000),
        Step::Synced,
        Step::Evict(0),
        Step::Scratched,
        Step::Redrive(100, 60),
        Step::Load,
        Step::Answer(500),
        Step::Forward,
        Step::Resurrect(60),
        Step::Enqueue(20, 1_000),
        Step::Pass(TTL.0 + TTL.1),
    ];
    steps.into_iter().for_each(|step| graveyard.run(step));
    assert_eq!(graveyard.dead.len(), 620);
    graveyard.finish();
}

/// It stands among absent ones, and so it is read with these.
#[test]
fn what_came_back_and_dies_while_others_are_read_is_not_read_back() {
    let mut graveyard = Graveyard::new(false);
    let steps = [
        Step::Enqueue(217, 1_000),
        Step::Redrive(157, 15),
        Step::Forward,
        Step::Resurrect(15),
        Step::Reject(1),
        Step::Synced,
        Step::Evict(0),
        Step::Load,
        Step::Redrive(116, 42),
    ];
    steps.into_iter().for_each(|step| graveyard.run(step));
    graveyard.finish();
}

#[test]
fn what_comes_back_after_its_time_dies() {
    let mut graveyard = Graveyard::new(true);
    let steps = [
        Step::Enqueue(5, 1_000),
        Step::Redrive(0, 5),
        Step::Pass(TTL.0 + TTL.1),
        Step::Forward,
        Step::Resurrect(5),
    ];
    steps.into_iter().for_each(|step| graveyard.run(step));
    assert_eq!((graveyard.ready.len(), graveyard.dead.len()), (0, 5));
    graveyard.finish();
}

#[test]
fn one_whose_time_was_over_when_it_came_dies_before_those_that_came_later() {
    let mut graveyard = Graveyard::new(true);
    graveyard.take(100, 1_000, 1_100);
    graveyard.now = 1_250;
    graveyard.take(10, 1_000, 1_200);
    assert!(
        graveyard.queue.expire(1_250, 50),
        "some are left for the next turn"
    );
    graveyard.take(10, 1_000, 1_260);
    while graveyard.queue.expire(1_300, 50) {}
    graveyard.queue.expire_fleeting();
    graveyard.die(&Vec::from_iter(0..120));
    graveyard.finish();
}

#[test]
fn one_with_which_forwarders_are_lost_is_set_aside_and_the_others_go_on() {
    const SENTENCE: u64 = 7;
    let mut graveyard = Graveyard::new(false);
    [Step::Enqueue(20, 1_000), Step::Reject(20)]
        .into_iter()
        .for_each(|step| graveyard.run(step));
    let mut lost = 0;
    while graveyard.gone < 19 {
        graveyard.forward();
        if graveyard.held.iter().any(|&(_, number)| number == SENTENCE) {
            graveyard.lose_forwarder();
            lost += 1;
        } else {
            assert_eq!(graveyard.held.len(), 1, "one by one");
            graveyard.settle_dead(1);
        }
        assert!(lost < 10);
    }
    assert_eq!((lost, &graveyard.aside), (4, &VecDeque::from([SENTENCE])));
    assert_eq!((graveyard.queue.dead(), graveyard.queue.aside()), (0, 1));
    graveyard.finish();
}
