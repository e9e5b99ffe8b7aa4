//! The broker ends again and again, at any moment, while several clients do everything that clients do. After each
//! end all that was confirmed is there, in order, and what was settled on the disk is not.
//!
//! `LEVERET_CRASH_ROUNDS=60 cargo test --release --test recovery load:: -- --nocapture` is the long form;
//! `LEVERET_CRASH_SEED` chooses another course.

mod asking;
mod client;
mod hearing;
mod model;
mod topology;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use leveret_protocol::method::exchange;
use leveret_protocol::method::queue::BindOk;

use super::check;
use crate::support::chance::Chance;
use crate::support::process::BrokerProcess;
use crate::support::{Channel, PATIENCE, methods};
use crate::{declare_durable, durable_exchange};
use client::{Client, KEYS};
use model::{Found, Id, Model, Own};
use topology::{Change, Topology};

const CLIENTS: usize = 4;
const SHARED_EXCHANGE: &str = "shared";
const SHARED_QUEUES: [&str; 2] = ["shared-1", "shared-2"];
/// How long the short form takes, if what it is about has happened by then.
const SHORT: Duration = Duration::from_secs(12);
/// How long it may take on a machine that has much else to do.
const LONGEST: Duration = Duration::from_secs(180);

#[test]
fn what_was_confirmed_survives_kill_9_at_any_moment_of_any_load() {
    rounds(1, &ROOMY, |_| End::Kill);
}

#[test]
fn what_was_confirmed_survives_orderly_stops_among_kills() {
    rounds(2, &ROOMY, |chance| match chance.one_in(3) {
        true => End::Kill,
        false => End::Stop,
    });
}

#[test]
fn what_was_confirmed_survives_when_there_is_no_memory_for_it() {
    rounds(3, &TIGHT, |chance| match chance.one_in(4) {
        true => End::Stop,
        false => End::Kill,
    });
}

/// How a load and its broker are.
struct Form {
    arguments: &'static [&'static str],
    /// One message in so many is large, and has so many bytes.
    large: (usize, usize),
    /// What is in a queue beyond this is acknowledged when it was looked at.
    kept: usize,
    /// The longest that a load goes on, in milliseconds.
    longest: usize,
    /// Something must have been on the scratch log at an end.
    spills: bool,
}

/// All messages fit into memory.
const ROOMY: Form = Form {
    arguments: &[],
    large: (100, 300_000),
    kept: 300,
    longest: 1000,
    spills: false,
};

/// Most messages leave memory, the transient ones for the scratch log. With less memory the alarm would be raised for good: the
/// messages may have half of it, and the broker needs some.
const TIGHT: Form = Form {
    arguments: &["--memory-limit", "96MiB"],
    large: (4, 1_000_000),
    kept: 60,
    longest: 3000,
    spills: true,
};

/// How a broker ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Kill,
    Stop,
}

fn rounds(course: u64, form: &Form, choose: impl Fn(&mut Chance) -> End) {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse::<u64>().expect("a number"))
    };
    let (wanted, seed) = (
        number("LEVERET_CRASH_ROUNDS"),
        number("LEVERET_CRASH_SEED").unwrap_or(1),
    );
    let mut chance = Chance::new(seed * 1000 + course);
    let data = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let mut model = Model {
        clients: (0..CLIENTS).map(|_| Own::default()).collect(),
        ..Model::default()
    };
    let mut broker = start(data.path(), form);
    declare_shared(&broker.connect().channel());
    let mut spilled = 0;
    for round in 0.. {
        let spilled_enough = spilled > 0 || !form.spills;
        let long_enough = || begun.elapsed() > if spilled_enough { SHORT } else { LONGEST };
        if wanted.map_or_else(long_enough, |wanted| round >= wanted) {
            break;
        }
        let end = choose(&mut chance);
        model = load(broker, model, end, form, &mut chance);
        let scratch = bytes_in(&data.path().join("scratch"));
        spilled += scratch;
        let before = check::waiting(&check::report(data.path(), 0));
        broker = start(data.path(), form);
        let found = look(&broker, form, &mut model);
        assert_eq!(
            found, before,
            "round {round}: the check tells something else than the broker"
        );
        let messages: u64 = found.values().sum();
        eprintln!("round {round}, {end:?}: {messages} messages; {scratch} bytes were on the scratch log");
    }
    assert!(
        spilled > 0 || !form.spills,
        "nothing was on the scratch log at any end"
    );
}

