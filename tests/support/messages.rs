//! A channel's work with messages: publishing, getting, consuming, settling, confirming.

use std::collections::BTreeSet;

use leveret_protocol::Method;
use leveret_protocol::method::{basic, confirm, queue, tx};

use super::channel::{Channel, encoded};
use super::content::{self, Delivery, Got, Returned};
use super::methods::{get, passive};
use super::wire::{Frame, METHOD};

/// The broker's answer to a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Confirm {
    Ack { tag: u64, multiple: bool },
    Nack { tag: u64, multiple: bool },
}

impl Channel {
    /// Publishes without properties.
    pub(crate) fn publish(&self, exchange: &str, routing_key: &str, body: impl AsRef<[u8]>) {
        self.publish_as(
            basic::Publish {
                exchange,
                routing_key,
                ..Default::default()
            },
            &content::NONE,
            body,
        );
    }

    /// Publishes to the default exchange with these encoded properties.
    pub(crate) fn publish_with(&self, queue: &str, properties: &[u8], body: impl AsRef<[u8]>) {
        self.publish_as(
            basic::Publish {
                routing_key: queue,
                ..Default::default()
            },
            properties,
            body,
        );
    }

    /// Publishes with everything given, in one write.
    pub(crate) fn publish_as(&self, publish: basic::Publish<'_>, properties: &[u8], body: impl AsRef<[u8]>) {
        let frame_max = self.shared().frame_max;
        let mut bytes = Frame::new(METHOD, self.number(), encoded(&publish)).bytes();
        bytes.extend(content::frames(
            self.number(),
            properties,
            body.as_ref(),
            frame_max,
        ));
        self.write(&bytes);
    }

    /// One message of the queue, to be settled.
    #[track_caller]
    pub(crate) fn get(&self, queue: &str) -> Option<Got> {
        self.get_as(get(queue))
    }

    #[track_caller]
    pub(crate) fn get_as(&self, get: basic::Get<'_>) -> Option<Got> {
        self.send(get);
        self.got()
    }

    /// The answer to a basic.get.
    #[track_caller]
    pub(crate) fn got(&self) -> Option<Got> {
        match self.method() {
            Method::Basic(basic::Method::GetOk(ok)) => Some(Got::new(ok, content::read(self))),
            Method::Basic(basic::Method::GetEmpty(_)) => None,
            other => panic!("{other:?} instead of the answer to a get"),
        }
    }

    /// Takes everything out of the queue: the bodies in order.
    #[track_caller]
    pub(crate) fn drain(&self, queue: &str) -> Vec<String> {
        let take = || {
            self.get_as(basic::Get {
                no_ack: true,
                ..get(queue)
            })
        };
        std::iter::from_fn(take)
            .map(|got| String::from_utf8(got.body).expect("text"))
            .collect()
    }

    /// How many messages are ready in the queue.
    #[track_caller]
    pub(crate) fn ready(&self, queue: &str) -> u32 {
        self.call::<queue::DeclareOk<'_>>(passive(queue)).message_count
    }

    /// How many consumers the queue has.
    #[track_caller]
    pub(crate) fn consumers(&self, queue: &str) -> u32 {
        self.call::<queue::DeclareOk<'_>>(passive(queue)).consumer_count
    }

    /// Declares a transient, shared queue without arguments.
    #[track_caller]
    pub(crate) fn declare(&self, queue: &str) {
        self.call::<queue::DeclareOk<'_>>(super::methods::queue(queue));
    }

    /// Declares a queue and does not ask for an answer.
    pub(crate) fn declare_without_waiting(&self, queue: &str) {
        self.send(queue::Declare {
            nowait: true,
            ..super::methods::queue(queue)
        });
    }

    /// Subscribes, with acknowledgements, and gives the consumer tag.
    #[track_caller]
    pub(crate) fn consume(&self, queue: &str) -> String {
        self.consume_as(super::methods::consume(queue))
    }

    #[track_caller]
    pub(crate) fn consume_as(&self, consume: basic::Consume<'_>) -> String {
        self.call::<basic::ConsumeOk<'_>>(consume).consumer_tag.to_owned()
    }

    /// The next delivery.
    #[track_caller]
    pub(crate) fn delivery(&self) -> Delivery {
        let deliver = self.expect::<basic::Deliver<'_>>();
        Delivery::new(deliver, content::read(self))
    }

    /// The next deliveries.
    #[track_caller]
    pub(crate) fn deliveries(&self, count: usize) -> Vec<Delivery> {
        (0..count).map(|_| self.delivery()).collect()
    }

