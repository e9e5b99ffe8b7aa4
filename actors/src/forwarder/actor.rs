//! The forwarder actor: messages in from its queue, copies out to their targets, and settled when those have them.

use std::sync::Arc;
use std::time::Duration;

use actix::fut;
use actix::prelude::*;
use leveret_protocol::Body;
use tracing::{info, warn};

use super::course::{Course, Courses, Target};
use super::death::Death;
pub(crate) use super::errand::Errand;
use super::gathered::Gathered;
use super::ledger::{Copy, Ledger};
use crate::chance;
use crate::channel::attachments::Attachments;
use crate::channel::confirms::{Confirms, Verdict};
use crate::channel::mailbag::Mailbag;
use crate::clock;
use crate::exchange::walk::{Content, Message, walk};
use crate::id::ChannelId;
use crate::name::Name;
use crate::publication::{Handout, PageBuilder, Publication};
use crate::queue::effective::Effective;
use crate::queue::forwarding::{Forward, Source, StartForwarder};
use crate::queue::messages::{Attach, Detach, QueueNotice, Settle};
use crate::queue::{Outcome, Reason};
use crate::return_address::ReturnAddress;
use crate::turn::{Act, Turn};
use crate::vhost::directory::{Directory, QueueHandle};

/// Carries the dead messages of one queue away.
pub(crate) struct Forwarder {
    source: Source,
    errand: Errand,
    directory: Arc<Directory>,
    /// The targets. As a publisher it is another channel than as a holder: a target may be the source itself.
    attachments: Attachments,
    confirms: Confirms,
    ledger: Ledger,
    page: PageBuilder,
    /// Copies in the page that are to be sent.
    gathered: Gathered,
    /// Copies in the page that are to wait: the message, its target and its place.
    waiting: Vec<(u32, Name, u32)>,
    /// Those of the last messages.
    courses: Courses,
    /// What held for the queue when it sent these.
    effective: Arc<Effective>,
    /// Keys of messages that were to be redriven and can't be.
    unwanted: Vec<u32>,
    turn: Turn,
    told: Told,
}

/// What the log has heard of already.
#[derive(Default)]
struct Told {
    lost: bool,
    cycle: bool,
}

impl Forwarder {
    /// Starts forwarders for a queue of a virtual host.
    pub(crate) fn starting(directory: &Arc<Directory>, errand: Errand) -> StartForwarder {
        let directory = Arc::clone(directory);
        Box::new(move |source| {
            let (errand, directory) = (errand.clone(), Arc::clone(&directory));
            Forwarder::new(source, errand, directory).start().recipient()
        })
    }

    fn new(source: Source, errand: Errand, directory: Arc<Directory>) -> Self {
        Forwarder {
            source,
            errand,
            directory,
            attachments: Attachments::new(ChannelId::next(), Mailbag::default()),
            confirms: Confirms::new(),
            ledger: Ledger::default(),
            page: PageBuilder::new(),
            gathered: Gathered::default(),
            waiting: Vec::new(),
            courses: Courses::default(),
            effective: Arc::default(),
            unwanted: Vec::new(),
            turn: Turn::default(),
            told: Told::default(),
        }
    }

    /// Makes room for copies of these messages, if they are like the last.
    fn make_room(&mut self, handout: &Handout) {
        let more = self.courses.growth();
        self.page.reserve(handout.bytes as usize + handout.len() * more);
    }

    /// Gathers the copies of a message.
    fn carry(&mut self, key: u32, publication: Publication<'_>, death: Death<'_>, ctx: &mut Context<Self>) {
        #[cfg(feature = "faults")]
        crate::fault::strike_if_poisoned(&publication);
        let known = self.courses.take(&publication, death);
        let course = known.or_else(|| {
            let outgoing = self.errand.prepare(&publication, death, &self.effective)?;
            Some(Box::new(Course::new(&publication, death, outgoing)))
        });
        let Some(mut course) = course else {
            return self.leads_nowhere(key, death.reason);
        };
        let generation = self.directory.generation();
        if course.as_of != Some(generation) {
            self.find_targets(&mut course, generation, &publication.body, ctx);
        }
        if course.targets.is_empty() {
            self.leads_nowhere(key, death.reason);
        } else {
            let message = self.ledger.take_in(key, course.targets.len() as u32);
            let offset = self.page.copy(course.outgoing.publication(publication.body));
            for target in &course.targets {
                self.gather(message, target, offset);
            }
        }
        self.courses.put(course);
    }

    /// A message is not wanted anywhere.
    fn leads_nowhere(&mut self, key: u32, reason: Reason) {
        match reason {
            // Where it came from is gone: it stays where it is.
            Reason::Redriven => self.unwanted.push(key),
            _ => self.ledger.goes_nowhere(key),
        }
    }