fn bytes_in(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

fn start(data: &Path, form: &Form) -> BrokerProcess {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
    command.args(form.arguments);
    // What is freed is given back at once: else the alarm goes on for ten seconds after a start that has read much.
    command.env("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0");
    BrokerProcess::start_by(command, data)
}

fn declare_shared(channel: &Channel) {
    channel.call::<exchange::DeclareOk>(durable_exchange(SHARED_EXCHANGE, "fanout"));
    for queue in SHARED_QUEUES {
        declare_durable(channel, queue);
        channel.call::<BindOk>(methods::bind(queue, SHARED_EXCHANGE, ""));
    }
}

/// Has the clients work for a while, and ends the broker meanwhile.
fn load(mut broker: BrokerProcess, model: Model, end: End, form: &Form, chance: &mut Chance) -> Model {
    let (model, ready) = (Mutex::new(model), Barrier::new(CLIENTS + 1));
    let (address, seeds) = (
        broker.address(),
        [(); CLIENTS].map(|()| chance.below(1 << 30) as u64),
    );
    thread::scope(|scope| {
        for (number, seed) in seeds.into_iter().enumerate() {
            let (model, ready) = (&model, &ready);
            scope.spawn(move || {
                let client = Client::connect(address, number, model, seed, form.large);
                ready.wait();
                client.run();
            });
        }
        ready.wait();
        thread::sleep(Duration::from_millis(
            100 + chance.below(form.longest - 100) as u64,
        ));
        broker.signal(if end == End::Kill { "KILL" } else { "TERM" });
        broker.ended(3 * PATIENCE);
    });
    let mut model = model.into_inner().expect("no client failed");
    model.ended(end == End::Stop);
    model
}

/// Looks at all there is and compares it. Gives how many messages wait in each queue.
fn look(broker: &BrokerProcess, form: &Form, model: &mut Model) -> BTreeMap<String, u64> {
    // Who publishes may be held back: probes have a connection of their own.
    let (connection, probing) = (broker.connect(), broker.connect());
    let channel = connection.channel();
    let mut counts = BTreeMap::new();
    for queue in SHARED_QUEUES {
        look_into(&channel, queue, form, model, &mut counts);
    }
    for number in 0..CLIENTS {
        let seen = existing(&connection.channel(), number);
        let own = &mut model.clients[number];
        let (without, mut with) = (own.topology.clone(), own.topology.clone());
        let unsure = own.unsure.take();
        unsure.iter().for_each(|change| with.apply(change));
        for queue in &seen.queues {
            look_into(&channel, queue, form, model, &mut counts);
        }
        let probed = probing.channel();
        let routes = probe(&probed, &seen);
        let fits = |expected: &Topology| same(expected, &seen) && expected_routes(expected) == routes;
        let own = &mut model.clients[number];
        own.topology = match (fits(&without), fits(&with)) {
            (_, true) => {
                // A binding that makes no difference is not seen. From now on it is known.
                unsure.iter().for_each(|change| asking::ask_for(&probed, change));
                with
            }
            (true, false) => without,
            _ => panic!("client {number}: {seen:?}\n{routes:?}\nis not\n{without:?}\nunsure: {unsure:?}"),
        };
        if let Some(Change::DeleteQueue(name)) = unsure
            && !own.topology.queues.contains(&name)
        {
            model.queues.remove(&name);
        }
    }
    counts
}

/// Compares what a queue holds; acknowledges it if that is much.
fn look_into(
    channel: &Channel,
    queue: &str,
    form: &Form,
    model: &mut Model,
    counts: &mut BTreeMap<String, u64>,
) {
    let (mut tag, mut all) = (0, Vec::new());
    while let Some(got) = channel.get(queue) {
        tag = got.tag;
        all.push(found(&got.body, got.redelivered));
    }
    model.restarted(queue, &all);
    if !all.is_empty() {
        counts.insert(queue.to_owned(), all.len() as u64);
    }
    if all.len() > form.kept {
        // Every other queue that was looked into is held by this channel too: no multiple.
        for tag in tag - all.len() as u64 + 1..=tag {
            channel.ack(tag);
        }
        let nobody = (usize::MAX, 0);
        all.iter()
            .for_each(|found| model.settled(queue, found.id, nobody));
    }
}

/// The names of a client's that exist; the exchanges' types are not seen.
fn existing(channel: &Channel, client: usize) -> Topology {
    let mut seen = Topology::default();
    for place in 0..client::QUEUES {
        let name = format!("c{client}-q{place}");
        if crate::exists(channel, &name) {
            seen.queues.insert(name);
        }
    }
    for (place, kind) in client::KINDS.into_iter().enumerate() {
        let name = format!("c{client}-x{place}");
        if exchange_exists(channel, &name) {
            seen.exchanges.insert(name, kind);
        }
    }
    seen
}

fn exchange_exists(channel: &Channel, name: &str) -> bool {
    use leveret_protocol::method::channel::CloseOk;
    let channel = channel.connection().channel();
    channel.send(methods::passive_exchange(name));
    let exists = channel.method().name() == "exchange.declare-ok";
    match exists {
        true => channel.close(),
        false => channel.send(CloseOk {}),
    }
    exists
}

fn same(expected: &Topology, seen: &Topology) -> bool {
    expected.queues == seen.queues && expected.exchanges == seen.exchanges
}

type Routes = BTreeMap<(String, &'static str), BTreeSet<String>>;

fn expected_routes(topology: &Topology) -> Routes {
    each_route(topology, |exchange, key| topology.route(exchange, key))
}

fn each_route(topology: &Topology, route: impl Fn(&str, &str) -> BTreeSet<String>) -> Routes {
    let all = topology
        .exchanges
        .keys()
        .flat_map(|name| KEYS.map(|key| (name.clone(), key)));
    all.map(|(name, key)| ((name.clone(), key), route(&name, key)))
        .collect()
}

/// Where the exchanges route to. Nothing is ready in any queue when this is asked.
fn probe(channel: &Channel, seen: &Topology) -> Routes {
    channel.confirm_select();
    let mut routes = each_route(seen, |_, _| BTreeSet::new());
    for (exchange, key) in routes.keys() {
        channel.publish(exchange, key, format!("{exchange} {key}"));
    }
    if !routes.is_empty() {
        channel.acked(1, routes.len() as u64);
    }
    for queue in &seen.queues {
        for body in channel.drain(queue) {
            let (exchange, key) = body.split_once(' ').unwrap();
            let key = KEYS.into_iter().find(|known| *known == key).unwrap();
            routes
                .get_mut(&(exchange.to_owned(), key))
                .unwrap()
                .insert(queue.clone());
        }
    }
    routes
}

/// The body of a message.
fn body(id: Id, length: usize) -> Vec<u8> {
    let mut body = vec![id.0 as u8];
    body.extend(id.1.to_le_bytes());
    body.extend((length as u32).to_le_bytes());
    body.resize(9 + length, id.1 as u8);
    body
}

/// The message with this body, which must be whole.
#[track_caller]
fn found(bytes: &[u8], redelivered: bool) -> Found {
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let id = (bytes[0].into(), number(1));
    assert!(bytes == body(id, number(5) as usize), "{id:?} has another body");
    Found { id, redelivered }
}