    /// The bodies of the next deliveries.
    #[track_caller]
    pub(crate) fn delivered(&self, count: usize) -> Vec<String> {
        (0..count)
            .map(|_| String::from_utf8(self.delivery().body).expect("text"))
            .collect()
    }

    /// The next method must be a return.
    #[track_caller]
    pub(crate) fn returned(&self) -> Returned {
        let method = self.expect::<basic::Return<'_>>();
        Returned::new(method, content::read(self))
    }

    pub(crate) fn ack(&self, delivery_tag: u64) {
        self.send(basic::Ack {
            delivery_tag,
            multiple: false,
        });
    }

    pub(crate) fn ack_up_to(&self, delivery_tag: u64) {
        self.send(basic::Ack {
            delivery_tag,
            multiple: true,
        });
    }

    pub(crate) fn requeue(&self, delivery_tag: u64) {
        self.send(basic::Nack {
            delivery_tag,
            multiple: false,
            requeue: true,
        });
    }

    pub(crate) fn reject(&self, delivery_tag: u64, requeue: bool) {
        self.send(basic::Reject {
            delivery_tag,
            requeue,
        });
    }

    /// Sets the prefetch of later consumers.
    #[track_caller]
    pub(crate) fn prefetch(&self, prefetch_count: u16) {
        self.call::<basic::QosOk>(basic::Qos {
            prefetch_count,
            ..Default::default()
        });
    }

    /// Sets the prefetch of the channel as a whole.
    #[track_caller]
    pub(crate) fn prefetch_together(&self, prefetch_count: u16) {
        self.call::<basic::QosOk>(basic::Qos {
            prefetch_count,
            global: true,
            ..Default::default()
        });
    }

    #[track_caller]
    pub(crate) fn confirm_select(&self) {
        self.call::<confirm::SelectOk>(confirm::Select::default());
    }

    #[track_caller]
    pub(crate) fn tx_select(&self) {
        self.call::<tx::SelectOk>(tx::Select {});
    }

    #[track_caller]
    pub(crate) fn commit(&self) {
        self.call::<tx::CommitOk>(tx::Commit {});
    }

    #[track_caller]
    pub(crate) fn rollback(&self) {
        self.call::<tx::RollbackOk>(tx::Rollback {});
    }

    /// The next method must be a confirm.
    #[track_caller]
    pub(crate) fn confirm(&self) -> Confirm {
        match self.method() {
            Method::Basic(basic::Method::Ack(ack)) => Confirm::Ack {
                tag: ack.delivery_tag,
                multiple: ack.multiple,
            },
            Method::Basic(basic::Method::Nack(nack)) => Confirm::Nack {
                tag: nack.delivery_tag,
                multiple: nack.multiple,
            },
            other => panic!("{other:?} instead of a confirm"),
        }
    }

    /// Waits until the publications from 1 to `last` are answered, each exactly once: which are acked, and which nacked.
    #[track_caller]
    pub(crate) fn answers(&self, last: u64) -> (Vec<u64>, Vec<u64>) {
        let mut open: std::collections::BTreeSet<u64> = (1..=last).collect();
        let (mut acked, mut nacked) = (Vec::new(), Vec::new());
        while !open.is_empty() {
            let (to, tag, multiple) = match self.confirm() {
                Confirm::Ack { tag, multiple } => (&mut acked, tag, multiple),
                Confirm::Nack { tag, multiple } => (&mut nacked, tag, multiple),
            };
            assert!(open.contains(&tag), "{tag} was not open");
            let first = if multiple { 0 } else { tag };
            let answered: Vec<u64> = open.range(first..=tag).copied().collect();
            open.retain(|number| !answered.contains(number));
            to.extend(answered);
        }
        acked.sort_unstable();
        nacked.sort_unstable();
        (acked, nacked)
    }

    /// Waits until the publications `first..=last` are acked, each exactly once.
    #[track_caller]
    pub(crate) fn acked(&self, first: u64, last: u64) {
        let mut open: std::collections::BTreeSet<u64> = (first..=last).collect();
        while !open.is_empty() {
            match self.confirm() {
                Confirm::Ack { tag, multiple: false } => assert!(open.remove(&tag), "{tag} was not open"),
                Confirm::Ack { tag, multiple: true } => {
                    assert!(open.contains(&tag), "{tag} was not open");
                    open = open.split_off(&(tag + 1));
                }
                nack => panic!("{nack:?}"),
            }
        }
    }
}
