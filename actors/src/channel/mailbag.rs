//! Publications on their way to the queues, gathered for all channels of a connection.
//!
//! One read of a connection with many channels brings a little for each of them. A page of its own and a mail of its own for
//! each would cost more than the publications do; so what the channels of a connection route goes into one page, and
//! what all of them have for a queue is one mail to it.
//!
//! What is in the bag is posted before a channel that has something in it sends its queues anything else, so that all comes
//! on one road; at the end of a read that was for one channel; and otherwise by the connection, whose turn comes after
//! those of all channels that it had woken.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::*;
use rustc_hash::FxHashMap;
use slab::Slab;

use super::messages::Collect;
use crate::id::{ChannelId, QueueId};
use crate::node::Near;
use crate::publication::{Gathered, Page, PageBuilder};
use crate::queue::actor::Queue;
use crate::queue::messages::{Enqueue, Run, Runs};
use crate::queue::roads::near;
use crate::vhost::directory::QueueHandle;
use crate::window::{Permit, Permits};

/// Room for so many offsets is kept for each queue from one page to the next.
const MOST_KEPT: usize = 256;
/// A page has publications of so many reads at most: more than a window has, unless they are small.
const MOST_READS: usize = 64;

/// Where on the page a publication is, and what it costs.
pub(super) type Written = (u32, u32);

/// What is gathered for one queue.
struct Parcel {
    queue: QueueId,
    addr: Addr<Queue>,
    /// The way there, if it lives on this thread.
    near: Option<Near<Queue>>,
    /// Attachments that add to it.
    users: u32,
    /// Its publications, as offsets into the page under construction.
    offsets: Vec<u32>,
    /// What they cost together.
    bytes: u64,
    /// Where they are among all that are about to be posted.
    range: Range<u32>,
    /// Those of channels that want to hear of them.
    runs: Runs,
}

impl Parcel {
    fn bring<M>(&self, mail: M)
    where
        Queue: Handler<M, Result = ()>,
        M: Message<Result = ()> + Send + 'static,
    {
        match &self.near {
            Some(near) => near.tell(mail, &self.addr),
            None => self.addr.do_send(mail),
        }
    }

    #[inline]
    fn add(&mut self, (offset, cost): Written, channel: ChannelId, confirm: Option<u64>) {
        let at = self.offsets.len() as u32;
        self.offsets.push(offset);
        self.bytes += u64::from(cost);
        let Some(upto) = confirm else { return };
        match self.runs.last_mut() {
            Some(run) if run.channel == channel && run.to == at => (run.upto, run.to) = (upto, at + 1),
            _ => self.runs.push(Run {
                channel,
                upto,
                from: at,
                to: at + 1,
            }),
        }
    }
}

#[derive(Default)]
struct Contents {
    page: PageBuilder,
    /// Cover what is on the page.
    permits: Permits,
    /// The place of the one that was met last.
    permit: usize,
    parcels: Slab<Parcel>,
    by_queue: FxHashMap<QueueId, u32>,
    /// Parcels with something in them.
    filled: Vec<u32>,
    /// How many offsets were lined up for several queues last, and so likely will be next.
    expected: usize,
    /// How often it was posted.
    posted: u64,
    /// Who posts what several channels have gathered. Without one, each posts its own.
    collector: Option<Recipient<Collect>>,
    /// The collector was called, and has not come yet.
    called: bool,
}

/// The bag of a connection, shared by its channels. Others that publish have one each.
#[derive(Clone, Default)]
pub(crate) struct Mailbag(Rc<RefCell<Contents>>);

impl Mailbag {
    /// An empty bag; `collector` is to [`post`](Self::post) it when it is called.
    pub(crate) fn new(collector: Recipient<Collect>) -> Self {
        let contents = Contents {
            collector: Some(collector),
            ..Contents::default()
        };
        Mailbag(Rc::new(RefCell::new(contents)))
    }

    /// The collector goes: what is there is posted, and what comes is by those who bring it.
    pub(crate) fn close(&self) {
        self.0.borrow_mut().collector = None;
        self.post();
    }

    /// A parcel for a queue, the key of which is valid until it is [`left`](Self::leave).
    pub(super) fn join(&self, queue: &Arc<QueueHandle>) -> u32 {
        let contents = &mut *self.0.borrow_mut();
        let key = *contents.by_queue.entry(queue.id).or_insert_with(|| {
            let parcel = Parcel {
                queue: queue.id,
                addr: queue.addr().clone(),
                near: near(queue.id),
                users: 0,
                offsets: Vec::new(),
                bytes: 0,
                range: 0..0,
                runs: Runs::new(),
            };
            contents.parcels.insert(parcel) as u32
        });
        if let Some(parcel) = contents.parcels.get_mut(key as usize) {
            parcel.users += 1;
        }
        key
    }

    /// Brings a queue something on the road that its publications take: another thread may be about to wake the queue, and until
    /// then it can be told something ahead of its mail.
    pub(super) fn bring<M>(&self, key: u32, mail: M)
    where
        Queue: Handler<M, Result = ()>,
        M: Message<Result = ()> + Send + 'static,
    {
        if let Some(parcel) = self.0.borrow().parcels.get(key as usize) {
            parcel.bring(mail);
        }
    }

