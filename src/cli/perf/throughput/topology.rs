//! The queues and the exchange of a run, and where messages go through them.

use leveret_protocol::method::{exchange, queue};
use leveret_protocol::{FieldTable, FieldValue};

use super::args::{ExchangeType, Load};
use crate::cli::perf::client::{CHANNEL, Client};
use crate::cli::perf::failure::Failure;

impl Load {
    /// Names of one length, so that messages are of one length.
    pub(crate) fn queue_name(&self, index: usize) -> String {
        let digits = self.queues.saturating_sub(1).max(1).ilog10() as usize + 1;
        format!("{}{:0digits$}", self.queue_prefix, index % self.queues)
    }

    /// The queue a consumer takes from.
    pub(crate) fn consumed_queue(&self, index: usize) -> String {
        let name = self.queue_name(index);
        if self.dead_letters {
            dead_letter_queue(&name)
        } else {
            name
        }
    }

    /// The key a publisher, or the queue of the same number, uses.
    pub(crate) fn key(&self, index: usize) -> String {
        match &self.routing_key {
            // The default exchange knows queues by their names only.
            Some(key) if !self.exchange.is_empty() => key.clone(),
            _ => self.queue_name(index),
        }
    }

    /// How many of the queues that have a consumer get each message of a publisher.
    pub(crate) fn consumed_copies(&self, publisher: usize) -> u64 {
        let consumed = self.subscriptions().min(self.queues);
        if self.reaches_every_queue() {
            return consumed as u64;
        }
        if self.bindings > 0 || self.channels > 1 {
            return (consumed > 0).into();
        }
        (publisher % self.queues < consumed).into()
    }

    pub(super) fn reaches_every_queue(&self) -> bool {
        if self.bindings > 0 {
            return false;
        }
        let all = matches!(self.exchange_type, ExchangeType::Fanout | ExchangeType::Headers);
        !self.exchange.is_empty() && (all || self.routing_key.is_some())
    }

    /// Declares the queues and, if there is one, the exchange.
    pub(crate) fn set_up(&self, client: &mut Client) -> Result<(), Failure> {
        if !self.exchange.is_empty() {
            let declare = exchange::Declare {
                exchange: &self.exchange,
                kind: self.exchange_type.name(),
                durable: self.durable,
                arguments: self.exchange_args.clone(),
                ..Default::default()
            };
            client.ask(
                CHANNEL,
                &declare,
                exchange::DeclareOk::IDS,
                "declaring the exchange",
            )?;
        }
        for index in 0..self.queues {
            self.set_up_queue(client, index)?;
        }
        self.bind_all(client)
    }

    fn set_up_queue(&self, client: &mut Client, index: usize) -> Result<(), Failure> {
        let name = self.queue_name(index);
        let mut arguments = self.queue_args.clone();
        if self.dead_letters {
            let dead = dead_letter_queue(&name);
            self.declare_empty(client, &dead, FieldTable::new())?;
            // Through the default exchange, which knows queues by their names.
            arguments.insert("x-dead-letter-exchange", FieldValue::from(""));
            arguments.insert("x-dead-letter-routing-key", FieldValue::from(dead.as_str()));
        }
        self.declare_empty(client, &name, arguments)?;
        if self.exchange.is_empty() || self.bindings > 0 {
            return Ok(());
        }
        let key = self.key(index);
        let bind = queue::Bind {
            queue: &name,
            exchange: &self.exchange,
            routing_key: &key,
            ..Default::default()
        };
        client.ask(CHANNEL, &bind, queue::BindOk::IDS, "binding a queue")
    }

    fn declare_empty(&self, client: &mut Client, name: &str, arguments: FieldTable) -> Result<(), Failure> {
        let declare = queue::Declare {
            queue: name,
            durable: self.durable,
            arguments,
            ..Default::default()
        };
        client.ask(CHANNEL, &declare, queue::DeclareOk::IDS, "declaring a queue")?;
        if self.keep {
            return Ok(());
        }
        let purge = queue::Purge {
            queue: name,
            ..Default::default()
        };
        client.ask(CHANNEL, &purge, queue::PurgeOk::IDS, "purging a queue")
    }

    /// Deletes what [`set_up`](Self::set_up) declared, unless it is to be kept.
    pub(crate) fn tear_down(&self, client: &mut Client) -> Result<(), Failure> {
        if self.keep {
            return Ok(());
        }
        for index in 0..self.queues {
            let name = self.queue_name(index);
            let dead = self.dead_letters.then(|| dead_letter_queue(&name));
            for queue in [Some(name), dead].iter().flatten() {
                let delete = queue::Delete {
                    queue,
                    ..Default::default()
                };
                client.ask(CHANNEL, &delete, queue::DeleteOk::IDS, "deleting a queue")?;
            }
        }
        if self.exchange.is_empty() {
            return Ok(());
        }
        let delete = exchange::Delete {
            exchange: &self.exchange,
            ..Default::default()
        };
        client.ask(CHANNEL, &delete, exchange::DeleteOk::IDS, "deleting the exchange")
    }
}

/// Where what dies in a queue goes.
fn dead_letter_queue(name: &str) -> String {
    format!("{name}-dead")
}
