//! Queues as they ought to be: lists.

use std::collections::BTreeMap;

/// The queues there may be.
pub(super) const QUEUES: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Debug, Clone, Copy)]
pub(super) struct Message {
    pub(super) number: usize,
    pub(super) size: usize,
    persistent: bool,
    pub(super) redelivered: bool,
}

impl Message {
    pub(super) fn new(number: usize, size: usize, persistent: bool) -> Self {
        Message {
            number,
            size,
            persistent,
            redelivered: false,
        }
    }
}

#[derive(Debug, Default)]
struct Queue {
    /// Tells it from others that had its name.
    life: usize,
    bound: bool,
    ready: BTreeMap<usize, Message>,
}

/// All queues of the broker, and what one channel holds of them.
#[derive(Debug, Default)]
pub(super) struct Plain {
    queues: BTreeMap<usize, Queue>,
    held: BTreeMap<u64, (usize, usize, Message)>,
    lives: usize,
}

impl Plain {
    pub(super) fn exists(&self, queue: usize) -> bool {
        self.queues.contains_key(&queue)
    }

    pub(super) fn ready(&self, queue: usize) -> usize {
        self.queues.get(&queue).map_or(0, |queue| queue.ready.len())
    }

    pub(super) fn declare(&mut self, queue: usize) {
        self.lives += 1;
        let life = self.lives;
        self.queues.entry(queue).or_insert_with(|| Queue {
            life,
            ..Queue::default()
        });
    }

    /// How many messages were ready.
    pub(super) fn delete(&mut self, queue: usize) -> usize {
        self.queues.remove(&queue).map_or(0, |queue| queue.ready.len())
    }

    pub(super) fn bind(&mut self, queue: usize, bound: bool) {
        if let Some(queue) = self.queues.get_mut(&queue) {
            queue.bound = bound;
        }
    }

    /// How many messages were ready.
    pub(super) fn purge(&mut self, queue: usize) -> usize {
        let queue = self.queues.get_mut(&queue);
        queue.map_or(0, |queue| std::mem::take(&mut queue.ready).len())
    }

    /// To one queue, or to all that are bound.
    pub(super) fn publish(&mut self, to: Option<usize>, message: Message) {
        for (number, queue) in &mut self.queues {
            if to.map_or(queue.bound, |to| to == *number) {
                queue.ready.insert(message.number, message);
            }
        }
    }

    /// The first message; held under the tag, if there is one.
    pub(super) fn get(&mut self, queue: usize, tag: Option<u64>) -> Option<Message> {
        let found = self.queues.get_mut(&queue)?;
        let (_, message) = found.ready.pop_first()?;
        if let Some(tag) = tag {
            self.held.insert(tag, (queue, found.life, message));
        }
        Some(message)
    }

    /// A tag that can be settled.
    pub(super) fn held_at(&self, place: usize) -> Option<u64> {
        self.held.keys().nth(place % self.held.len().max(1)).copied()
    }

    pub(super) fn settle(&mut self, tag: u64, multiple: bool, requeue: bool) {
        let first = if multiple { 0 } else { tag };
        let tags: Vec<u64> = self.held.range(first..=tag).map(|(tag, _)| *tag).collect();
        for tag in tags {
            if let Some((queue, life, message)) = self.held.remove(&tag)
                && requeue
            {
                self.give_back(queue, life, message);
            }
        }
    }

    /// What was held is ready again, and what was transient is gone.
    pub(super) fn restarted(&mut self) {
        for (_, (queue, life, message)) in std::mem::take(&mut self.held) {
            self.give_back(queue, life, message);
        }
        for queue in self.queues.values_mut() {
            queue.ready.retain(|_, message| message.persistent);
        }
    }

    fn give_back(&mut self, queue: usize, life: usize, message: Message) {
        let message = Message {
            redelivered: true,
            ..message
        };
        if let Some(queue) = self.queues.get_mut(&queue).filter(|queue| queue.life == life) {
            queue.ready.insert(message.number, message);
        }
    }
}