    /// Whoever joined a parcel adds nothing more to it.
    pub(super) fn leave(&self, key: u32) {
        let contents = &mut *self.0.borrow_mut();
        if let Some(parcel) = contents.parcels.get_mut(key as usize) {
            parcel.users = parcel.users.saturating_sub(1);
            contents.remove_if_done(key);
        }
    }

    /// Writes a publication to the page, and keeps what covers it.
    #[inline]
    pub(super) fn write(
        &self,
        permit: Option<&Permit>,
        write: impl FnOnce(&mut PageBuilder) -> Written,
    ) -> Written {
        let contents = &mut *self.0.borrow_mut();
        if let Some(permit) = permit
            && !contents
                .permits
                .get(contents.permit)
                .is_some_and(|kept| kept.is(permit))
        {
            contents.keep(permit);
        }
        write(&mut contents.page)
    }

    /// Adds what is written on the page to parcels. Returns a number: it is posted when [`posted`](Self::posted)
    /// is larger.
    #[inline]
    pub(super) fn add(
        &self,
        keys: impl Iterator<Item = u32>,
        written: Written,
        channel: ChannelId,
        confirm: Option<u64>,
    ) -> u64 {
        let contents = &mut *self.0.borrow_mut();
        for key in keys {
            if let Some(parcel) = contents.parcels.get_mut(key as usize) {
                if parcel.offsets.is_empty() {
                    contents.filled.push(key);
                }
                parcel.add(written, channel, confirm);
            }
        }
        contents.posted
    }

    /// How often it was posted.
    #[inline]
    pub(super) fn posted(&self) -> u64 {
        self.0.borrow().posted
    }

    /// Bytes on the page.
    pub(super) fn bytes(&self) -> u64 {
        self.0.borrow().page.len()
    }

    /// Has it posted when others have added theirs.
    pub(super) fn call(&self) {
        let contents = &mut *self.0.borrow_mut();
        match &contents.collector {
            Some(collector) if !contents.called => collector.do_send(Collect),
            Some(_) => {}
            None => contents.post(),
        }
        contents.called = true;
    }

    /// The collector has come.
    pub(crate) fn collect(&self) {
        self.0.borrow_mut().called = false;
        self.post();
    }

    /// Posts what is in it.
    pub(super) fn post(&self) {
        self.0.borrow_mut().post();
    }
}

impl Contents {
    /// Keeps what covers the page, once each. Every channel has publications of the same reads, in their order.
    fn keep(&mut self, permit: &Permit) {
        let is_same = |kept: &Permit| kept.is(permit);
        let next = self.permit + 1;
        if self.permits.get(next).is_some_and(is_same) {
            self.permit = next;
        } else if let Some(place) = self.permits.iter().position(is_same) {
            self.permit = place;
        } else {
            if self.permits.len() == MOST_READS {
                self.post();
            }
            self.permit = self.permits.len();
            self.permits.push(permit.clone());
        }
    }

    fn post(&mut self) {
        if !self.page.is_empty() {
            let page = self.page.finish();
            let permit = Permit::all(std::mem::take(&mut self.permits));
            self.post_page(page, permit);
        }
    }

    fn post_page(&mut self, page: Arc<Page>, permit: Option<Permit>) {
        self.posted += 1;
        let gathered = Gathered::new(page, self.line_up(), permit);
        let filled = std::mem::take(&mut self.filled);
        for &key in &filled {
            if let Some(parcel) = self.parcels.get_mut(key as usize) {
                let (range, bytes) = (parcel.range.clone(), std::mem::take(&mut parcel.bytes));
                let enqueue = Enqueue {
                    part: gathered.part(range, bytes),
                    runs: std::mem::take(&mut parcel.runs),
                };
                parcel.bring(enqueue);
                self.remove_if_done(key);
            }
        }
        self.filled = filled;
        self.filled.clear();
    }

    /// Lines up the offsets for all queues, and notes where those of each are. Queues that get the same share them.
    fn line_up(&mut self) -> Vec<u32> {
        let alone = self.filled.len() == 1;
        let mut gathered = Vec::with_capacity(if alone { 0 } else { self.expected });
        let mut last = 0;
        for &key in &self.filled {
            let Some(parcel) = self.parcels.get_mut(key as usize) else {
                continue;
            };
            let offsets = &mut parcel.offsets;
            if alone {
                gathered = std::mem::take(offsets);
            } else if gathered.get(last..) != Some(offsets.as_slice()) {
                last = gathered.len();
                gathered.extend_from_slice(offsets);
            }
            parcel.range = last as u32..gathered.len() as u32;
            offsets.clear();
            offsets.shrink_to(MOST_KEPT);
        }
        if !alone {
            self.expected = gathered.len();
        }
        gathered
    }

    fn remove_if_done(&mut self, key: u32) {
        let parcel = self.parcels.get(key as usize);
        if parcel.is_some_and(|parcel| parcel.users == 0 && parcel.offsets.is_empty()) {
            let parcel = self.parcels.remove(key as usize);
            self.by_queue.remove(&parcel.queue);
        }
    }
}
