//! The queues a channel deals with, and what is on its way to each.
//!
//! A channel attaches to a queue once and then names itself by its id, so that no address is cloned for a
//! message. Settlements gather here and are posted together, at most one mail to a queue for each batch of commands;
//! publications gather in the [`Mailbag`] that all channels of the connection share.
//!
//! An attachment that is dropped detaches: also when the channel panics, its queues get back what it had not settled.

use std::sync::Arc;

use actix::dev::Request;
use actix::prelude::*;
use rustc_hash::FxHashMap;
use slab::Slab;

use super::mailbag::{Mailbag, Written};
use crate::id::{ChannelId, QueueId};
use crate::queue::Outcome;
use crate::queue::actor::Queue;
use crate::queue::messages::{Attach, Detach, QueueNotice, Settle};
use crate::return_address::ReturnAddress;
use crate::vhost::directory::QueueHandle;

/// Room for so many settlements is made at once.
const MOST_EXPECTED: usize = 256;

/// One queue a channel deals with.
pub(crate) struct Attachment {
    pub(crate) queue: Arc<QueueHandle>,
    channel: ChannelId,
    mailbag: Mailbag,
    /// What is for it in the mailbag.
    parcel: u32,
    /// Settlements gathered for it.
    runs: Vec<(Outcome, Vec<u32>)>,
    /// How many the last run posted had, and so likely the next.
    expected: usize,
    /// Deliveries from it that the channel has not settled.
    outstanding: u32,
    /// Consumers of it and gets under way: more may be delivered from it.
    users: u32,
    gone: bool,
}

impl Attachment {
    fn settle(&mut self, outcome: Outcome, key: u32) {
        match self.runs.last_mut() {
            Some((last, keys)) if *last == outcome => keys.push(key),
            _ => {
                let mut keys = Vec::with_capacity(self.expected);
                keys.push(key);
                self.runs.push((outcome, keys));
            }
        }
    }

    fn take_runs(&mut self) -> Vec<(Outcome, Vec<u32>)> {
        let last = self.runs.last().map_or(0, |(_, keys)| keys.len());
        self.expected = last.min(MOST_EXPECTED);
        std::mem::take(&mut self.runs)
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        if !self.gone {
            // As mail: nothing of the channel comes behind it that could be told ahead of it, and the queue takes no part in a panic.
            self.queue.addr().do_send(Detach {
                channel: self.channel,
            });
        }
        self.mailbag.leave(self.parcel);
    }
}

/// All queues a channel deals with.
#[repr(C)]
pub(crate) struct Attachments {
    /// Attachments with settlements to post.
    settled: Vec<u32>,
    /// How often the mailbag was posted when something was added to it last.
    added: Option<u64>,
    attached: Slab<Attachment>,
    mailbag: Mailbag,
    channel: ChannelId,
    by_queue: FxHashMap<QueueId, u32>,
}

impl Attachments {
    /// Those of a channel that adds to a mailbag.
    pub(crate) fn new(channel: ChannelId, mailbag: Mailbag) -> Self {
        Attachments {
            channel,
            attached: Slab::new(),
            by_queue: FxHashMap::default(),
            mailbag,
            added: None,
            settled: Vec::new(),
        }
    }

    /// The key of a queue, which is attached to if it wasn't. `notices` is asked for then.
    pub(crate) fn attach(
        &mut self,
        queue: Arc<QueueHandle>,
        notices: impl FnOnce() -> Recipient<QueueNotice>,
    ) -> u32 {
        if let Some(&key) = self.by_queue.get(&queue.id) {
            return key;
        }
        let id = queue.id;
        let crashed = QueueNotice::Gone {
            queue: id,
            crashed: true,
        };
        let attach = Attach {
            channel: self.channel,
            peer: ReturnAddress::new(notices(), crashed),
        };
        let parcel = self.mailbag.join(&queue);
        self.mailbag.bring(parcel, attach);
        let attachment = Attachment {
            parcel,
            queue,
            channel: self.channel,
            mailbag: self.mailbag.clone(),
            runs: Vec::new(),
            expected: 1,
            outstanding: 0,
            users: 0,
            gone: false,
        };
        let key = self.attached.insert(attachment) as u32;
        self.by_queue.insert(id, key);
        key
    }

    pub(crate) fn get(&self, key: u32) -> Option<&Attachment> {
        self.attached.get(key as usize)
    }

    /// The key of an attached queue.
    pub(crate) fn key_of(&self, queue: QueueId) -> Option<u32> {
        self.by_queue.get(&queue).copied()
    }

    /// Gathers a publication for these queues.
    #[inline]
    pub(super) fn publish(&mut self, keys: &[u32], written: Written, confirm: Option<u64>) {
        let attachments = keys.iter().filter_map(|&key| self.attached.get(key as usize));
        let parcels = attachments.map(|attachment| attachment.parcel);
        self.added = Some(self.mailbag.add(parcels, written, self.channel, confirm));
    }

