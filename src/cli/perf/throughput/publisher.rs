//! A connection that publishes.

use std::time::{Duration, Instant};

use leveret_protocol::Method;
use leveret_protocol::method::basic::{self, Ack, Nack};
use leveret_protocol::method::{channel, confirm};

use super::args::Load;
use super::meter::Meter;
use super::pace::Pace;
use super::run::Run;
use super::stamp::{MOST_PUBLISHERS, Origin};
use super::template::{Content, Template};
use super::window::Window;
use crate::cli::perf::client::frame::Arrived;
use crate::cli::perf::client::link::TICK;
use crate::cli::perf::client::{ANSWER_TIMEOUT, CHANNEL, Client, check};
use crate::cli::perf::clock;
use crate::cli::perf::failure::Failure;

/// Unconfirmed messages while filling a queue.
const FILL_WINDOW: usize = 4096;

/// How long a stopping publisher goes on offering the rest of a batch.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// Sends one template's messages over and over.
#[derive(Debug)]
pub(crate) struct Publisher<'r> {
    run: &'r Run,
    meter: &'r Meter,
    client: Client,
    template: Template,
    first: Origin,
    sent: u64,
    limit: u64,
    pace: Option<Pace>,
    window: Option<Window>,
    /// Whether the broker has asked to hold back.
    held: bool,
    /// Whether messages carry the time they are sent at.
    timed: bool,
}

impl<'r> Publisher<'r> {
    /// Connects and gets ready to publish what `load` says of the publisher `index`.
    pub(crate) fn open(load: &Load, run: &'r Run, meter: &'r Meter, index: usize) -> Result<Self, Failure> {
        let mut client = Client::open_with_channels(load.uri(), load.channels)?;
        if load.confirm.is_some() {
            client.ask(
                CHANNEL,
                &confirm::Select { nowait: false },
                confirm::SelectOk::IDS,
                "asking for confirms",
            )?;
        }
        let content = Content {
            exchange: &load.exchange,
            persistent: load.persistent,
            expiration: load.expiration,
            headers: &load.headers,
            size: load.size,
            frame_max: client.frame_max,
        };
        let template = Template::new(content, &load.routes(index));
        Ok(Self {
            run,
            meter,
            client,
            template,
            first: Origin::first(run.id, index),
            sent: 0,
            limit: load.count.unwrap_or(u64::MAX),
            pace: None,
            window: load.confirm.map(Window::new),
            held: false,
            timed: true,
        })
    }

    /// Like [`open`](Self::open), for messages that wait in a queue before the measurement begins.
    pub(crate) fn open_to_fill(
        load: &Load,
        run: &'r Run,
        meter: &'r Meter,
        queue: usize,
    ) -> Result<Self, Failure> {
        let load = Load {
            exchange: String::new(),
            bindings: 0,
            channels: 1,
            confirm: Some(FILL_WINDOW),
            count: Some(load.pre_fill),
            ..load.clone()
        };
        let first = Origin::first(run.id, MOST_PUBLISHERS - 1 - queue);
        Ok(Self {
            first,
            timed: false,
            ..Self::open(&load, run, meter, queue)?
        })
    }

    /// Publishes until the limit is reached or the run stops, and sees everything confirmed.
    pub(crate) fn publish(mut self, rate: Option<f64>, begun: Instant) -> Result<(), Failure> {
        self.pace = rate.map(|rate| Pace::new(rate, begun));
        while self.run.is_publishing() && self.sent < self.limit {
            let count = self.due();
            if count == 0 {
                self.rest()?;
                self.absorb_arrived()?;
                continue;
            }
            let sent = self.send(count);
            // First: when sending failed, the broker may have said why.
            self.absorb_arrived()?;
            if !sent? {
                // The broker has stopped reading within a message: there is no way to part in order.
                return Ok(());
            }
        }
        self.await_confirms()?;
        self.client.close()?;
        self.meter.count(0, clock::now());
        Ok(())
    }

