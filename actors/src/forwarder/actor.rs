//! The forwarder actor: messages in from its queue, copies out to their targets, and settled when those have them.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use actix::fut;
use actix::prelude::*;
use tracing::warn;

use super::course::{Courses, Target};
pub(crate) use super::errand::Errand;
use super::gathered::Gathered;
use super::ledger::{Copy, Ledger, Shipment};
use crate::channel::attachments::Attachments;
use crate::channel::confirms::Verdict;
use crate::channel::mailbag::Mailbag;
use crate::clock;
use crate::id::ChannelId;
use crate::name::Name;
use crate::node::{self, Context};
use crate::publication::{PageBuilder, Part, Sources};
use crate::queue::effective::Effective;
use crate::queue::forwarding::{Carried, Forward, Source, StartForwarder};
use crate::queue::messages::{Attach, Detach, Enqueue, QueueNotice};
use crate::return_address::ReturnAddress;
use crate::turn::{Acts, Turn};
use crate::vhost::directory::{Directory, QueueHandle};

/// Carries the dead messages of one queue away.
pub(crate) struct Forwarder {
    pub(super) source: Source,
    pub(super) errand: Errand,
    pub(super) directory: Arc<Directory>,
    /// What the targets know it as. It is another channel than the holder: a target may be the source itself.
    publisher: ChannelId,
    pub(super) attachments: Attachments,
    /// What was sent last is known by this number.
    confirm: u64,
    pub(super) ledger: Ledger,
    pub(super) page: PageBuilder,
    /// Copies in the page, and the positions of the messages they are of, where those are on a journal and long.
    pub(super) sources: Vec<(u32, u64)>,
    /// Copies in the page that are to be sent.
    pub(super) gathered: Gathered,
    /// Copies in the page that are to wait: the message, its target and its place.
    pub(super) waiting: Vec<(u64, Name, u32)>,
    /// Where the copies are that are being gathered.
    pub(super) copies: Vec<u32>,
    /// Those of the last messages.
    pub(super) courses: Courses,
    /// What held for the queue when it sent these.
    pub(super) effective: Arc<Effective>,
    /// Messages that were to be redriven and can't be.
    pub(super) unwanted: Vec<RangeInclusive<u64>>,
    turn: Turn,
    pub(super) told: Told,
}

/// What the log has heard of already.
#[derive(Default)]
pub(super) struct Told {
    pub(super) lost: bool,
    pub(super) cycle: bool,
}

impl Forwarder {
    /// Starts forwarders for a queue of a virtual host.
    pub(crate) fn starting(directory: &Arc<Directory>, errand: Errand) -> StartForwarder {
        let directory = Arc::clone(directory);
        Box::new(move |source| {
            let (errand, directory) = (errand.clone(), Arc::clone(&directory));
            node::start(Forwarder::new(source, errand, directory)).recipient()
        })
    }

    fn new(source: Source, errand: Errand, directory: Arc<Directory>) -> Self {
        let publisher = ChannelId::next();
        Forwarder {
            source,
            errand,
            directory,
            publisher,
            attachments: Attachments::new(publisher, Mailbag::default()),
            confirm: 0,
            ledger: Ledger::default(),
            page: PageBuilder::new(),
            sources: Vec::new(),
            gathered: Gathered::default(),
            waiting: Vec::new(),
            copies: Vec::new(),
            courses: Courses::default(),
            effective: Arc::default(),
            unwanted: Vec::new(),
            turn: Turn::default(),
            told: Told::default(),
        }
    }

    fn absorbed(&mut self, weight: usize, ctx: &mut Context<Self>) {
        if self.turn.ask(weight, ctx) {
            self.act(ctx);
        }
    }

    /// Posts what was gathered, then settles what is safe.
    fn act(&mut self, ctx: &mut Context<Self>) {
        self.turn.begin();
        self.post();
        for (target, wait) in self.ledger.refusing() {
            if wait >= Duration::from_secs(1) {
                warn!(queue = %self.source.name, %target, ?wait, "a target goes on refusing dead messages");
            }
            ctx.run_later(wait, move |forwarder, ctx| forwarder.try_again(&target, ctx));
        }
        let safe = self.ledger.take_safe();
        let unwanted = std::mem::take(&mut self.unwanted);
        if !(safe.is_empty() && unwanted.is_empty()) {
            let holder = self.source.holder;
            self.source.addr.do_send(Carried {
                holder,
                safe,
                unwanted,
            });
        }
    }

    /// Sends what was gathered.
    pub(super) fn post(&mut self) {
        if self.page.is_empty() {
            return;
        }
        let sources = self.sources();
        let page = self.page.finish_from(sources);
        for bundle in self.gathered.take() {
            let part = Part::whole(Arc::clone(&page), bundle.offsets, None);
            self.ship(&bundle.target, part, bundle.numbers);
        }
        for (message, target, offset) in self.waiting.drain(..) {
            let page = Arc::clone(&page);
            self.ledger.wait(
                &target,
                Copy {
                    message,
                    page,
                    offset,
                },
            );
        }
    }

