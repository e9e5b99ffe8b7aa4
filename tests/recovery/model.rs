//! A broker with real files against a plain model, through any operations and restarts; what fails is made shorter.
//!
//! One client does one thing after the other, so the model says exactly what each answer has to be. Where a restart is no
//! orderly one is the matter of [`load`](super::load).
//!
//! `PROPTEST_CASES=200 cargo test --test recovery model::` looks at more.

mod plain;

use std::path::Path;
use std::process::Command;

use leveret_protocol::method::basic;
use leveret_protocol::method::queue::{BindOk, DeclareOk, DeleteOk, PurgeOk, UnbindOk};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::support::content::NONE;
use super::support::process::BrokerProcess;
use super::support::{Broker, Channel, Connection, PATIENCE, methods};
use super::{PERSISTENT, declare_durable};
use plain::{Message, Plain, QUEUES};

/// Brokers are started, and on a busy machine there are other tests.
const CASES: u32 = 16;
const EXCHANGE: &str = "amq.fanout";

#[derive(Debug, Clone)]
enum Step {
    Declare(usize),
    Delete(usize),
    Bind(usize),
    Unbind(usize),
    Purge(usize),
    /// To the default exchange, or to the fan-out: how many, of which size, persistent.
    Publish(Option<usize>, usize, usize, bool),
    /// So many, by hand or on delivery.
    Get(usize, usize, bool),
    /// Of the unsettled messages the one at this place, or all up to it: acknowledged, dropped or given back.
    Settle(usize, bool, Settled),
    Restart,
}

#[derive(Debug, Clone, Copy)]
enum Settled {
    Ack,
    Drop,
    Requeue,
}

fn step() -> impl Strategy<Value = Step> {
    let queue = || 0..QUEUES.len();
    let size = prop_oneof![6 => 0..200_usize, 2 => 2_000..20_000_usize, 2 => 500_000..1_500_000_usize];
    let settled = prop_oneof![3 => Just(Settled::Ack), 1 => Just(Settled::Drop), 2 => Just(Settled::Requeue)];
    prop_oneof![
        3 => queue().prop_map(Step::Declare),
        1 => queue().prop_map(Step::Delete),
        2 => queue().prop_map(Step::Bind),
        1 => queue().prop_map(Step::Unbind),
        1 => queue().prop_map(Step::Purge),
        8 => (proptest::option::of(queue()), 1..20_usize, size, prop::bool::weighted(0.7))
            .prop_map(|(queue, count, size, persistent)| Step::Publish(queue, count, size, persistent)),
        6 => (queue(), 1..15_usize, any::<bool>()).prop_map(|(queue, count, no_ack)| Step::Get(queue, count, no_ack)),
        6 => (0..40_usize, any::<bool>(), settled)
            .prop_map(|(place, multiple, settled)| Step::Settle(place, multiple, settled)),
        1 => Just(Step::Restart),
    ]
}

