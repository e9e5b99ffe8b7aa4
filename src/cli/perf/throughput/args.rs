//! The command line of `leveret perf throughput`.

use clap::{Args, ValueEnum};
use leveret_protocol::{FieldTable, FieldValue};

use super::stamp::MOST_PUBLISHERS;
use crate::cli::perf::uri::Uri;

/// The most bindings: their numbers are told in six digits, so that all messages are of one length.
const MOST_BINDINGS: usize = 1_000_000;

/// The load to make.
#[derive(Debug, Clone, Args)]
pub(crate) struct Load {
    #[command(flatten)]
    pub(crate) broker: crate::cli::perf::BrokerArgs,
    /// Connections that publish
    #[arg(long, short = 'x', value_name = "N", default_value_t = 1)]
    pub(crate) publishers: usize,
    /// Connections that consume
    #[arg(long, short = 'y', value_name = "N", default_value_t = 1)]
    pub(crate) consumers: usize,
    /// Channels of each of these connections: publishers take turns over theirs, consumers subscribe on each
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) channels: u16,
    /// Queues; publishers and consumers, or the channels they have, take turns over them
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) queues: usize,
    /// Bytes in the body of a message; from 8 on latency is measured, from 16 on losses are seen
    #[arg(long, short, value_name = "BYTES", default_value_t = 16)]
    pub(crate) size: usize,
    /// Messages a second of each publisher [default: as many as possible]
    #[arg(long, short, value_name = "N")]
    pub(crate) rate: Option<f64>,
    /// Publish with confirms, at most so many unconfirmed messages a publisher
    #[arg(long, short = 'c', value_name = "WINDOW")]
    pub(crate) confirm: Option<usize>,
    /// Publish persistent messages
    #[arg(long, short)]
    pub(crate) persistent: bool,
    /// Unacknowledged messages a consumer may hold; 0 for no limit
    #[arg(long, short = 'q', value_name = "N", default_value_t = 1000)]
    pub(crate) prefetch: u16,
    /// Acknowledge every so many messages, with one ack for all of them
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) ack_every: u64,
    /// Messages a second that each consumer takes at most [default: as many as possible]
    #[arg(long, value_name = "N")]
    pub(crate) consume_rate: Option<f64>,
    /// Consume without acknowledgements
    #[arg(long, conflicts_with = "ack_every")]
    pub(crate) auto_ack: bool,
    /// Publish to this exchange, which is declared and bound to every queue
    #[arg(long, value_name = "NAME", default_value = "")]
    pub(crate) exchange: String,
    /// The type of the exchange
    #[arg(long, value_name = "TYPE", default_value = "direct")]
    pub(crate) exchange_type: ExchangeType,
    /// The key to publish and bind with [default: the name of the publisher's queue]
    #[arg(long, value_name = "KEY")]
    pub(crate) routing_key: Option<String>,
    /// Bind so many keys, or headers, of the exchange to the queues in turn; publishers take turns over them
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        requires = "exchange",
        conflicts_with = "routing_key"
    )]
    pub(crate) bindings: usize,
    /// What the names of the queues begin with
    #[arg(long, value_name = "NAME", default_value = "leveret-perf-")]
    pub(crate) queue_prefix: String,
    /// Declare durable queues and exchanges
    #[arg(long, short)]
    pub(crate) durable: bool,
    /// Arguments of the queues, such as x-queue-type=quorum,x-max-length=1000
    #[arg(long, value_name = "KEY=VALUE,...", value_parser = arguments, default_value = "")]
    pub(crate) queue_args: FieldTable,
    /// Arguments of the exchange, such as x-delayed-type=direct
    #[arg(long, value_name = "KEY=VALUE,...", value_parser = arguments, default_value = "", requires = "exchange")]
    pub(crate) exchange_args: FieldTable,
    /// Headers of all messages, such as x-delay=1000
    #[arg(long, value_name = "KEY=VALUE,...", value_parser = arguments, default_value = "")]
    pub(crate) headers: FieldTable,
    /// Let each message expire after so many milliseconds of its own
    #[arg(long, value_name = "MILLISECONDS")]
    pub(crate) expiration: Option<u32>,
    /// Give messages so many priorities in turn, from 0 on
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) priorities: u8,
    /// Consume what dies in the queues: each gets a second queue for its dead letters, from which consumers take
    #[arg(long)]
    pub(crate) dead_letters: bool,
    /// Connections that reject all messages of the queues, which makes dead letters of them
    #[arg(long, value_name = "N", default_value_t = 0, requires = "dead_letters")]
    pub(crate) rejecters: usize,
    /// Stop publishing after so many seconds
    #[arg(long, short = 'z', value_name = "SECONDS", default_value_t = 10.0)]
    pub(crate) duration: f64,
    /// Publish so many messages from each publisher, however long it takes; without publishers, receive so many
    #[arg(long, short = 'C', value_name = "N", conflicts_with = "duration")]
    pub(crate) count: Option<u64>,
    /// Messages to put into each queue before the measurement begins
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) pre_fill: u64,
    /// Give consumers up to so many seconds to receive what was published
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    pub(crate) drain: f64,
    /// Hold so many more connections open that do nothing
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) idle: usize,
    /// Leave the queues and what they hold as they are found, and behind
    #[arg(long)]
    pub(crate) keep: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print nothing but the result
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// The exchange types every broker has, and the one that delays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExchangeType {
    Direct,
    Fanout,
    Topic,
    Headers,
    /// Routes as --exchange-args x-delayed-type=TYPE says, which must be direct
    #[value(name = "x-delayed-message")]
    Delayed,
}