    /// Whether publications were gathered that are not posted yet.
    pub(crate) fn has_publications(&self) -> bool {
        self.added == Some(self.mailbag.posted())
    }

    /// Keeps the key taken, even if the queue goes, for a consumer or a get: what was on its way from the queue
    /// when it went must not be taken for another's.
    pub(crate) fn hold(&mut self, key: u32) {
        if let Some(attachment) = self.attached.get_mut(key as usize) {
            attachment.users += 1;
        }
    }

    /// The consumer or the get is over.
    pub(crate) fn release(&mut self, key: u32) {
        if let Some(attachment) = self.attached.get_mut(key as usize) {
            attachment.users = attachment.users.saturating_sub(1);
            self.remove_if_done(key);
        }
    }

    /// Notes deliveries that are to be settled.
    pub(crate) fn delivered(&mut self, key: u32, messages: u32) {
        if let Some(attachment) = self.attached.get_mut(key as usize) {
            attachment.outstanding += messages;
        }
    }

    /// Gathers a settlement for a queue.
    pub(crate) fn settle(&mut self, key: u32, outcome: Outcome, delivery: u32) {
        let Some(attachment) = self.attached.get_mut(key as usize) else {
            return;
        };
        attachment.outstanding = attachment.outstanding.saturating_sub(1);
        if attachment.gone {
            self.remove_if_done(key);
            return;
        }
        if attachment.runs.is_empty() {
            self.settled.push(key);
        }
        attachment.settle(outcome, delivery);
    }

    /// Whether settlements were gathered.
    pub(crate) fn has_settlements(&self) -> bool {
        !self.settled.is_empty()
    }

    /// Posts the settlements gathered, on the road that publications take: what is published behind them stays behind.
    pub(crate) fn post_settlements(&mut self) {
        for key in self.settled.drain(..) {
            let Some(attachment) = self.attached.get_mut(key as usize) else {
                continue;
            };
            let runs = attachment.take_runs();
            if runs.is_empty() {
                continue;
            }
            let channel = self.channel;
            self.mailbag.bring(attachment.parcel, Settle { channel, runs });
        }
    }

    /// A queue is no more. Its key stays taken while deliveries from it are outstanding or may yet come.
    pub(crate) fn gone(&mut self, queue: QueueId) {
        if let Some(key) = self.by_queue.remove(&queue) {
            if let Some(attachment) = self.attached.get_mut(key as usize) {
                attachment.gone = true;
            }
            self.remove_if_done(key);
        }
    }

    fn remove_if_done(&mut self, key: u32) {
        if self
            .attached
            .get(key as usize)
            .is_some_and(|attachment| attachment.gone && attachment.outstanding == 0 && attachment.users == 0)
        {
            self.attached.remove(key as usize);
        }
    }

    /// Detaches from every queue; each request is answered when the queue has taken everything back.
    pub(crate) fn detach_all(&mut self) -> Vec<Request<Queue, Detach>> {
        self.by_queue.clear();
        self.settled.clear();
        let mut requests = Vec::new();
        for mut attachment in self.attached.drain() {
            if !attachment.gone {
                attachment.gone = true;
                requests.push(attachment.queue.addr().send(Detach {
                    channel: self.channel,
                }));
            }
        }
        requests
    }
}

#[cfg(test)]
mod tests {
    use actix::dev::channel::channel;
    use leveret_protocol::method::queue::Declare;

    use super::*;
    use crate::channel::actor::Channel;
    use crate::name::Name;
    use crate::queue::options::QueueOptions;
    use crate::vhost::dwelling::Dwelling;

    /// A queue that is gone already, so that mail to it goes nowhere.
    fn queue() -> Arc<QueueHandle> {
        let options = QueueOptions::parse(&Declare::default(), "/").unwrap();
        Arc::new(QueueHandle {
            id: QueueId::next(),
            name: Name::from("q"),
            dwelling: Arc::new(Dwelling::deserted()),
            owner: None,
            options: Arc::new(options),
            store_id: None,
            down_until: None,
        })
    }

    fn attach(attachments: &mut Attachments, queue: &Arc<QueueHandle>) -> u32 {
        attachments.attach(Arc::clone(queue), || {
            Addr::<Channel>::new(channel(0).0).recipient()
        })
    }

    #[test]
    fn the_key_of_a_queue_that_is_gone_stays_taken_while_more_may_come_from_it() {
        let mut attachments = Attachments::new(ChannelId::next(), Mailbag::default());
        let old = queue();
        let key = attach(&mut attachments, &old);
        attachments.hold(key);
        attachments.gone(old.id);
        assert_ne!(
            attach(&mut attachments, &queue()),
            key,
            "its consumer has not ended"
        );
        attachments.delivered(key, 1);
        attachments.release(key);
        assert_ne!(attach(&mut attachments, &queue()), key, "a delivery is unsettled");
        attachments.settle(key, Outcome::Ack, 0);
        assert_eq!(attach(&mut attachments, &queue()), key);
    }
}