    /// How many messages to send now.
    fn due(&self) -> usize {
        if self.held {
            return 0;
        }
        let paced = self
            .pace
            .as_ref()
            .map_or(u64::MAX, |pace| pace.due(self.sent, Instant::now()));
        let most = paced
            .min(self.limit - self.sent)
            .min(self.template.capacity() as u64) as usize;
        self.window
            .as_ref()
            .map_or(most, |window| most.min(window.room()))
    }

    /// Sends messages; false when the run ended while the broker took no more.
    fn send(&mut self, count: usize) -> Result<bool, Failure> {
        let now = clock::now();
        let message_len = self.template.message_len();
        let time = if self.timed { now } else { 0 };
        let mut rest = self.template.stamped(count, time, self.first.after(self.sent));
        if let Some(window) = &mut self.window {
            window.sent(count, now);
        }
        let mut stopping_since = None;
        while !rest.is_empty() {
            let sent = self.client.link.send(rest)?;
            rest = rest.get(sent..).unwrap_or_default();
            if sent > 0 {
                continue;
            }
            self.client.link.wait(true, TICK)?;
            self.client.link.receive_arrived()?;
            let stopping = !self.run.is_publishing();
            if stopping && stopping_since.get_or_insert_with(Instant::now).elapsed() > STOP_GRACE {
                break;
            }
        }
        let complete = count - rest.len().div_ceil(message_len);
        self.sent += complete as u64;
        self.meter.count(complete as u64, now);
        Ok(rest.is_empty())
    }

    /// Waits for a confirm, for the next message to be due, or for the broker to let go.
    fn rest(&mut self) -> Result<(), Failure> {
        let full = self.window.as_ref().is_some_and(|window| window.room() == 0);
        match &self.pace {
            Some(pace) if !full && !self.held => self
                .client
                .link
                .wait(false, pace.pause(self.sent, Instant::now()).min(TICK)),
            _ => self.client.link.receive().map(drop),
        }
    }

    fn await_confirms(&mut self) -> Result<(), Failure> {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        while self.window.as_ref().is_some_and(|window| window.open() > 0) {
            if Instant::now() > deadline {
                return Err(Failure::Silent("confirming what was published"));
            }
            self.client.link.receive()?;
            self.absorb_arrived()?;
        }
        Ok(())
    }

    /// Sees to everything the broker has sent.
    fn absorb_arrived(&mut self) -> Result<(), Failure> {
        self.client.link.receive_arrived()?;
        let mut now = None;
        while let Some(frame) = self.client.link.next_frame()? {
            match frame.method_ids() {
                Some(Ack::IDS | Nack::IDS) => {
                    let now = *now.get_or_insert_with(clock::now);
                    if let Some(window) = &mut self.window {
                        settle(&frame, window, self.meter, now)?;
                    }
                }
                Some(channel::Flow::IDS) => {
                    self.held = !asks_for_more(&frame)?;
                    self.answer_flow()?;
                }
                _ => check(&frame)?,
            }
        }
        Ok(())
    }

    fn answer_flow(&mut self) -> Result<(), Failure> {
        let flow_ok = channel::FlowOk { active: !self.held };
        self.client.say(
            CHANNEL,
            &flow_ok,
            Instant::now() + ANSWER_TIMEOUT,
            "answering channel.flow",
        )
    }
}

fn settle(frame: &Arrived<'_>, window: &mut Window, meter: &Meter, now: u64) -> Result<(), Failure> {
    let mut latencies = meter.latencies();
    match Method::decode(frame.payload)? {
        Method::Basic(basic::Method::Ack(ack)) => {
            let each = |sent_at| latencies.record(now.saturating_sub(sent_at), 1);
            meter.count_confirmed(window.settle(ack.delivery_tag, ack.multiple, each) as u64);
        }
        Method::Basic(basic::Method::Nack(nack)) => {
            meter.count_refused(window.settle(nack.delivery_tag, nack.multiple, |_| ()) as u64);
        }
        _ => {}
    }
    Ok(())
}

fn asks_for_more(frame: &Arrived<'_>) -> Result<bool, Failure> {
    Ok(match Method::decode(frame.payload)? {
        Method::Channel(channel::Method::Flow(flow)) => flow.active,
        _ => true,
    })
}
