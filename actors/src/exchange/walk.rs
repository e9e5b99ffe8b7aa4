//! From an exchange to the queues a publication reaches, through other exchanges too.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use leveret_protocol::{Exception, FieldTable, FieldValue, ReplyCode};

use crate::{
    exchange::{binding::Destination, routes::Routes},
    name::Name,
};

/// What a walk needs to know of one exchange.
#[derive(Clone, Debug)]
pub struct Routing {
    /// Its name.
    pub name: Name,
    /// Where its bindings lead.
    pub routes: Routes,
    /// The exchange that takes what no binding of this one matches.
    pub alternate: Option<Name>,
    /// Whether this is the default exchange, which leads each key to the queue of that name.
    pub is_default: bool,
}

/// The exchanges and queues of one virtual host, at one moment.
pub trait Graph {
    /// The exchange of this name.
    fn exchange(&self, name: &str) -> Option<Arc<Routing>>;

    /// The name of the queue called so, if there is one.
    fn queue(&self, name: &str) -> Option<Name>;
}

/// Appends the queues that a message published to `start` goes to, each once.
///
/// `keys` are the routing key and those of [`sender_selected`]. `queues` should be empty: names in it are
/// not appended again. No exchange is passed twice, so a walk ends whatever the bindings; what
/// leads to an exchange that does not exist is dropped.
///
/// Returns whether the headers had a say: if not, every message with these keys goes the same way.
pub fn walk<G: Graph + ?Sized>(
    graph: &G,
    start: &Routing,
    keys: &[&str],
    headers: Option<&FieldTable>,
    queues: &mut Vec<Name>,
) -> bool {
    let mut walk = Walk {
        graph,
        keys,
        headers,
        start: &start.name,
        queues: Queues {
            found: queues,
            known: HashSet::new(),
        },
        passed: HashSet::new(),
        ahead: VecDeque::new(),
        by_headers: false,
    };
    walk.pass(start);
    while let Some(exchange) = walk.ahead.pop_front() {
        walk.pass(&exchange);
    }
    walk.by_headers
}

/// The further routing keys a sender put into the headers `CC` and `BCC`.
///
/// # Errors
///
/// 406 when one of them is not an array of long strings.
pub fn sender_selected(headers: &FieldTable) -> Result<Vec<&str>, Exception> {
    let mut keys = Vec::new();
    for name in ["CC", "BCC"] {
        let Some(value) = headers.get(name) else { continue };
        let FieldValue::Array(values) = value else {
            return Err(unacceptable(name, value));
        };
        for value in values {
            let FieldValue::LongString(_) = value else {
                return Err(unacceptable(name, value));
            };
            // No binding has a key that is not UTF-8.
            keys.extend(value.as_str());
        }
    }
    Ok(keys)
}

fn unacceptable(header: &str, value: &FieldValue) -> Exception {
    Exception::new(
        ReplyCode::PreconditionFailed,
        format!(
            "invalid message: {{unacceptable_type_in_header,\"{header}\",{}}}",
            value.type_name()
        ),
    )
}

struct Walk<'w, G: ?Sized> {
    graph: &'w G,
    keys: &'w [&'w str],
    headers: Option<&'w FieldTable>,
    start: &'w Name,
    queues: Queues<'w>,
    /// The exchanges met so far but the first.
    passed: HashSet<Name>,
    ahead: VecDeque<Arc<Routing>>,
    by_headers: bool,
}

impl<G: Graph + ?Sized> Walk<'_, G> {
    fn pass(&mut self, exchange: &Routing) {
        let matched = if exchange.is_default {
            self.by_queue_name()
        } else {
            self.by_binding(&exchange.routes)
        };
        if !matched && let Some(alternate) = &exchange.alternate {
            self.head_for(alternate);
        }
    }

    /// Whether any key is the name of a queue.
    fn by_queue_name(&mut self) -> bool {
        let mut matched = false;
        for key in self.keys {
            if let Some(queue) = self.graph.queue(key) {
                self.queues.add(&queue);
                matched = true;
            }
        }
        matched
    }

    /// Whether any binding matches any key.
    fn by_binding(&mut self, routes: &Routes) -> bool {
        self.by_headers |= routes.needs_headers();
        // The common case: nothing found so far can be found again.
        let one_key = self.keys.len() == 1 || !routes.needs_key();
        let fresh = self.queues.found.is_empty() && one_key && routes.reports_once();
        let (keys, headers) = (self.keys, self.headers);
        let mut matched = false;
        routes.route_all(keys, headers, &mut |destination| {
            matched = true;
            match destination {
                Destination::Queue(name) if fresh => self.queues.found.push(name.clone()),
                Destination::Queue(name) => self.queues.add(name),
                Destination::Exchange(name) => self.head_for(name),
            }
        });
        matched
    }

    fn head_for(&mut self, name: &Name) {
        if name != self.start
            && self.passed.insert(name.clone())
            && let Some(exchange) = self.graph.exchange(name)
        {
            self.ahead.push_back(exchange);
        }
    }
}

/// The queues found, without repetition.
struct Queues<'q> {
    found: &'q mut Vec<Name>,
    /// The first of `found`; kept up to date only while there are many.
    known: HashSet<Name>,
}

impl Queues<'_> {
    /// Up to here a look at each is quicker than hashing.
    const FEW: usize = 16;

    fn add(&mut self, name: &Name) {
        let new = if self.found.len() <= Self::FEW {
            !self.found.contains(name)
        } else {
            let unknown = self.found.get(self.known.len()..).unwrap_or_default();
            self.known.extend(unknown.iter().cloned());
            self.known.insert(name.clone())
        };
        if new {
            self.found.push(name.clone());
        }
    }
}
