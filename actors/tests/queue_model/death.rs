//! How the model's messages die, and what becomes of them then.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::time::Duration;

use leveret_actors::{
    id::ChannelId,
    publication::Page,
    queue::{Convoy, Fate, Stamps, effective::Effective},
};
use proptest::sample::Index;

use crate::model::{Message, Model, Place};
use crate::step::{Length, ttl};

/// What is known of deaths.
#[derive(Debug, Default)]
pub(crate) struct Deaths {
    pub(crate) timed: bool,
    /// So many neighbours may wait equally long.
    pub(crate) alike: u64,
    pub(crate) dead_letters: bool,
    /// Some were on their way back to where they died first.
    pub(crate) redrives: bool,
    /// Those that are.
    pub(crate) redriven: BTreeSet<u64>,
    pub(crate) length: Length,
    pub(crate) now: u64,
    /// When the queue was last told to let messages expire.
    pub(crate) told: u64,
    pub(crate) forwarder: Option<ChannelId>,
    /// What was published since the last restart has this number or a higher one.
    pub(crate) began: u64,
    /// Those that wait for the forwarder.
    pub(crate) dead: BTreeMap<u64, Message>,
    /// Those that it has, by key.
    pub(crate) forwarded: BTreeMap<u64, (u64, Message)>,
}

impl Deaths {
    pub(crate) fn effective(&self, others: Effective) -> Effective {
        Effective {
            message_ttl: self.timed.then_some(Duration::from_secs(1)),
            dead_letter_exchange: self.dead_letters.then(|| "dlx".into()),
            max_length: self.length.messages,
            max_length_bytes: self.length.bytes,
            overflow: self.length.overflow,
            ..others
        }
    }

    /// The deadline of a message that comes now.
    pub(crate) fn deadline(&self, number: u64) -> u64 {
        let ttl = ttl(number, self.alike.max(1)).filter(|_| self.timed);
        ttl.map_or(0, |ttl| self.now + ttl)
    }

    /// Whether a message dies that comes back.
    pub(crate) fn is_over(&self, message: &Message) -> bool {
        !message.fleeting && (message.over || (message.deadline != 0 && message.deadline <= self.told))
    }

    /// Whether those who die are wanted somewhere.
    pub(crate) fn are_wanted(&self) -> bool {
        self.dead_letters || self.redrives
    }

    /// How many messages are dead and not settled.
    pub(crate) fn len(&self) -> usize {
        self.dead.len() + self.forwarded.len()
    }

    pub(crate) fn messages(&self) -> impl Iterator<Item = &Message> {
        self.dead
            .values()
            .chain(self.forwarded.values().map(|(_, message)| message))
    }

    pub(crate) fn messages_mut(&mut self) -> impl Iterator<Item = &mut Message> {
        self.dead
            .values_mut()
            .chain(self.forwarded.values_mut().map(|(_, message)| message))
    }

    /// The broker is started again.
    pub(crate) fn restart(&mut self) -> BTreeMap<u64, Message> {
        self.forwarder = None;
        self.redrives = false;
        self.redriven.clear();
        self.told = 0;
        let mut all = std::mem::take(&mut self.dead);
        all.extend(std::mem::take(&mut self.forwarded).into_values());
        all
    }
}

impl Model {
    /// Gives what was enqueued its deadlines.
    pub(crate) fn stamp(&mut self, first: u64, page: &Page, offsets: &[u32]) {
        let deadlines: Vec<u64> = (first..self.published)
            .map(|number| self.deaths.deadline(number))
            .collect();
        for (number, &deadline) in (first..).zip(&deadlines) {
            self.disk.deadlines.insert(number, deadline);
        }
        let stamps = Stamps::Each(deadlines);
        self.queue.stamp(first, page, offsets, &stamps, self.deaths.now);
    }

    pub(crate) fn pass_time(&mut self, milliseconds: u64, most: usize) {
        self.deaths.now += milliseconds;
        self.expire(most);
    }

    /// What the queue does before it hands out anything.
    fn expire(&mut self, most: usize) {
        let now = self.deaths.now;
        while self.queue.expire(now, most) {
            // There will be no pass before the others die that are due.
            self.away_mut().for_each(|message| message.fleeting = false);
            self.ready
                .values_mut()
                .for_each(|message| message.fleeting = false);
        }
        assert!(self.queue.next_deadline().is_none_or(|next| next > now));
        self.deaths.told = now;
        let over = |(place, message): (&Place, &Message)| self.deaths.is_over(message).then_some(*place);
        let over: Vec<Place> = self.ready.iter().filter_map(over).collect();
        over.into_iter().for_each(|place| self.die(place));
    }

    /// Those who could take messages have had their turn: what may not wait at all is over.
    pub(crate) fn expire_fleeting(&mut self) {
        self.queue.expire_fleeting();
        let fleeting = |(place, message): (&Place, &Message)| message.fleeting.then_some(*place);
        let over: Vec<Place> = self.ready.iter().filter_map(fleeting).collect();
        over.into_iter().for_each(|place| self.die(place));
        for message in self.away_mut().filter(|message| message.fleeting) {
            (message.fleeting, message.over) = (false, true);
        }
    }

    /// One that waited is dead.
    pub(crate) fn die(&mut self, place: Place) {
        if let Some(message) = self.ready.remove(&place) {
            self.bury(place.1, message);
        }
    }

    /// One that does not wait is dead.
    pub(crate) fn bury(&mut self, number: u64, message: Message) {
        if self.deaths.are_wanted() {
            self.deaths.dead.insert(number, message);
        } else {
            self.gone += 1;
        }
    }

