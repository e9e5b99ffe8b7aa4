//! Messages that only pass a queue: those that come when none waits, for a consumer that takes them all and needs no ack. Pure.

use super::effective::Effective;
use super::state::QueueState;
use crate::id::ConsumerId;
use crate::publication::Page;

impl QueueState {
    /// Whether all that comes may be [passed on](Self::pass_on) under these terms: no journal keeps it, nothing is refused, dropped
    /// or held up.
    pub(super) fn reconsider_passing_on(&mut self, terms: &Effective) {
        self.may_pass_on = !self.settings.journaled
            && terms.message_ttl.is_none()
            && terms.deduplication.is_none()
            && terms.max_length.is_none()
            && terms.max_length_bytes.is_none()
            && !terms.delays;
    }

    /// Passes so many messages of a page on, which cost so many bytes together: what a pass would do at once after they were
    /// [enqueued](Self::enqueue), without that. Returns the consumer that is to get them, which pays for them; `None` if they have
    /// to be enqueued.
    #[inline]
    pub fn pass_on(&mut self, page: &Page, messages: u32, bytes: u64) -> Option<ConsumerId> {
        let passes = self.may_pass_on
            && messages > 0
            && !page.timed()
            && self.ready.takes_together(page)
            && self.ready.len_at_least() == 0;
        if passes {
            self.subscribers.take_all(messages, bytes)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use leveret_protocol::Body;

    use super::*;
    use crate::id::ChannelId;
    use crate::publication::PageBuilder;
    use crate::queue::{Grant, QueueSettings, Subscription};

    const COST: u64 = 20;

    fn queue(terms: &Effective, settings: QueueSettings) -> QueueState {
        let mut queue = QueueState::new(settings);
        queue.amend(terms);
        queue
    }

    fn plain() -> QueueState {
        queue(&Effective::default(), QueueSettings::default())
    }

    /// A consumer with credit for three messages.
    fn subscribe(queue: &mut QueueState, no_ack: bool) -> ConsumerId {
        let consumer = ConsumerId::next();
        let subscription = Subscription {
            no_ack,
            ..Subscription::default()
        };
        queue
            .subscribe(ChannelId::next(), consumer, subscription)
            .unwrap();
        let grant = Grant {
            messages: 3,
            bytes: 100,
        };
        queue.credit(consumer, grant);
        consumer
    }

    fn page(properties: &[u8]) -> (Arc<Page>, Vec<u32>) {
        let mut builder = PageBuilder::new();
        let offset = builder.push("", "q", properties, false, Body::Slice(b"m"));
        (builder.finish(), vec![offset])
    }

    fn pass_on(queue: &mut QueueState, messages: u32) -> Option<ConsumerId> {
        queue.pass_on(&page(&[0, 0]).0, messages, COST)
    }

    #[test]
    fn what_is_passed_on_is_paid_for_and_never_waits() {
        let mut queue = plain();
        assert_eq!(pass_on(&mut queue, 1), None, "nobody is there");
        let consumer = subscribe(&mut queue, true);
        assert_eq!(pass_on(&mut queue, 2), Some(consumer));
        assert_eq!((queue.ready(), queue.unacked(), queue.bytes()), (0, 0, 0));
        assert_eq!(pass_on(&mut queue, 2), None, "credit is left for one");
        assert_eq!(pass_on(&mut queue, 1), Some(consumer));
        assert_eq!(pass_on(&mut queue, 1), None);
        assert!(!queue.consumers_take_more());
    }

    #[test]
    fn nothing_passes_what_waits() {
        let mut queue = plain();
        let (page, offsets) = page(&[0, 0]);
        queue.enqueue(page, &offsets);
        let consumer = subscribe(&mut queue, true);
        assert_eq!(pass_on(&mut queue, 1), None);
        assert_eq!(queue.dispatch(10).handouts.len(), 1);
        assert_eq!(pass_on(&mut queue, 2), Some(consumer));
        assert_eq!(queue.dispatch(10).handouts.len(), 0);
    }

    #[test]
    fn nothing_is_passed_on_to_one_of_several_or_to_one_who_is_to_settle_it() {
        let mut queue = plain();
        subscribe(&mut queue, true);
        subscribe(&mut queue, true);
        assert_eq!(pass_on(&mut queue, 1), None);
        let mut queue = plain();
        subscribe(&mut queue, false);
        assert_eq!(pass_on(&mut queue, 1), None);
    }

    #[test]
    fn nothing_is_passed_on_that_the_queue_has_to_look_at() {
        let expiring = Effective {
            message_ttl: Some(std::time::Duration::from_secs(1)),
            ..Effective::default()
        };
        let limited = Effective {
            max_length: Some(1),
            ..Effective::default()
        };
        let durable = QueueSettings {
            journaled: true,
            ..QueueSettings::default()
        };
        let queues = [
            queue(&expiring, QueueSettings::default()),
            queue(&limited, QueueSettings::default()),
            queue(&Effective::default(), durable),
        ];
        for mut queue in queues {
            subscribe(&mut queue, true);
            assert_eq!(pass_on(&mut queue, 1), None);
        }
        let mut queue = plain();
        subscribe(&mut queue, true);
        let (timed, _) = page(&[0x01, 0x00, 4, b'1', b'0', b'0', b'0']);
        assert!(timed.timed());
        assert_eq!(queue.pass_on(&timed, 1, COST), None);
    }
}
