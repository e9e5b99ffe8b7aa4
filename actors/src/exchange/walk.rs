//! From an exchange to the queues a publication reaches, through other exchanges too.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use leveret_protocol::{Exception, FieldTable, FieldValue, ReplyCode};

use crate::{
    deduplication::Seen,
    exchange::{
        binding::Destination,
        delay::delay,
        hashing::HashBy,
        history::History,
        kind::ExchangeKind,
        routes::{Routes, hash},
    },
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
    /// What of a message a consistent-hash exchange chooses by.
    pub hash_by: HashBy,
    /// The messages it has seen, if it drops those that come twice. Nothing else on the way of a message is locked.
    pub seen: Option<Arc<Mutex<Seen>>>,
    /// Its last messages, if it keeps them.
    pub history: Option<Arc<History>>,
    /// The queue in which messages wait that are to be routed later.
    pub waiting_room: Option<Name>,
}

impl Routing {
    /// An exchange that remembers nothing and has no alternate.
    #[must_use]
    pub fn new(name: Name, routes: Routes) -> Self {
        Routing {
            is_default: name.is_empty(),
            name,
            routes,
            alternate: None,
            hash_by: HashBy::RoutingKey,
            seen: None,
            history: None,
            waiting_room: None,
        }
    }

    /// Whether messages with the same keys may go different ways.
    fn needs_content(&self) -> bool {
        self.routes.needs_headers() || self.waiting_room.is_some() || self.is_unsteady()
    }

    /// Whether messages with the same keys and headers may go different ways, or leave something behind.
    fn is_unsteady(&self) -> bool {
        self.routes.chooses() || self.seen.is_some() || self.history.is_some()
    }
}

/// What a walk knows of a message.
#[derive(Clone, Copy, Debug)]
pub struct Message<'m> {
    /// Its routing key and those of [`sender_selected`].
    pub keys: &'m [&'m str],
    /// What else it is; nothing while it is only asked where all with these keys go.
    pub content: Option<Content<'m>>,
}

/// What a message is besides its keys.
#[derive(Clone, Copy, Debug, Default)]
pub struct Content<'m> {
    /// Its headers.
    pub headers: Option<&'m FieldTable>,
    /// Its properties as they came: flags and values.
    pub properties: &'m [u8],
    /// The time, in milliseconds since the Unix epoch.
    pub now: u64,
    /// A number that nothing else has.
    pub random: u64,
}

/// What a walk has found besides the queues.
#[derive(Debug, Default)]
pub struct Walked {
    /// More than the keys had a say: the next message with these may go another way.
    pub by_content: bool,
    /// More than the keys and the headers had: it may go another way even if it is equal.
    pub unsteady: bool,
    /// An exchange dropped it because it was there before.
    pub duplicate: bool,
    /// The exchanges that keep it.
    pub histories: Vec<Arc<History>>,
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
/// `queues` should be empty: names in it are not appended again. No exchange is passed twice, so a walk ends whatever the
/// bindings; what leads to an exchange that does not exist is dropped.
///
/// Without its content, it is found out only whether that would have a say.
pub fn walk<G: Graph + ?Sized>(
    graph: &G,
    start: &Routing,
    message: Message<'_>,
    queues: &mut Vec<Name>,
) -> Walked {
    let mut walk = Walk {
        graph,
        message,
        start: &start.name,
        queues: Queues {
            found: queues,
            known: HashSet::new(),
        },
        passed: HashSet::new(),
        ahead: VecDeque::new(),
        walked: Walked::default(),
    };
    walk.pass(start);
    while let Some(exchange) = walk.ahead.pop_front() {
        walk.pass(&exchange);
    }
    walk.walked
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
    message: Message<'w>,
    start: &'w Name,
    queues: Queues<'w>,
    /// The exchanges met so far but the first.
    passed: HashSet<Name>,
    ahead: VecDeque<Arc<Routing>>,
    walked: Walked,
}

impl<G: Graph + ?Sized> Walk<'_, G> {
    fn pass(&mut self, exchange: &Routing) {
        if exchange.needs_content() {
            self.walked.by_content = true;
            self.walked.unsteady |= exchange.is_unsteady();
            let Some(content) = self.message.content else {
                return;
            };
            if let Some(room) = &exchange.waiting_room
                && content.headers.and_then(delay).is_some()
            {
                return self.queues.add(room);
            }
            if self.is_dropped(exchange, &content) {
                self.walked.duplicate = true;
                return;
            }
            let history = exchange.history.as_ref();
            let kept = history.filter(|_| History::wants(content.headers));
            self.walked.histories.extend(kept.cloned());
        }
        let matched = if exchange.is_default {
            self.by_queue_name()
        } else if exchange.routes.chooses() {
            self.by_number(exchange)
        } else {
            self.by_binding(&exchange.routes)
        };
        if !matched && let Some(alternate) = &exchange.alternate {
            self.head_for(alternate);
        }
    }

    fn is_dropped(&self, exchange: &Routing, content: &Content<'_>) -> bool {
        let (Some(seen), Some(headers)) = (&exchange.seen, content.headers) else {
            return false;
        };
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.again(headers, content.now)
    }

    /// Whether a destination was chosen.
    fn by_number(&mut self, exchange: &Routing) -> bool {
        let content = self.message.content.unwrap_or_default();
        let key = self.message.keys.first().copied().unwrap_or_default();
        let number = match exchange.routes.kind() {
            ExchangeKind::ConsistentHash => exchange.hash_by.hash(key, &content),
            ExchangeKind::ModulusHash => hash(key.as_bytes()),
            _ => content.random,
        };
        let Some(destination) = exchange.routes.pick(number) else {
            return false;
        };
        match destination {
            Destination::Queue(name) => self.queues.add(name),
            Destination::Exchange(name) => self.head_for(name),
        }
        true
    }

    /// Whether any key is the name of a queue.
    fn by_queue_name(&mut self) -> bool {
        let mut matched = false;
        for key in self.message.keys {
            if let Some(queue) = self.graph.queue(key) {
                self.queues.add(&queue);
                matched = true;
            }
        }
        matched
    }

    /// Whether any binding matches any key.
    fn by_binding(&mut self, routes: &Routes) -> bool {
        let (keys, headers) = (
            self.message.keys,
            self.message.content.and_then(|content| content.headers),
        );
        // The common case: nothing found so far can be found again.
        let one_key = keys.len() == 1 || !routes.needs_key();
        let fresh = self.queues.found.is_empty() && one_key && routes.reports_once();
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