#[test]
fn a_broker_with_files_does_what_the_model_does_through_restarts() {
    let cases = std::env::var("PROPTEST_CASES").map_or(CASES, |cases| cases.parse().expect("a number"));
    let mut runner = TestRunner::new(ProptestConfig {
        cases,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let outcome = runner.run(&(any::<bool>(), vec(step(), 1..60)), |(tight, steps)| {
        let data = tempfile::tempdir().expect("a directory");
        let subject = Subject::new(data.path(), tight);
        let begun = [Step::Declare(0), Step::Declare(1), Step::Bind(1)];
        let subject = begun.into_iter().chain(steps).fold(subject, Subject::step);
        subject.restart().finish();
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

/// The broker and the model.
struct Subject<'d> {
    data: &'d Path,
    /// With little memory.
    tight: bool,
    _connection: Connection,
    channel: Channel,
    /// What publishes: confirms come here.
    publisher: Channel,
    confirmed: u64,
    model: Plain,
    published: usize,
    /// Dropped after its clients, which it would wait for.
    broker: Running,
}

impl<'d> Subject<'d> {
    fn new(data: &'d Path, tight: bool) -> Self {
        let broker = Running::start(data, tight);
        let connection = broker.connect();
        let (channel, publisher) = (connection.channel(), connection.channel());
        publisher.confirm_select();
        Subject {
            data,
            tight,
            broker,
            channel,
            publisher,
            _connection: connection,
            confirmed: 0,
            model: Plain::default(),
            published: 0,
        }
    }

    /// Ends the connection and the broker, which then finds its clients gone or not, and starts another.
    fn restart(self) -> Self {
        let Subject {
            data,
            tight,
            broker,
            mut model,
            published,
            channel,
            publisher,
            _connection,
            ..
        } = self;
        drop((channel, publisher, _connection));
        drop(broker);
        model.restarted();
        Subject {
            model,
            published,
            ..Subject::new(data, tight)
        }
    }

    fn step(mut self, step: Step) -> Self {
        if matches!(step, Step::Restart) {
            return self.restart();
        }
        self.run(step);
        self
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Declare(queue) => {
                declare_durable(&self.channel, QUEUES[queue]);
                self.model.declare(queue);
            }
            Step::Delete(queue) => {
                let deleted: DeleteOk = self.channel.call(methods::delete(QUEUES[queue]));
                assert_eq!(deleted.message_count as usize, self.model.delete(queue));
            }
            Step::Bind(queue) if self.model.exists(queue) => {
                self.channel
                    .call::<BindOk>(methods::bind(QUEUES[queue], EXCHANGE, ""));
                self.model.bind(queue, true);
            }
            Step::Unbind(queue) if self.model.exists(queue) => {
                self.channel
                    .call::<UnbindOk>(methods::unbind(QUEUES[queue], EXCHANGE, ""));
                self.model.bind(queue, false);
            }
            Step::Purge(queue) if self.model.exists(queue) => {
                let purged: PurgeOk = self.channel.call(methods::purge(QUEUES[queue]));
                assert_eq!(purged.message_count as usize, self.model.purge(queue));
            }
            Step::Publish(queue, count, size, persistent) => self.publish(queue, count, size, persistent),
            Step::Get(queue, count, no_ack) if self.model.exists(queue) => self.get(queue, count, no_ack),
            Step::Settle(place, multiple, settled) => self.settle(place, multiple, settled),
            _ => {}
        }
    }

    fn publish(&mut self, queue: Option<usize>, count: usize, size: usize, persistent: bool) {
        for _ in 0..count {
            let body = body(self.published, size);
            let publish = basic::Publish {
                exchange: if queue.is_some() { "" } else { EXCHANGE },
                routing_key: queue.map_or("", |queue| QUEUES[queue]),
                ..Default::default()
            };
            let properties: &[u8] = if persistent { &PERSISTENT } else { &NONE };
            self.publisher.publish_as(publish, properties, &body);
            let message = Message::new(self.published, size, persistent);
            self.model.publish(queue, message);
            self.published += 1;
        }
        let first = self.confirmed + 1;
        self.confirmed += count as u64;
        self.publisher.acked(first, self.confirmed);
    }

    fn get(&mut self, queue: usize, count: usize, no_ack: bool) {
        for _ in 0..count {
            let get = basic::Get {
                no_ack,
                ..methods::get(QUEUES[queue])
            };
            let got = self.channel.get_as(get);
            let tag = got.as_ref().map(|got| got.tag);
            let expected = self.model.get(queue, tag.filter(|_| !no_ack));
            let Some(got) = got else {
                assert!(expected.is_none(), "{expected:?} is not there");
                return;
            };
            let expected = expected.expect("a message is there");
            assert_eq!(got.redelivered, expected.redelivered, "{expected:?}");
            assert_eq!(
                got.message_count as usize,
                self.model.ready(queue),
                "{expected:?}"
            );
            assert!(
                got.body == body(expected.number, expected.size),
                "another than {expected:?}"
            );
        }
    }

    fn settle(&mut self, place: usize, multiple: bool, settled: Settled) {
        let Some(delivery_tag) = self.model.held_at(place) else {
            return;
        };
        match settled {
            Settled::Ack => self.channel.send(basic::Ack {
                delivery_tag,
                multiple,
            }),
            Settled::Drop | Settled::Requeue => self.channel.send(basic::Nack {
                delivery_tag,
                multiple,
                requeue: matches!(settled, Settled::Requeue),
            }),
        }
        self.model
            .settle(delivery_tag, multiple, matches!(settled, Settled::Requeue));
        // What this channel asks next may be answered by a queue that has not heard of it, but for a round over all queues.
        for (queue, name) in QUEUES.into_iter().enumerate() {
            if self.model.exists(queue) {
                let there: DeclareOk<'_> = self.channel.call(methods::passive(name));
                assert_eq!(there.message_count as usize, self.model.ready(queue));
            }
        }
    }

    /// Everything is there, and nothing else.
    fn finish(mut self) {
        for (queue, name) in QUEUES.into_iter().enumerate() {
            assert_eq!(super::exists(&self.publisher, name), self.model.exists(queue));
            if self.model.exists(queue) {
                self.get(queue, usize::MAX, false);
                assert_eq!(self.model.ready(queue), 0);
            }
        }
    }
}

/// A broker that stops in order when it is dropped.
enum Running {
    Here(Broker),
    /// One whose memory is its own, so that it can be told to have little.
    Apart(BrokerProcess),
}

impl Running {
    fn start(data: &Path, tight: bool) -> Running {
        if !tight {
            return Running::Here(Broker::on(data));
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
        command.args(["--memory-limit", "96MiB"]);
        // What is freed is given back at once: else the alarm goes on for some time after much was read.
        command.env("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0");
        Running::Apart(BrokerProcess::start_by(command, data))
    }

    fn connect(&self) -> Connection {
        match self {
            Running::Here(broker) => broker.connect(),
            Running::Apart(broker) => broker.connect(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Running::Apart(broker) = self {
            broker.signal("TERM");
            broker.ended(2 * PATIENCE);
        }
    }
}

fn body(number: usize, size: usize) -> Vec<u8> {
    let mut body = (number as u64).to_le_bytes().to_vec();
    body.resize(8 + size, number as u8);
    body
}
