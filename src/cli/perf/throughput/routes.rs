//! Many bindings of one exchange, each met by one of the routes publishers take in turn.

use std::time::Instant;

use leveret_protocol::method::queue::{Bind, BindOk};
use leveret_protocol::{FieldTable, FieldValue};

use super::args::{ExchangeType, Load};
use super::template::Route;
use crate::cli::perf::client::{ANSWER_TIMEOUT, CHANNEL, Client};
use crate::cli::perf::failure::Failure;

impl Load {
    /// The routes a publisher takes in turn.
    pub(super) fn routes(&self, publisher: usize) -> Vec<Route> {
        let routes = self.unprioritised_routes(publisher);
        if self.priorities == 0 {
            return routes;
        }
        let of_priority = |priority| {
            routes.iter().map(move |route| Route {
                priority: Some(priority),
                ..route.clone()
            })
        };
        (0..self.priorities).flat_map(of_priority).collect()
    }

    fn unprioritised_routes(&self, publisher: usize) -> Vec<Route> {
        if self.bindings == 0 {
            let own = (1..=self.channels).zip(publisher * usize::from(self.channels)..);
            return own
                .map(|(channel, queue)| Route {
                    channel,
                    key: self.key(queue),
                    headers: FieldTable::new(),
                    priority: None,
                })
                .collect();
        }
        (0..self.bindings).map(|number| self.route(number)).collect()
    }

    /// Makes the bindings, over the queues in turn.
    pub(super) fn bind_all(&self, client: &mut Client) -> Result<(), Failure> {
        for number in 0..self.bindings {
            let (key, arguments) = self.binding(number);
            let last = number + 1 == self.bindings;
            let bind = Bind {
                queue: &self.queue_name(number),
                exchange: &self.exchange,
                routing_key: &key,
                nowait: !last,
                arguments,
            };
            if last {
                return client.ask(CHANNEL, &bind, BindOk::IDS, "binding queues");
            }
            client.say(CHANNEL, &bind, Instant::now() + ANSWER_TIMEOUT, "binding queues")?;
        }
        Ok(())
    }

    /// What a message of this number carries: its digits always are as many.
    fn route(&self, number: usize) -> Route {
        let (key, headers) = match self.exchange_type {
            ExchangeType::Topic => (format!("perf.{number:06}.made"), FieldTable::new()),
            ExchangeType::Headers => (String::new(), headers(number)),
            ExchangeType::Direct | ExchangeType::Fanout | ExchangeType::Delayed => {
                (format!("perf.{number:06}"), FieldTable::new())
            }
        };
        Route {
            channel: CHANNEL,
            key,
            headers,
            priority: None,
        }
    }

    /// The key and arguments of the one binding that messages of this number match.
    fn binding(&self, number: usize) -> (String, FieldTable) {
        let mut arguments = FieldTable::new();
        let key = match self.exchange_type {
            // As people mix them: in full, with a word open, with the rest open.
            ExchangeType::Topic => match number % 3 {
                0 => format!("perf.{number:06}.made"),
                1 => format!("*.{number:06}.made"),
                _ => format!("perf.{number:06}.#"),
            },
            ExchangeType::Headers => {
                arguments = headers(number);
                arguments.insert("x-match", FieldValue::from("all"));
                String::new()
            }
            ExchangeType::Direct | ExchangeType::Fanout | ExchangeType::Delayed => self.route(number).key,
        };
        (key, arguments)
    }
}

fn headers(number: usize) -> FieldTable {
    FieldTable::from_iter([
        ("kind", FieldValue::from("made")),
        ("number", FieldValue::I64(number as i64)),
    ])
}
