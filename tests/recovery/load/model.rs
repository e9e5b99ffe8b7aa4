//! What the queues have to hold after a crash, as far as the clients were told.

use std::collections::{BTreeMap, BTreeSet};

use super::topology::{Change, Topology};

/// A message: its publisher, and its number among that one's messages.
pub(super) type Id = (usize, u32);

/// Whether a message has ever been delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivered {
    No,
    Yes,
    /// It may have been on its way to a client that did not read it.
    Maybe,
}

/// A message in a queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message {
    pub(super) persistent: bool,
    pub(super) confirmed: bool,
    pub(super) delivered: Delivered,
    /// Unacknowledged with a client.
    pub(super) held: bool,
    /// Who settled it, and the number of that one's next message then.
    pub(super) settled: Option<Id>,
}

/// A message as a queue gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) id: Id,
    pub(super) redelivered: bool,
}

/// What one client has made, and what it has asked for and not been answered.
#[derive(Debug, Default)]
pub(super) struct Own {
    pub(super) topology: Topology,
    pub(super) unsure: Option<Change>,
    /// The queue it is getting messages of.
    pub(super) taking: Option<String>,
    pub(super) published: u32,
}

/// Everything.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) clients: Vec<Own>,
    pub(super) queues: BTreeMap<String, BTreeMap<Id, Message>>,
}

impl Model {
    pub(super) fn queue(&mut self, name: &str) -> &mut BTreeMap<Id, Message> {
        self.queues.entry(name.to_owned()).or_default()
    }

    /// A message is about to be published.
    pub(super) fn published(&mut self, id: Id, persistent: bool, queues: &BTreeSet<String>) {
        for queue in queues {
            let message = Message {
                persistent,
                confirmed: false,
                delivered: Delivered::No,
                held: false,
                settled: None,
            };
            self.queue(queue).insert(id, message);
        }
    }

    /// A message is confirmed. A persistent one has taken with it to the disk what its publisher had settled before
    /// in its queues.
    pub(super) fn confirmed(&mut self, id: Id, persistent: bool, queues: &BTreeSet<String>) {
        for queue in queues {
            let messages = self.queue(queue);
            if let Some(message) = messages.get_mut(&id) {
                message.confirmed = true;
            }
            if persistent {
                let synced = |by: Id| by.0 == id.0 && by.1 <= id.1;
                messages.retain(|_, message| !message.settled.is_some_and(synced));
            }
        }
    }

    /// A client has got a message.
    #[track_caller]
    pub(super) fn delivered(&mut self, queue: &str, found: Found) {
        let Some(message) = self.queue(queue).get_mut(&found.id) else {
            panic!("{queue} delivers {found:?}, which was settled or never published");
        };
        assert!(
            message.settled.is_none(),
            "{queue} delivers {found:?}, which was settled"
        );
        assert!(!message.held, "{queue} delivers {found:?}, which a client holds");
        let expected = message.delivered == Delivered::Yes;
        assert!(
            message.delivered == Delivered::Maybe || found.redelivered == expected,
            "{queue} delivers {found:?}, and the flag is wrong"
        );
        message.delivered = Delivered::Yes;
        message.held = true;
    }

    /// A client settles a message that it holds.
    pub(super) fn settled(&mut self, queue: &str, id: Id, by: Id) {
        if let Some(message) = self.queue(queue).get_mut(&id) {
            message.settled = Some(by);
        }
    }

    /// A client gives a message back.
    pub(super) fn requeued(&mut self, queue: &str, id: Id) {
        if let Some(message) = self.queue(queue).get_mut(&id) {
            message.held = false;
        }
    }

    /// A client was answered.
    pub(super) fn changed(&mut self, client: usize, change: &Change) {
        let by = (client, self.clients[client].published);
        match change {
            Change::DeleteQueue(name) => {
                self.queues.remove(name);
            }
            Change::Purge(name) => {
                let ready = self.queue(name).values_mut().filter(|message| !message.held);
                ready.for_each(|message| message.settled = Some(by));
            }
            _ => {}
        }
        self.clients[client].topology.apply(change);
    }

    /// The broker has ended.
    pub(super) fn ended(&mut self, in_order: bool) {
        for client in &mut self.clients {
            if let Some(Change::DeleteQueue(name) | Change::Purge(name)) = &client.unsure {
                let messages = self.queues.entry(name.clone()).or_default();
                messages
                    .values_mut()
                    .for_each(|message| message.confirmed = false);
            }
            if let Some(name) = client.taking.take() {
                let messages = self.queues.entry(name).or_default().values_mut();
                messages
                    .filter(|message| message.delivered == Delivered::No)
                    .for_each(|message| message.delivered = Delivered::Maybe);
            }
        }
        for messages in self.queues.values_mut() {
            messages.retain(|_, message| message.persistent);
            for message in messages.values_mut() {
                message.held = false;
                // Nobody knows what was delivered.
                if !in_order {
                    message.delivered = Delivered::Yes;
                }
            }
        }
    }

    /// Compares what a queue holds after a restart. From now on it has to hold that.
    #[track_caller]
    pub(super) fn restarted(&mut self, queue: &str, found: &[Found]) {
        let messages = self.queue(queue);
        let held: BTreeSet<Id> = found.iter().map(|found| found.id).collect();
        assert_eq!(
            held.len(),
            found.len(),
            "{queue} holds a message twice: {found:?}"
        );
        for publisher in held.iter().map(|id| id.0).collect::<BTreeSet<_>>() {
            let numbers = found.iter().filter(|found| found.id.0 == publisher);
            assert!(
                numbers.is_sorted_by_key(|found| found.id.1),
                "{queue} is out of order: {found:?}"
            );
        }
        let owed = |message: &Message| message.confirmed && message.settled.is_none();
        let lost: Vec<_> = messages
            .iter()
            .filter(|(id, message)| owed(message) && !held.contains(id))
            .collect();
        assert!(lost.is_empty(), "{queue} has lost {lost:?}");
        for found in found {
            let Some(message) = messages.get(&found.id) else {
                panic!(
                    "{queue} holds {found:?}, which was settled on the disk, transient, or never published"
                );
            };
            let may = match message.delivered {
                Delivered::No => !found.redelivered,
                Delivered::Yes => found.redelivered,
                Delivered::Maybe => true,
            };
            assert!(may, "{queue} holds {found:?}, and the flag is wrong: {message:?}");
        }
        *messages = found.iter().map(|found| (found.id, Message::again())).collect();
    }
}

impl Message {
    /// One that a restarted broker has, and has shown once.
    fn again() -> Message {
        Message {
            persistent: true,
            confirmed: true,
            delivered: Delivered::Yes,
            held: false,
            settled: None,
        }
    }
}
