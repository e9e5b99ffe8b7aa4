//! Looking at the queue from outside: all that waits is seen, in order, wherever it is, and nothing changes.

use leveret_protocol::properties;
use proptest::sample::Index;

use crate::model::Model;
use crate::step::priority;

impl Model {
    /// Looks at up to `most` messages from one on. What is not in memory is read by so many; messages may be read for consumers
    /// in between.
    pub(crate) fn browse(
        &mut self,
        from: Index,
        (most, most_bytes): (usize, u64),
        read: usize,
        between: bool,
    ) {
        if self.queue.in_review() {
            return;
        }
        let mut next = Some(from.index(self.published as usize + 1) as u64);
        let mut looks = 0;
        while let Some(from) = next {
            let glance = self.queue.glance(from, most);
            let answers = glance
                .loads
                .iter()
                .map(|load| self.disk.look(load, read))
                .collect();
            if between {
                self.disk.load(&mut self.queue);
                self.answer(usize::MAX, None);
            }
            let seen = self.queue.browsed(glance, answers, (most, most_bytes));
            assert!(seen.messages.len() <= most);
            let mut numbers = Vec::new();
            for message in &seen.messages {
                let publication = message.publication();
                let body = publication.body.as_slice();
                assert_eq!(body[..8], message.position.to_le_bytes());
                assert_eq!(
                    properties::priority(publication.properties),
                    priority(message.position)
                );
                numbers.push(message.position);
            }
            assert!(numbers.is_sorted_by(|one, next| one < next));
            let beyond = seen.next.unwrap_or(u64::MAX);
            assert!(beyond > from, "it goes on");
            let waits = |number: &u64| self.ready.contains_key(&self.place(*number));
            let expected = (from..beyond.min(self.published)).filter(waits);
            // What rests and was not read since a restart is not known to.
            numbers.retain(|number| waits(number) || !self.resting.contains_key(number));
            assert_eq!(numbers, expected.collect::<Vec<_>>());
            next = seen.next;
            looks += 1;
            assert!(looks <= 2 * self.published + 2, "it ends");
        }
    }
}
