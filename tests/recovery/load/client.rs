//! A client that does everything at random until the broker ends, and keeps the model up to date.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use leveret_protocol::Method;
use leveret_protocol::method::basic;

use super::asking::{answer, send};
use super::hearing::Heard;
use super::model::{Id, Model};
use super::topology::{Binding, Change, End, Kind};
use super::{SHARED_EXCHANGE, SHARED_QUEUES, body, found};
use crate::PERSISTENT;
use crate::support::chance::Chance;
use crate::support::content::NONE;
use crate::support::{Channel, Connection, methods};

/// Publications not yet confirmed.
const OPEN: usize = 300;
const SHORTLY: Duration = Duration::from_millis(20);
pub(super) const KEYS: [&str; 3] = ["a.b", "a.c", "b.b"];
const PATTERNS: [&str; 5] = ["a.b", "b.b", "a.*", "*.b", "#"];
pub(super) const KINDS: [Kind; 4] = [Kind::Fanout, Kind::Topic, Kind::Direct, Kind::Topic];
pub(super) const QUEUES: usize = 5;

/// The broker is gone, or about to go.
pub(super) struct Ended;

/// One client, on one channel.
pub(super) struct Client<'m> {
    pub(super) number: usize,
    pub(super) channel: Channel,
    model: &'m Mutex<Model>,
    chance: Chance,
    /// One message in so many is large, and has so many bytes.
    large: (usize, usize),
    /// The tag of the last publication on this channel.
    tag: u64,
    pub(super) open: BTreeMap<u64, (Id, bool, BTreeSet<String>)>,
    /// What is unacknowledged, by its tag.
    held: BTreeMap<u64, (String, Id)>,
    /// Whose deliveries come, and the tags of those that came.
    pub(super) consuming: Option<String>,
    pub(super) delivered: Vec<u64>,
}