    /// What the messages of the next page are of, as far as that was noted.
    pub(super) fn sources(&mut self) -> Option<Sources> {
        let mut sources = std::mem::take(&mut self.sources);
        // Those that keep their places may have died in another order.
        sources.sort_unstable();
        let store = self.source.store.filter(|_| !sources.is_empty())?;
        Some(Sources::new(store, sources))
    }

    /// Sends messages of these numbers to a target.
    pub(super) fn ship(&mut self, target: &Target, part: Part, numbers: Vec<RangeInclusive<u64>>) {
        self.confirm += 1;
        let confirm = self.confirm;
        if let Some(attachment) = self.attachments.get(target.key) {
            let mail = Enqueue::of(self.publisher, part.clone(), Some(confirm));
            attachment.queue.addr().do_send(mail);
        }
        let shipment = Shipment {
            confirm,
            part,
            numbers,
        };
        self.ledger.sent(target, shipment);
    }

    /// Sends again what a target refused.
    fn try_again(&mut self, target: &Name, ctx: &mut Context<Self>) {
        // What waits for the target is in the ledger.
        self.post();
        let copies = self.ledger.try_again(target);
        let found = self.directory.queue(target);
        let found = found.map(|queue| attach(&mut self.attachments, queue, ctx));
        for copy in &copies {
            match &found {
                Some(found) => {
                    let offset = self.page.copy(copy.page.get(copy.offset));
                    let source = copy.page.source(copy.offset);
                    self.sources
                        .extend(source.map(|source| (offset, source.position)));
                    self.gather(copy.message, found, &[offset]);
                }
                None => self.ledger.done(copy.message),
            }
        }
        if found.is_none() {
            self.ledger.forget(target);
        }
        self.act(ctx);
    }
}

pub(super) fn attach(
    attachments: &mut Attachments,
    queue: Arc<QueueHandle>,
    ctx: &mut Context<Forwarder>,
) -> Target {
    let name = queue.name.clone();
    let key = attachments.attach(queue, || ctx.address().recipient());
    Target { key, name }
}

impl Actor for Forwarder {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let queue = self.source.id;
        let gone = QueueNotice::Gone { queue, crashed: true };
        self.source.addr.do_send(Attach {
            channel: self.source.holder,
            peer: ReturnAddress::new(ctx.address().recipient(), gone),
        });
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        let channel = self.source.holder;
        self.source.addr.do_send(Detach { channel });
    }
}

impl Acts for Forwarder {
    fn take_turn(&mut self, ctx: &mut Context<Self>) {
        self.act(ctx);
    }
}

impl Handler<Forward> for Forwarder {
    type Result = ();

    fn handle(&mut self, mail: Forward, ctx: &mut Context<Self>) {
        #[cfg(feature = "faults")]
        crate::fault::strike_if_doomed(self.source.holder);
        if !self.directory.is_complete() {
            // What died while the broker was down goes to exchanges and queues that may not be back yet.
            let directory = Arc::clone(&self.directory);
            let complete = fut::wrap_future::<_, Self>(async move { directory.completed().await });
            ctx.spawn(complete.map(|(), forwarder, ctx| forwarder.handle(mail, ctx)));
            return;
        }
        if !Arc::ptr_eq(&self.effective, &mail.effective) {
            self.effective = mail.effective;
            self.courses.clear();
        }
        let time = clock::now() / 1000;
        for neighbours in mail.convoy.neighbours() {
            self.carry(neighbours, time, ctx);
        }
        self.absorbed(mail.convoy.len(), ctx);
    }
}

impl Handler<QueueNotice> for Forwarder {
    type Result = ();

    fn handle(&mut self, notice: QueueNotice, ctx: &mut Context<Self>) {
        match notice {
            QueueNotice::Gone { queue, .. } if queue == self.source.id => return ctx.stop(),
            QueueNotice::Stored { queue, upto } => {
                if let Some(key) = self.attachments.key_of(queue) {
                    self.ledger.stored(key, upto);
                }
            }
            QueueNotice::StoredBy(stored) => {
                for (queue, upto) in stored {
                    if let Some(key) = self.attachments.key_of(queue) {
                        self.ledger.stored(key, upto);
                    }
                }
            }
            QueueNotice::Refused {
                queue, upto, refused, ..
            } => {
                if let Some(key) = self.attachments.key_of(queue) {
                    self.ledger.refused(key, upto, &refused);
                }
            }
            // A forwarder settles in its own time.
            QueueNotice::Overdue { .. } => {}
            QueueNotice::Gone { queue, crashed } => {
                if let Some(key) = self.attachments.key_of(queue) {
                    let verdict = if crashed { Verdict::Nack } else { Verdict::Ack };
                    // What is gathered for it is gone with it.
                    self.post();
                    self.ledger.gone(key, verdict);
                    self.attachments.gone(queue);
                    self.courses.clear();
                }
            }
        }
        self.absorbed(1, ctx);
    }
}