    /// Finds out which queues messages go to.
    fn find_targets(
        &mut self,
        course: &mut Course,
        generation: u64,
        body: &Body<'_>,
        ctx: &mut Context<Self>,
    ) {
        let outgoing = &course.outgoing;
        let (directory, exchange, mut names) = (&self.directory, &outgoing.via, Vec::new());
        course.as_of = Some(generation);
        if let Some(found) = directory.exchange(exchange) {
            let keys: Vec<&str> = outgoing.keys.iter().map(String::as_str).collect();
            let content = Content {
                headers: Some(&outgoing.headers),
                properties: &outgoing.properties,
                now: clock::now(),
                random: chance::draw(),
            };
            let message = Message {
                keys: &keys,
                content: Some(content),
            };
            let walked = walk(&**directory, &found.routing.load(), message, &mut names);
            let kept_by = walked.histories.iter();
            kept_by.for_each(|history| history.keep(outgoing.publication(body.clone())));
            course.as_of = (!walked.unsteady).then_some(generation);
        }
        let (queue, vhost) = (&self.source.name, &directory.vhost);
        if names.is_empty() && !std::mem::replace(&mut self.told.lost, true) {
            info!(%queue, %vhost, %exchange, "messages are dropped: the exchange they go to leads nowhere");
        }
        let before = names.len();
        names.retain(|name| !outgoing.goes_round(name));
        if names.len() < before && !std::mem::replace(&mut self.told.cycle, true) {
            info!(%queue, %vhost, %exchange, "dead messages that would go round for ever are dropped");
        }
        let found = names.iter().filter_map(|name| directory.queue(name));
        let attachments = &mut self.attachments;
        let attached = found.map(|queue| attach(attachments, queue, ctx));
        course.targets = attached.collect();
    }

    /// Gathers a copy that is in the page.
    fn gather(&mut self, message: u32, target: &Target, offset: u32) {
        if self.ledger.waits(&target.name) {
            self.waiting.push((message, target.name.clone(), offset));
            return;
        }
        let number = self.confirms.publish();
        self.confirms.sent(number, target.key);
        self.attachments.publish(target.key, offset, Some(number));
        self.gathered.add(number, message, target, offset);
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
        let ledger = &mut self.ledger;
        self.confirms.take(|answer| ledger.answered(answer));
        for (target, wait) in ledger.refused() {
            if wait >= Duration::from_secs(1) {
                warn!(queue = %self.source.name, %target, ?wait, "a target goes on refusing dead messages");
            }
            ctx.run_later(wait, move |forwarder, ctx| forwarder.try_again(&target, ctx));
        }
        let unwanted = std::mem::take(&mut self.unwanted);
        let settled = [(Outcome::Ack, ledger.take_safe()), (Outcome::Requeue, unwanted)];
        let runs: Vec<(Outcome, Vec<u32>)> =
            settled.into_iter().filter(|(_, keys)| !keys.is_empty()).collect();
        if !runs.is_empty() {
            let channel = self.source.holder;
            self.source.addr.do_send(Settle { channel, runs });
        }
    }

    fn post(&mut self) {
        if self.page.is_empty() {
            return;
        }
        let page = self.page.finish();
        self.ledger.sent(self.gathered.take(Arc::clone(&page)));
        for (message, target, offset) in self.waiting.drain(..) {
            self.ledger.wait(Copy {
                message,
                target,
                page: Arc::clone(&page),
                offset,
            });
        }
        self.attachments.post_publications(page);
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
                    self.gather(copy.message, found, offset);
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

fn attach(attachments: &mut Attachments, queue: Arc<QueueHandle>, ctx: &mut Context<Forwarder>) -> Target {
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

impl Handler<Act> for Forwarder {
    type Result = ();

    fn handle(&mut self, _: Act, ctx: &mut Context<Self>) {
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
        let (queue, time) = (self.source.name.clone(), clock::now() / 1000);
        self.make_room(&mail.handout);
        for ((delivery, publication), reason) in mail.handout.publications().zip(mail.reasons) {
            let death = Death {
                queue: &queue,
                reason,
                time,
            };
            self.carry(delivery.key, publication, death, ctx);
        }
        self.absorbed(mail.handout.len(), ctx);
    }
}

impl Handler<QueueNotice> for Forwarder {
    type Result = ();

    fn handle(&mut self, notice: QueueNotice, ctx: &mut Context<Self>) {
        match notice {
            QueueNotice::Gone { queue, .. } if queue == self.source.id => return ctx.stop(),
            QueueNotice::Stored { queue, upto } => {
                if let Some(key) = self.attachments.key_of(queue) {
                    self.confirms.stored(key, upto);
                }
            }
            QueueNotice::Refused {
                queue,
                upto,
                of,
                refused,
            } => {
                if let Some(key) = self.attachments.key_of(queue) {
                    self.confirms.refused_of_batch(key, upto, of, &refused);
                }
            }
            // A forwarder settles in its own time.
            QueueNotice::Overdue { .. } => {}
            QueueNotice::Gone { queue, crashed } => {
                if let Some(key) = self.attachments.key_of(queue) {
                    let verdict = if crashed { Verdict::Nack } else { Verdict::Ack };
                    self.confirms.gone(key, verdict);
                    self.attachments.gone(queue);
                    self.courses.clear();
                }
            }
        }
        self.absorbed(1, ctx);
    }
}
