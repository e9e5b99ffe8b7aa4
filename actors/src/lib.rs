//! The actors of the Leveret broker: every box of this drawing is a folder.
//!
//! ```text
//!  socket ─► Connection ─Commands─► Channel ───Enqueue───► Queue ──Supply──► Consumer
//!    ▲                                │ ▲  ◄──QueueNotice────┘ ▲                │  │
//!    └──── Writer ◄────Write──────────┘ └─────FromConsumer─────│────────────────┘  │
//!                  Channel ─reads─► Routes ◄─ Exchange         └──────Credit───────┘
//!                                  Queue ──Tray──► Writer, for many consumers at once
//!                                  Queue ──Forward──► Forwarder ──Enqueue──► other queues
//!    Broker ► VirtualHost ► Exchange, Queue          Reception ► Connection ► Channel ► Consumer
//! ```
//!
//! | actor | owns | lives on |
//! |---|---|---|
//! | [`broker`] | virtual hosts, listeners, alarms, the order in which things stop | main thread |
//! | [`vhost`] | the name tables; declares, deletes and supervises exchanges and queues | main thread |
//! | [`listener`] | a listening socket | a worker, by turn |
//! | [`reception`](listener) | the connections of a worker | that worker |
//! | [`connection`] | a socket: handshake, heartbeats, its channels | its listener's worker beside a few others, or one with fewer |
//! | [`writer`] | the writing half of that socket; what many consumers of it get at once | its connection's worker |
//! | [`channel`] | commands in order, delivery tags, confirms, transactions | its connection's worker |
//! | [`consumer`] | one subscription's credit; what needs no ack is written past its channel | its channel's worker |
//! | [`exchange`] | bindings, and the routing table it lends to channels | a worker, by name |
//! | `forwarder` | dead and delayed messages on their way to other queues | its queue's worker |
//! | [`queue`] | messages and their order | its declarer's worker, or one with fewer queues; exclusive: its owner's |
//!
//! [`node`] is what they all share: settings, threads and how actors live on them, alarms, who may do what.
//! Mail to an actor of the same thread is mostly no mail: it is told, and handles it at once, in the same order.
//! [`policy`] is what holds for queues and exchanges by their names.
//! [`definitions`] is no actor but a thread: the store of what is durable, for all virtual hosts.
//!
//! Each folder has the same shape: `mod` says what it is for, `messages` is its mailbox, `actor` is thin, and
//! nearly everything else is pure: no actor, no input or output, no clock.
//!
//! # Invariants
//!
//! 1. *One channel, one order.* Publications, settlements and questions of a channel reach a queue on one road.
//! 2. *Confirmed is stored.* A publisher is acked after every matched queue has taken the message, and after its return.
//! 3. *Credit is never exceeded.* What is granted, on its way and unsettled stays within the prefetch.
//! 4. *Nothing is unbounded.* Received bytes are covered by [`window`] permits, delivered ones by credit, answers by
//!    the [`writer`]'s backlog.
//! 5. *Requeue keeps place.* What returns to a queue takes its old position, marked as redelivered.
//! 6. *A crash is an event.* A [`lease`] tells the parent; what depends on the crashed actor is closed, nothing else.
//!    Mail that the crash takes along unread is answered by its [`return_address`].
//! 7. *Ask down, tell up.* An actor may wait for one below it, never above; the graph of waits has no cycle.
//! 8. *Stopping is an ordered list* with deadlines; see [`broker`].

pub mod broker;
pub mod chance;
pub mod channel;
pub mod clock;
pub mod connection;
pub mod consumer;
pub mod deduplication;
pub mod definitions;
pub mod exchange;
#[cfg(feature = "faults")]
pub mod fault;
mod forwarder;
pub mod id;
pub mod journal;
pub mod lease;
pub mod listener;
pub mod name;
pub mod node;
pub mod policy;
mod printable;
pub mod publication;
pub mod queue;
pub mod return_address;
pub mod traffic;
mod trust;
mod turn;
pub mod vhost;
pub mod window;
pub mod writer;