impl<'m> Client<'m> {
    pub(super) fn connect(
        address: SocketAddr,
        number: usize,
        model: &'m Mutex<Model>,
        seed: u64,
        large: (usize, usize),
    ) -> Client<'m> {
        let connection = Connection::over_tcp(address, "/");
        connection.open("/");
        let channel = connection.channel();
        channel.confirm_select();
        channel.prefetch(20);
        Client {
            number,
            channel,
            model,
            chance: Chance::new(seed),
            large,
            tag: 0,
            open: BTreeMap::new(),
            held: BTreeMap::new(),
            consuming: None,
            delivered: Vec::new(),
        }
    }

    /// Goes on until the broker ends.
    pub(super) fn run(mut self) {
        while self.act().is_ok() {}
    }

    fn act(&mut self) -> Result<(), Ended> {
        match self.chance.below(24) {
            0..8 => self.publish_some(),
            8..13 => self.get_some(),
            13..15 => self.consume_some(),
            15..17 => self.queues_change(),
            17..20 => self.bindings_change(),
            20 => self.exchanges_change(),
            21 => self.purge(),
            _ => self.all_confirmed(),
        }
    }

    pub(super) fn model(&self) -> MutexGuard<'m, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish_some(&mut self) -> Result<(), Ended> {
        for _ in 0..1 + self.chance.below(40) {
            let key = KEYS[self.chance.below(KEYS.len())];
            let exchange = match self.chance.below(4) {
                0 => SHARED_EXCHANGE.to_owned(),
                _ => self.any_exchange().0,
            };
            let large = self.chance.one_in(self.large.0);
            // Large ones are transient more often: memory is rid of the others without the scratch log.
            let persistent = !self.chance.one_in(if large { 2 } else { 4 });
            let length = match large {
                true => self.large.1,
                false => self.chance.below(100) * 20,
            };
            let mut model = self.model();
            let own = &mut model.clients[self.number];
            let (id, queues) = match exchange.as_str() {
                SHARED_EXCHANGE => (
                    (self.number, own.published),
                    SHARED_QUEUES.map(str::to_owned).into(),
                ),
                exchange if !own.topology.exchanges.contains_key(exchange) => continue,
                exchange => ((self.number, own.published), own.topology.route(exchange, key)),
            };
            own.published += 1;
            model.published(id, persistent, &queues);
            drop(model);
            self.publish(&exchange, key, persistent, id, length);
            self.open.insert(self.tag, (id, persistent, queues));
        }
        while self.open.len() > OPEN {
            self.listen()?;
        }
        Ok(())
    }

    fn publish(&mut self, exchange: &str, routing_key: &str, persistent: bool, id: Id, length: usize) {
        self.tag += 1;
        let publish = basic::Publish {
            exchange,
            routing_key,
            ..Default::default()
        };
        let properties: &[u8] = if persistent { &PERSISTENT } else { &NONE };
        self.channel.publish_as(publish, properties, body(id, length));
    }

    fn all_confirmed(&mut self) -> Result<(), Ended> {
        while !self.open.is_empty() {
            self.listen()?;
        }
        Ok(())
    }

    fn get_some(&mut self) -> Result<(), Ended> {
        let Some(queue) = self.queue() else { return Ok(()) };
        self.taking(Some(&queue));
        let mut tags = Vec::new();
        for _ in 0..1 + self.chance.below(30) {
            self.channel.send(methods::get(&queue));
            let Method::Basic(basic::Method::GetOk(got)) = self.method()? else {
                break;
            };
            tags.push(self.take(&queue, got.delivery_tag, got.redelivered)?);
        }
        self.taking(None);
        self.settle(tags);
        Ok(())
    }

    fn consume_some(&mut self) -> Result<(), Ended> {
        let Some(queue) = self.queue() else { return Ok(()) };
        self.taking(Some(&queue));
        self.consuming = Some(queue.clone());
        self.ask(
            basic::Consume {
                consumer_tag: "taker",
                ..methods::consume(&queue)
            },
            "basic.consume-ok",
        )?;
        let wanted = 1 + self.chance.below(20);
        while self.delivered.len() < wanted && self.step(SHORTLY)? != Heard::Nothing {}
        self.ask(methods::cancel("taker"), "basic.cancel-ok")?;
        self.consuming = None;
        self.taking(None);
        let tags = std::mem::take(&mut self.delivered);
        self.settle(tags);
        Ok(())
    }

    /// Tells the model that messages of a queue may be on their way to this client.
    fn taking(&self, queue: Option<&str>) {
        self.model().clients[self.number].taking = queue.map(str::to_owned);
    }

    /// Reads the content of a delivery, which is held from now on.
    pub(super) fn take(&mut self, queue: &str, tag: u64, redelivered: bool) -> Result<u64, Ended> {
        let found = found(&self.content()?, redelivered);
        self.model().delivered(queue, found);
        self.held.insert(tag, (queue.to_owned(), found.id));
        Ok(tag)
    }

    /// Acknowledges, rejects, returns or keeps messages.
    fn settle(&mut self, tags: Vec<u64>) {
        let (Some(&last), chosen) = (tags.last(), self.chance.below(10)) else {
            return;
        };
        let requeue = chosen >= 8;
        match chosen {
            0 => {}
            1..4 => {
                self.let_go(|tag| tag <= last, false);
                self.channel.ack_up_to(last);
            }
            4 | 8 => {
                self.let_go(|tag| tag <= last, requeue);
                self.channel.send(basic::Nack {
                    delivery_tag: last,
                    multiple: true,
                    requeue,
                });
            }
            _ => {
                for tag in tags {
                    self.let_go(|held| held == tag, requeue);
                    match chosen {
                        5 | 9 => self.channel.reject(tag, requeue),
                        _ => self.channel.ack(tag),
                    }
                }
            }
        }
    }

    /// Tells the model which held messages are about to be settled or returned.
    fn let_go(&mut self, which: impl Fn(u64) -> bool, requeue: bool) {
        let mut model = self.model();
        let by = (self.number, model.clients[self.number].published);
        let tags: Vec<u64> = self.held.keys().copied().filter(|tag| which(*tag)).collect();
        for (queue, id) in tags.iter().filter_map(|tag| self.held.remove(tag)) {
            match requeue {
                true => model.requeued(&queue, id),
                false => model.settled(&queue, id, by),
            }
        }
    }

    fn queues_change(&mut self) -> Result<(), Ended> {
        let name = format!("c{}-q{}", self.number, self.chance.below(QUEUES));
        let exists = self.model().clients[self.number].topology.queues.contains(&name);
        let change = match exists && self.chance.one_in(2) {
            true => Change::DeleteQueue(name),
            false => Change::DeclareQueue(name),
        };
        self.change(change)
    }

    fn exchanges_change(&mut self) -> Result<(), Ended> {
        let (name, kind) = self.any_exchange();
        let exists = self.model().clients[self.number]
            .topology
            .exchanges
            .contains_key(&name);
        let change = match exists && self.chance.one_in(2) {
            true => Change::DeleteExchange(name),
            false => Change::DeclareExchange(name, kind),
        };
        self.change(change)
    }

    fn bindings_change(&mut self) -> Result<(), Ended> {
        let (source, kind) = self.any_exchange();
        let topology = self.model().clients[self.number].topology.clone();
        if !topology.exchanges.contains_key(&source) {
            return self.change(Change::DeclareExchange(source, kind));
        }
        if self.chance.one_in(4) && !topology.bindings.is_empty() {
            let place = self.chance.below(topology.bindings.len());
            let binding = topology.bindings.iter().nth(place).cloned();
            return binding.map_or(Ok(()), |binding| self.change(Change::Unbind(binding)));
        }
        let end = match self.chance.one_in(4) {
            true => End::Exchange(self.any_exchange().0),
            false => End::Queue(format!("c{}-q{}", self.number, self.chance.below(QUEUES))),
        };
        let exists = match &end {
            End::Queue(name) => topology.queues.contains(name),
            End::Exchange(name) => topology.exchanges.contains_key(name),
        };
        if !exists {
            return Ok(());
        }
        let key = PATTERNS[self.chance.below(PATTERNS.len())].to_owned();
        self.change(Change::Bind(Binding { source, end, key }))
    }

    fn purge(&mut self) -> Result<(), Ended> {
        match self.queue() {
            Some(queue) if !SHARED_QUEUES.contains(&queue.as_str()) && self.chance.one_in(3) => {
                self.change(Change::Purge(queue))
            }
            _ => Ok(()),
        }
    }

    /// Has something changed, and waits until it is.
    fn change(&mut self, change: Change) -> Result<(), Ended> {
        self.model().clients[self.number].unsure = Some(change.clone());
        send(&self.channel, &change);
        let answered = self.method()?;
        assert_eq!(
            answered.name(),
            answer(&change),
            "client {}: {answered:?}",
            self.number
        );
        let mut model = self.model();
        model.changed(self.number, &change);
        model.clients[self.number].unsure = None;
        Ok(())
    }

    /// A queue that exists.
    fn queue(&mut self) -> Option<String> {
        if self.chance.one_in(4) {
            return Some(SHARED_QUEUES[self.chance.below(SHARED_QUEUES.len())].to_owned());
        }
        let model = self.model();
        let queues = &model.clients[self.number].topology.queues;
        let place = self.chance.below(queues.len().max(1));
        queues.iter().nth(place).cloned()
    }

    /// An exchange of this client, which need not exist.
    fn any_exchange(&mut self) -> (String, Kind) {
        let place = self.chance.below(KINDS.len());
        (format!("c{}-x{place}", self.number), KINDS[place])
    }
}