    /// Those are taken away that still wait. What rests since an earlier life may count as waiting, and so may what that life
    /// has settled.
    pub(crate) fn take_away(&mut self, picks: &[Index], fate: Fate) {
        if self.queue.in_review() || self.unread_rest() {
            return;
        }
        if fate == Fate::Redriven {
            // From now on the dead are wanted, also those that nobody wanted and that are still to be read.
            self.read_what_counts();
        }
        let waiting: Vec<Place> = self.ready.keys().copied().collect();
        let mut places: Vec<Place> = Vec::new();
        for pick in picks {
            let all = self.published as usize + waiting.len();
            match all.checked_sub(1).map(|_| pick.index(all)) {
                Some(at) if at < waiting.len() => places.push(waiting[at]),
                Some(at) => {
                    let number = (at - waiting.len()) as u64;
                    let known = self.lost == 0 && number >= self.deaths.began;
                    places.extend(known.then(|| self.place(number)));
                }
                None => {}
            }
        }
        let levels: Vec<(u64, u8)> = places
            .iter()
            .map(|&(Reverse(level), number)| (number, level))
            .collect();
        let taken = self.queue.take_away(&levels, fate);
        self.deaths.redrives |= fate == Fate::Redriven;
        let before = self.ready.len();
        for place in places {
            match fate {
                Fate::Redriven if self.ready.contains_key(&place) => {
                    self.deaths.redriven.insert(place.1);
                    self.die(place);
                }
                Fate::Redriven => {}
                Fate::Dropped => self.gone += self.ready.remove(&place).map_or(0, |_| 1),
            }
        }
        assert_eq!(taken, before - self.ready.len());
    }

    pub(crate) fn resurrect(&mut self, picks: &[Index]) {
        let Some(holder) = self.deaths.forwarder else {
            return;
        };
        for pick in picks {
            let Deaths {
                forwarded, redriven, ..
            } = &self.deaths;
            let may_come_back = forwarded
                .iter()
                .filter(|(_, (number, _))| redriven.contains(number));
            let keys: Vec<u64> = may_come_back.map(|(&key, _)| key).collect();
            if keys.is_empty() {
                return;
            }
            let key = keys[pick.index(keys.len())];
            if let Some((number, message)) = self.deaths.forwarded.remove(&key) {
                self.deaths.redriven.remove(&number);
                assert_eq!(self.queue.resurrect(holder, key..=key), 1);
                self.wait_again(number, message);
            }
        }
    }

    pub(crate) fn forward(&mut self) {
        let holder = *self.deaths.forwarder.get_or_insert_with(ChannelId::next);
        while let Some(convoy) = self.queue.next_dead(holder) {
            for (key, body) in carried(&convoy) {
                let number = u64::from_le_bytes(body[..8].try_into().unwrap_or_default());
                let dead = self.deaths.dead.remove(&number);
                let dead = dead.unwrap_or_else(|| panic!("{number} is not dead"));
                assert_eq!(body.len(), dead.size);
                self.deaths.forwarded.insert(key, (number, dead));
            }
        }
        if self.queue.needs_reading() {
            self.disk.load(&mut self.queue);
        }
    }

    pub(crate) fn settle_dead(&mut self, picks: &[Index]) {
        let Some(holder) = self.deaths.forwarder else {
            return;
        };
        for pick in picks {
            let keys: Vec<u64> = self.deaths.forwarded.keys().copied().collect();
            if keys.is_empty() {
                return;
            }
            let key = keys[pick.index(keys.len())];
            assert_eq!(self.queue.settle_dead(holder, key..=key), 1);
            self.deaths.forwarded.remove(&key);
            self.gone += 1;
        }
    }

    pub(crate) fn lose_forwarder(&mut self) {
        if self.deaths.forwarder.take().is_some() {
            self.queue.take_dead_back();
            let had = std::mem::take(&mut self.deaths.forwarded);
            self.deaths.dead.extend(had.into_values());
        }
    }

    /// All dead are forwarded, and settled.
    pub(crate) fn finish_dead(&mut self) {
        let mut rounds = 0;
        while self.deaths.len() > 0 || self.queue.needs_reading() {
            self.forward();
            if self.disk.is_asked() {
                self.answer(usize::MAX, None);
            }
            if let Some(holder) = self.deaths.forwarder {
                let forwarded = std::mem::take(&mut self.deaths.forwarded);
                self.gone += forwarded.len() as u64;
                let settled = self.queue.settle_dead(holder, 0..=u64::MAX);
                assert_eq!(settled, forwarded.len());
            }
            rounds += 1;
            assert!(rounds < 1_000, "{:?} are never forwarded", self.deaths.dead);
        }
    }

    /// After a restart, a queue whose messages have deadlines looks at all of them before it hands out any.
    pub(crate) fn review(&mut self) {
        let steps = iter::repeat_with(|| ()).take(1_000);
        for () in steps {
            if !self.queue.in_review() {
                return;
            }
            assert!(!self.queue.has_first());
            self.disk.load(&mut self.queue);
            self.answer(5, None);
        }
        panic!("the review never ends");
    }
}

/// The messages of a convoy: their numbers and their bodies.
pub(crate) fn carried(convoy: &Convoy) -> Vec<(u64, Vec<u8>)> {
    let neighbours = convoy.neighbours().flat_map(|neighbours| {
        let bodies = neighbours
            .offsets
            .iter()
            .map(move |&offset| neighbours.page.body(offset));
        (neighbours.first..).zip(bodies)
    });
    neighbours
        .map(|(number, body)| (number, body.as_slice().to_vec()))
        .collect()
}
