//! Where a publication goes: an immutable snapshot of an exchange's bindings.
//!
//! The exchange keeps one `Routes` up to date and lends clones of it. A clone counts a reference, and
//! a change copies only the path to what it changes: both cost the same for ten bindings and ten
//! thousand.

mod choice;
mod counted;
mod criteria;
mod direct;
mod fanout;
mod headers;
mod reverse_topic;
mod selected;
mod topic;
mod weighted;

use std::{fmt, sync::Arc};

use leveret_protocol::{Exception, FieldTable};

use self::{
    choice::Choice, direct::Direct, fanout::Fanout, headers::Headers, reverse_topic::ReverseTopic,
    selected::Selected, topic::Topic, weighted::Weighted,
};
use crate::exchange::{
    binding::{Binding, Destination},
    kind::ExchangeKind,
};
pub(super) use weighted::hash;

/// The routes of one exchange at one moment.
#[derive(Clone)]
pub struct Routes {
    kind: ExchangeKind,
    table: Table,
}

#[derive(Clone)]
enum Table {
    Direct(Arc<Direct>),
    Fanout(Arc<Fanout>),
    Topic(Arc<Topic>),
    ReverseTopic(Arc<ReverseTopic>),
    Headers(Arc<Headers>),
    Selected(Arc<Selected>),
    Weighted(Arc<Weighted>),
    Choice(Arc<Choice>),
}

impl Routes {
    /// Routes that lead nowhere.
    #[must_use]
    pub fn new(kind: ExchangeKind) -> Self {
        let table = match kind {
            ExchangeKind::Direct => Table::Direct(Arc::default()),
            ExchangeKind::Fanout | ExchangeKind::RecentHistory | ExchangeKind::Deduplication => {
                Table::Fanout(Arc::default())
            }
            ExchangeKind::Topic => Table::Topic(Arc::default()),
            ExchangeKind::ReverseTopic => Table::ReverseTopic(Arc::default()),
            ExchangeKind::Headers => Table::Headers(Arc::default()),
            ExchangeKind::JmsTopic => Table::Selected(Arc::default()),
            ExchangeKind::ConsistentHash => Table::Weighted(Arc::default()),
            ExchangeKind::ModulusHash | ExchangeKind::Random | ExchangeKind::LocalRandom => {
                Table::Choice(Arc::default())
            }
        };
        Self { kind, table }
    }

    /// The type of the exchange.
    #[must_use]
    pub fn kind(&self) -> ExchangeKind {
        self.kind
    }

    /// The one destination for a message with this number, of exchanges that [choose](Self::chooses) one.
    #[must_use]
    pub fn pick(&self, number: u64) -> Option<&Destination> {
        match &self.table {
            Table::Weighted(routes) => routes.pick(number),
            Table::Choice(routes) => routes.pick(number),
            Table::Direct(_)
            | Table::Fanout(_)
            | Table::Topic(_)
            | Table::ReverseTopic(_)
            | Table::Headers(_)
            | Table::Selected(_) => None,
        }
    }

    /// Whether each message goes to one destination, chosen by a number.
    #[must_use]
    pub fn chooses(&self) -> bool {
        matches!(self.table, Table::Weighted(_) | Table::Choice(_))
    }

    /// Reports every destination that a message with this key and these headers goes to, in no
    /// particular order. Topic, reverse topic, headers and JMS topic exchanges may report one several times; those that [choose](Self::chooses) report
    /// none.
    pub fn route(&self, key: &str, headers: Option<&FieldTable>, sink: &mut dyn FnMut(&Destination)) {
        match &self.table {
            Table::Direct(routes) => routes.route(key, sink),
            Table::Fanout(routes) => routes.route(sink),
            Table::Topic(routes) => routes.route(key, sink),
            Table::ReverseTopic(routes) => routes.route(&[key], sink),
            Table::Headers(routes) => routes.route(headers, sink),
            Table::Selected(routes) => routes.route(headers, sink),
            Table::Weighted(_) | Table::Choice(_) => {}
        }
    }

    /// Like [`route`](Self::route) for a message with several keys. What many keys lead to is not reported for each.
    pub fn route_all(&self, keys: &[&str], headers: Option<&FieldTable>, sink: &mut dyn FnMut(&Destination)) {
        match (&self.table, keys) {
            (_, [key]) => self.route(key, headers, sink),
            (Table::Direct(routes), _) => keys.iter().for_each(|key| routes.route(key, sink)),
            (Table::Topic(routes), _) => routes.route_all(keys, sink),
            (Table::ReverseTopic(routes), _) => routes.route(keys, sink),
            (Table::Fanout(routes), _) => routes.route(sink),
            (Table::Headers(routes), _) => routes.route(headers, sink),
            (Table::Selected(routes), _) => routes.route(headers, sink),
            (Table::Weighted(_) | Table::Choice(_), _) => {}
        }
    }

    /// Whether the routing depends on the message's headers.
    #[must_use]
    pub fn needs_headers(&self) -> bool {
        matches!(self.table, Table::Headers(_) | Table::Selected(_))
    }

    /// Whether the routing depends on the routing key.
    #[must_use]
    pub fn needs_key(&self) -> bool {
        matches!(
            self.table,
            Table::Direct(_) | Table::Topic(_) | Table::ReverseTopic(_)
        )
    }

    /// Whether [`route`](Self::route) reports no destination twice.
    pub(super) fn reports_once(&self) -> bool {
        matches!(self.table, Table::Direct(_) | Table::Fanout(_))
    }

    /// # Errors
    ///
    /// 406 when a headers or a JMS topic binding has unfit arguments, or the key of a consistent-hash binding is no weight.
    pub(super) fn add(&mut self, binding: &Binding) -> Result<(), Exception> {
        let Binding {
            destination,
            routing_key,
            arguments,
        } = binding;
        match &mut self.table {
            Table::Direct(routes) => Arc::make_mut(routes).add(routing_key, destination),
            Table::Fanout(routes) => Arc::make_mut(routes).add(destination),
            Table::Topic(routes) => Arc::make_mut(routes).add(routing_key, destination),
            Table::ReverseTopic(routes) => Arc::make_mut(routes).add(routing_key, destination),
            Table::Headers(routes) => return Arc::make_mut(routes).add(arguments, destination),
            Table::Selected(routes) => return Arc::make_mut(routes).add(arguments, destination),
            Table::Weighted(routes) => return Arc::make_mut(routes).add(routing_key, destination),
            Table::Choice(routes) if self.kind.leads_to(destination) => {
                Arc::make_mut(routes).add(destination)
            }
            Table::Choice(_) => {}
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, binding: &Binding) {
        let Binding {
            destination,
            routing_key,
            arguments,
        } = binding;
        match &mut self.table {
            Table::Direct(routes) => Arc::make_mut(routes).remove(routing_key, destination),
            Table::Fanout(routes) => Arc::make_mut(routes).remove(destination),
            Table::Topic(routes) => Arc::make_mut(routes).remove(routing_key, destination),
            Table::ReverseTopic(routes) => Arc::make_mut(routes).remove(routing_key, destination),
            Table::Headers(routes) => Arc::make_mut(routes).remove(arguments, destination),
            Table::Selected(routes) => Arc::make_mut(routes).remove(arguments, destination),
            Table::Weighted(routes) => Arc::make_mut(routes).remove(routing_key, destination),
            Table::Choice(routes) => Arc::make_mut(routes).remove(destination),
        }
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Routes").field(&self.kind()).finish()
    }
}
