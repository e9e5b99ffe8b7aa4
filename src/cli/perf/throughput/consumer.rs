//! A connection that consumes.

use std::time::Instant;

use leveret_protocol::Chunk;
use leveret_protocol::method::basic::{Ack, Consume, ConsumeOk, Qos, QosOk};

use super::args::Load;
use super::intake::Intake;
use super::meter::Meter;
use super::run::Run;
use super::sequences::Findings;
use crate::cli::perf::client::{ANSWER_TIMEOUT, CHANNEL, Client};
use crate::cli::perf::clock;
use crate::cli::perf::failure::Failure;

/// Takes what one subscription delivers, and acknowledges it.
#[derive(Debug)]
pub(crate) struct Consumer<'r> {
    run: &'r Run,
    meter: &'r Meter,
    client: Client,
    intake: Intake,
    /// None when the subscription needs no acknowledgements.
    acks: Option<Acks>,
}

impl<'r> Consumer<'r> {
    /// Connects, and sets the prefetch.
    pub(crate) fn open(load: &Load, run: &'r Run, meter: &'r Meter) -> Result<Self, Failure> {
        let mut client = Client::open_with_channel(load.uri())?;
        if !load.auto_ack {
            let qos = Qos {
                prefetch_count: load.prefetch,
                ..Default::default()
            };
            client.ask(CHANNEL, &qos, QosOk::IDS, "setting the prefetch")?;
        }
        let acks = (!load.auto_ack).then(|| Acks::every(load.ack_every));
        Ok(Self {
            run,
            meter,
            client,
            intake: Intake::new(run.id),
            acks,
        })
    }

    /// Consumes from `queue` until the run ends, and says what was found.
    pub(crate) fn consume(mut self, queue: &str) -> Result<Findings, Failure> {
        let no_ack = self.acks.is_none();
        let consume = Consume {
            queue,
            consumer_tag: "perf",
            no_ack,
            ..Default::default()
        };
        self.client
            .ask(CHANNEL, &consume, ConsumeOk::IDS, "subscribing")?;
        while self.run.is_consuming() {
            self.absorb_arrived()?;
            if !self.client.link.receive()? {
                self.catch_up()?;
            }
        }
        self.catch_up()?;
        self.client.close()?;
        Ok(self.intake.sequences.findings())
    }

    fn absorb_arrived(&mut self) -> Result<(), Failure> {
        let now = clock::now();
        let mut latencies = self.meter.latencies();
        let before = self.intake.messages;
        while let Some(frame) = self.client.link.next_frame()? {
            let delivered = self.intake.take(&frame, now, &mut latencies)?;
            if let (Some(tag), Some(acks)) = (delivered, &mut self.acks) {
                acks.delivered(tag);
            }
        }
        self.intake.record_latencies(now, &mut latencies);
        drop(latencies);
        let messages = self.intake.messages - before;
        if messages > 0 {
            self.meter.count(messages, now);
        }
        self.send_acks()
    }

    /// Acknowledges what is left, now that nothing else arrives.
    fn catch_up(&mut self) -> Result<(), Failure> {
        if let Some(acks) = &mut self.acks {
            acks.acknowledge();
        }
        self.send_acks()
    }

    fn send_acks(&mut self) -> Result<(), Failure> {
        let Some(acks) = self.acks.as_mut().filter(|acks| !acks.out.is_empty()) else {
            return Ok(());
        };
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let out = std::mem::take(&mut acks.out).into_bytes();
        self.client.link.send_all(&out, deadline, "acknowledging")
    }
}

/// The acknowledgements of one channel, gathered for one write.
#[derive(Debug)]
struct Acks {
    every: u64,
    pending: u64,
    last_tag: u64,
    out: Chunk,
}

impl Acks {
    fn every(every: u64) -> Self {
        Self {
            every,
            pending: 0,
            last_tag: 0,
            out: Chunk::new(),
        }
    }

    #[inline]
    fn delivered(&mut self, tag: u64) {
        self.last_tag = tag;
        self.pending += 1;
        if self.pending >= self.every {
            self.acknowledge();
        }
    }

    fn acknowledge(&mut self) {
        if self.pending > 0 {
            let ack = Ack {
                delivery_tag: self.last_tag,
                multiple: self.pending > 1,
            };
            self.out.method(CHANNEL, &ack);
            self.pending = 0;
        }
    }
}
