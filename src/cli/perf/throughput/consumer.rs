//! A connection that consumes.

use std::thread;
use std::time::Instant;

use leveret_protocol::Chunk;
use leveret_protocol::method::basic::{Ack, Consume, Nack, Qos, QosOk};

use super::args::Load;
use super::intake::Intake;
use super::meter::Meter;
use super::pace::Pace;
use super::run::Run;
use super::sequences::Findings;
use crate::cli::perf::client::link::TICK;
use crate::cli::perf::client::{ANSWER_TIMEOUT, Client, check};
use crate::cli::perf::clock;
use crate::cli::perf::failure::Failure;
use crate::cli::perf::latency::Latencies;

/// What a consumer does with what it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Acknowledge,
    /// Take from the queues that are published to, and reject all.
    Reject,
}

/// Takes what is delivered on its channels, and settles it.
#[derive(Debug)]
pub(crate) struct Consumer<'r> {
    run: &'r Run,
    meter: &'r Meter,
    client: Client,
    subscriptions: Subscriptions,
    verdict: Verdict,
    /// Messages taken so far.
    taken: u64,
    pace: Option<Pace>,
    /// Settlements, gathered for one write.
    out: Chunk,
}

/// One for each channel, from channel 1 on.
#[derive(Debug)]
struct Subscriptions(Vec<Subscription>);

/// What one channel receives.
#[derive(Debug)]
struct Subscription {
    intake: Intake,
    /// None when nothing is to be settled.
    acks: Option<Acks>,
}

impl<'r> Consumer<'r> {
    /// Connects, and sets the prefetch.
    pub(crate) fn open(
        load: &Load,
        run: &'r Run,
        meter: &'r Meter,
        verdict: Verdict,
    ) -> Result<Self, Failure> {
        let mut client = Client::open_with_channels(load.uri(), load.channels)?;
        let mut subscriptions = Vec::new();
        for channel in 1..=load.channels {
            let settles = verdict == Verdict::Reject || !load.auto_ack;
            if settles {
                let qos = Qos {
                    prefetch_count: load.prefetch,
                    ..Default::default()
                };
                client.ask(channel, &qos, QosOk::IDS, "setting the prefetch")?;
            }
            subscriptions.push(Subscription {
                intake: Intake::new(run.id),
                acks: settles.then(|| Acks::every(load.ack_every, channel, verdict)),
            });
        }
        Ok(Self {
            run,
            meter,
            client,
            subscriptions: Subscriptions(subscriptions),
            verdict,
            taken: 0,
            pace: None,
            out: Chunk::new(),
        })
    }

    /// Consumes as the consumer `index` until the run ends, and says what was found on each channel.
    pub(crate) fn consume(
        mut self,
        load: &Load,
        index: usize,
        begun: Instant,
    ) -> Result<Vec<Findings>, Failure> {
        self.pace = load.consume_rate.map(|rate| Pace::new(rate, begun));
        for (channel, queue) in (1..=load.channels).zip(index * usize::from(load.channels)..) {
            let consume = Consume {
                queue: &match self.verdict {
                    Verdict::Acknowledge => load.consumed_queue(queue),
                    Verdict::Reject => load.queue_name(queue),
                },
                consumer_tag: "perf",
                no_ack: load.auto_ack && self.verdict == Verdict::Acknowledge,
                ..Default::default()
            };
            // Deliveries may come before the answer of a later channel, so nobody waits for these.
            let deadline = Instant::now() + ANSWER_TIMEOUT;
            self.client.say(channel, &consume, deadline, "subscribing")?;
        }
        while self.run.is_consuming() {
            self.absorb_arrived()?;
            self.hold_back();
            if !self.client.link.receive()? {
                self.catch_up()?;
            }
        }
        self.catch_up()?;
        self.client.close()?;
        let found = self.subscriptions.0.iter();
        Ok(found.map(|of| of.intake.sequences.findings()).collect())
    }

    /// Lets what arrives wait, when more was taken than there should be by now.
    fn hold_back(&self) {
        let Some(pace) = &self.pace else { return };
        while self.run.is_consuming() && pace.due(self.taken, Instant::now()) == 0 {
            thread::sleep(pace.pause(self.taken, Instant::now()).min(TICK));
        }
    }

    fn absorb_arrived(&mut self) -> Result<(), Failure> {
        let now = clock::now();
        let mut latencies = self.meter.latencies();
        let before = self.taken;
        let mut current = 0;
        while let Some(frame) = self.client.link.next_frame()? {
            if frame.channel != current {
                self.subscriptions.record_latencies(current, now, &mut latencies);
                current = frame.channel;
            }
            let Some(of) = self.subscriptions.of(current) else {
                check(&frame)?;
                continue;
            };
            if let Some(tag) = of.intake.take(&frame, now, &mut latencies)? {
                self.taken += 1;
                if let Some(acks) = &mut of.acks {
                    acks.delivered(tag, &mut self.out);
                }
            }
        }
        self.subscriptions.record_latencies(current, now, &mut latencies);
        drop(latencies);
        if self.taken > before {
            self.meter.count(self.taken - before, now);
        }
        self.send_acks()
    }

    /// Acknowledges what is left, now that nothing else arrives.
    fn catch_up(&mut self) -> Result<(), Failure> {
        for acks in self.subscriptions.0.iter_mut().filter_map(|of| of.acks.as_mut()) {
            acks.settle(&mut self.out);
        }
        self.send_acks()
    }

    fn send_acks(&mut self) -> Result<(), Failure> {
        if self.out.is_empty() {
            return Ok(());
        }
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let out = std::mem::take(&mut self.out).into_bytes();
        self.client.link.send_all(&out, deadline, "acknowledging")
    }
}

impl Subscriptions {
    #[inline]
    fn of(&mut self, channel: u16) -> Option<&mut Subscription> {
        self.0.get_mut(usize::from(channel).wrapping_sub(1))
    }

    fn record_latencies(&mut self, channel: u16, now: u64, latencies: &mut Latencies) {
        if let Some(of) = self.of(channel) {
            of.intake.record_latencies(now, latencies);
        }
    }
}

/// What one channel has not settled yet.
#[derive(Debug)]
struct Acks {
    channel: u16,
    verdict: Verdict,
    every: u64,
    pending: u64,
    last_tag: u64,
}

impl Acks {
    fn every(every: u64, channel: u16, verdict: Verdict) -> Self {
        Self {
            channel,
            verdict,
            every,
            pending: 0,
            last_tag: 0,
        }
    }

    #[inline]
    fn delivered(&mut self, tag: u64, out: &mut Chunk) {
        self.last_tag = tag;
        self.pending += 1;
        if self.pending >= self.every {
            self.settle(out);
        }
    }

    fn settle(&mut self, out: &mut Chunk) {
        if self.pending == 0 {
            return;
        }
        let (delivery_tag, multiple) = (self.last_tag, self.pending > 1);
        match self.verdict {
            Verdict::Acknowledge => out.method(
                self.channel,
                &Ack {
                    delivery_tag,
                    multiple,
                },
            ),
            Verdict::Reject => out.method(
                self.channel,
                &Nack {
                    delivery_tag,
                    multiple,
                    requeue: false,
                },
            ),
        }
        self.pending = 0;
    }
}