impl ExchangeType {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Fanout => "fanout",
            Self::Topic => "topic",
            Self::Headers => "headers",
            Self::Delayed => "x-delayed-message",
        }
    }
}

impl Load {
    pub(crate) fn uri(&self) -> &Uri {
        &self.broker.uri
    }

    /// How many subscriptions consumers have together.
    pub(crate) fn subscriptions(&self) -> usize {
        self.consumers * usize::from(self.channels)
    }

    /// Says what cannot work.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.queues == 0 {
            return Err("--queues is 0: publishers and consumers need at least one".to_owned());
        }
        if self.publishers > MOST_PUBLISHERS {
            return Err(format!(
                "--publishers is {}: at most {MOST_PUBLISHERS}",
                self.publishers
            ));
        }
        if self.dead_letters && self.channels > 1 {
            return Err("--channels does not go with --dead-letters".to_owned());
        }
        if (1..self.queues).contains(&self.rejecters) {
            return Err("--rejecters are fewer than --queues: let each queue have one, or none".to_owned());
        }
        if self.bindings > 0 {
            self.check_bindings()?;
        }
        if self.channels > 1 {
            self.check_channels()?;
        }
        for (flag, rate) in [("--rate", self.rate), ("--consume-rate", self.consume_rate)] {
            if rate.is_some_and(|rate| !rate.is_finite() || rate <= 0.0) {
                return Err(format!("{flag} must be above 0"));
            }
        }
        if self.confirm == Some(0) {
            return Err("--confirm is 0: at least one message must be under way".to_owned());
        }
        if self.ack_every == 0 {
            return Err("--ack-every is 0: use --auto-ack to consume without acknowledgements".to_owned());
        }
        if !self.auto_ack && self.prefetch != 0 && self.ack_every > u64::from(self.prefetch) {
            return Err(format!(
                "--ack-every {} is above --prefetch {}: the consumer would wait for ever",
                self.ack_every, self.prefetch
            ));
        }
        for (flag, seconds) in [("--duration", self.duration), ("--drain", self.drain)] {
            if !(0.0..=1e7).contains(&seconds) {
                return Err(format!("{flag} {seconds} is not a number of seconds"));
            }
        }
        Ok(())
    }

    fn check_bindings(&self) -> Result<(), String> {
        if self.bindings > MOST_BINDINGS {
            return Err(format!(
                "--bindings is {}: at most {MOST_BINDINGS}",
                self.bindings
            ));
        }
        if self.exchange_type == ExchangeType::Fanout {
            return Err("--bindings has no meaning for a fanout exchange: it ignores keys".to_owned());
        }
        if (1..self.queues).contains(&self.consumers) {
            return Err("--bindings reach every queue: let each have a consumer, or none".to_owned());
        }
        Ok(())
    }

    fn check_channels(&self) -> Result<(), String> {
        if self.confirm.is_some() || self.bindings > 0 {
            return Err("--channels goes with neither --confirm nor --bindings".to_owned());
        }
        if (1..self.queues).contains(&self.subscriptions()) {
            return Err("--channels reach every queue: let each have a consumer, or none".to_owned());
        }
        Ok(())
    }
}

/// Reads `key=value,...`: whole numbers and booleans as such, all else as text.
fn arguments(text: &str) -> Result<FieldTable, String> {
    let mut table = FieldTable::new();
    for field in text.split(',').filter(|field| !field.is_empty()) {
        let (key, value) = field
            .split_once('=')
            .ok_or_else(|| format!("'{field}' is not KEY=VALUE"))?;
        let value = match (value.parse::<i64>(), value.parse::<bool>()) {
            (Ok(number), _) => FieldValue::I64(number),
            (_, Ok(truth)) => FieldValue::Bool(truth),
            _ => FieldValue::from(value),
        };
        table.insert(key, value);
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_have_the_types_they_look_like() {
        let table = arguments("x-max-length=5,x-single-active-consumer=true,x-queue-type=quorum").unwrap();
        assert_eq!(table.get("x-max-length"), Some(&FieldValue::I64(5)));
        assert_eq!(
            table.get("x-single-active-consumer"),
            Some(&FieldValue::Bool(true))
        );
        assert_eq!(
            table.get("x-queue-type").and_then(FieldValue::as_str),
            Some("quorum")
        );
        assert!(arguments("").unwrap().is_empty());
        assert!(arguments("x-max-length").unwrap_err().contains("'x-max-length'"));
    }
}
