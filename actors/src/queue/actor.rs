//! The queue actor: mail in, [`QueueState`] changed, mail out. It decides nothing itself.

use std::collections::VecDeque;
use std::sync::Arc;

use actix::prelude::*;
use rustc_hash::FxHashMap;

use super::attachment::Peer;
use super::effective::Effective;
use super::forwarding::{Forward, Pause, StartForwarder};
use super::gets::WaitingGet;
use super::messages::*;
use super::notices::tell_stored;
use super::options::{QueueKind, QueueOptions};
use super::priorities::Priorities;
use super::roads::{Road, Roads};
use super::timing::Alarm;
use super::unsynced::Unsynced;
use super::{Departing, MemoryBudget, Pass, QueueSettings, QueueState, pace};
use crate::clock;
use crate::deduplication::Seen;
use crate::id::{ChannelId, QueueId, StoreId};
use crate::journal::Journal;
use crate::lease::Lease;
use crate::name::Name;
use crate::node::{Context, Entered, Near};
use crate::publication::{Part, Room};
use crate::turn::{Acts, Turn};
use crate::window::Permit;

/// Messages that die in one pass of one cause; more wait for the next turn, so that other actors of the thread run.
const MOST_DEATHS: usize = 4096;

/// What a queue tells its virtual host of its end.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub enum QueueEnded {
    /// It is deleted.
    Deleted {
        /// Which queue.
        queue: QueueId,
        /// What has died in it and is still to be carried away, if a journal has some of that.
        departing: Option<Arc<Departing>>,
    },
    /// That is away, or given up.
    Departed {
        /// Which queue.
        queue: QueueId,
    },
}

/// What a queue is started with.
pub struct QueueSeed {
    /// Its id.
    pub id: QueueId,
    /// Its name, for the log.
    pub name: Name,
    /// What it was declared with.
    pub options: Arc<QueueOptions>,
    /// What that means under the policies of this moment.
    pub effective: Arc<Effective>,
    /// What its messages are kept under, if it is durable.
    pub store_id: Option<StoreId>,
    /// Keeps its messages.
    pub journal: Box<dyn Journal>,
    /// Takes what memory has no room for. Of its own, and empty.
    pub scratch: Box<dyn Journal>,
    /// When messages leave memory.
    pub memory: MemoryBudget,
    /// Starts what carries dead messages away.
    pub start_forwarder: StartForwarder,
    /// Told when it deletes itself.
    pub ended: Recipient<QueueEnded>,
    /// Tells its virtual host when it is gone.
    pub lease: Lease<QueueId>,
}

/// The owner of a queue's messages.
///
/// There may be thousands, each of which gets a little now and then: what a turn touches of most is together in memory.
#[repr(C)]
pub struct Queue {
    /// It takes nothing any more. What is dead in it may still be on its way.
    pub(super) deleted: bool,
    /// Its virtual host knows what has died in it, and is to hear when that is away.
    pub(super) departs: bool,
    /// Nothing is left of it.
    pub(super) gone: bool,
    pub(super) turn: Turn,
    /// The consumers.
    pub(super) supplies: Roads,
    pub(super) state: QueueState,
    /// What was taken since the last act: held until then, so that publishers can't outrun the consumers of a busy queue.
    pub(super) taken: Vec<Part>,
    /// Cover what was taken before and has to leave memory.
    pub(super) permits: Vec<Permit>,
    pub(super) id: QueueId,
    pub(super) peers: FxHashMap<ChannelId, Peer>,
    /// Channels that are owed a `Stored` at the end of this turn.
    pub(super) owed: Vec<ChannelId>,
    /// basic.gets that wait for a message to be read.
    pub(super) gets: VecDeque<WaitingGet>,
    /// What holds now.
    pub(crate) effective: Arc<Effective>,
    pub(super) journal: Box<dyn Journal>,
    /// The messages it was given before, if it drops those that come twice.
    pub(super) seen: Option<Seen>,
    /// Confirms that wait for the journal.
    pub(super) unsynced: Unsynced,
    /// Tickets of the journal as they rise, and the position below which all is safe with each.
    pub(super) syncing: VecDeque<(u64, u64)>,
    pub(super) memory: MemoryBudget,
    /// Kept for messages that are being read, so that many queues together don't ask for more than there is room for.
    pub(super) reading: Option<Room>,
    pub(super) scratch: Box<dyn Journal>,
    /// Carries dead messages away, and holds them under an id of its own.
    pub(crate) forwarder: Option<(ChannelId, Recipient<Forward>)>,
    pub(super) pause: Pause,
    pub(super) alarm: Alarm,
    pub(super) name: Name,
    pub(super) start_forwarder: StartForwarder,
    pub(super) ended: Recipient<QueueEnded>,
    pub(super) here: Option<Entered<QueueId, Near<Queue>>>,
    _lease: Lease<QueueId>,
}

impl Queue {
    /// A queue that holds nothing yet.
    pub fn new(seed: QueueSeed) -> Self {
        let settings = QueueSettings {
            single_active_consumer: seed.options.single_active_consumer,
            yields_to_priority: seed.options.kind == QueueKind::Quorum,
            auto_delete: seed.options.auto_delete,
            journaled: seed.journal.keeps(),
            transient_too: seed.options.kind == QueueKind::Quorum,
            priorities: match seed.options.kind {
                QueueKind::Quorum => Priorities::QUORUM,
                QueueKind::Classic => Priorities::up_to(seed.options.max_priority.unwrap_or_default()),
            },
        };
        let mut state = QueueState::new(settings);
        state.amend_returns(&seed.effective);
        state.amend(&seed.effective);
        Queue {
            id: seed.id,
            name: seed.name,
            state,
            seen: seed.effective.deduplication.clone().map(Seen::new),
            effective: seed.effective,
            journal: seed.journal,
            scratch: seed.scratch,
            memory: seed.memory,
            reading: None,
            gets: VecDeque::new(),
            peers: FxHashMap::default(),
            supplies: Roads::default(),
            owed: Vec::new(),
            unsynced: Unsynced::default(),
            syncing: VecDeque::new(),
            taken: Vec::new(),
            permits: Vec::new(),
            deleted: false,
            departs: false,
            gone: false,
            start_forwarder: seed.start_forwarder,
            forwarder: None,
            pause: Pause::default(),
            alarm: Alarm::default(),
            turn: Turn::default(),
            ended: seed.ended,
            here: None,
            _lease: seed.lease,
        }
    }

    /// A queue that was deleted before it came to life.
    pub fn departing(seed: QueueSeed, departing: &Departing) -> Self {
        let mut queue = Queue::new(seed);
        queue.state = QueueState::departing(departing);
        (queue.deleted, queue.departs) = (true, true);
        queue
    }

    pub(super) fn absorbed(&mut self, weight: usize, ctx: &mut Context<Self>) {
        if self.turn.ask(weight, ctx) {
            self.act(ctx);
        }
    }

    /// One dispatch pass, then everything that is owed.
    pub(super) fn act(&mut self, ctx: &mut Context<Self>) {
        self.turn.begin();
        let mut pass = self.pass();
        let handed_out = !(pass.handouts.is_empty() && pass.trays.is_empty());
        for (consumer, handout) in pass.handouts {
            self.supply(consumer, Supply::Deliver(handout));
        }
        for tray in pass.trays {
            self.serve(tray);
        }
        for (consumer, messages) in pass.unused {
            self.supply(consumer, Supply::Unused(messages));
        }
        for consumer in pass.offers {
            self.supply(consumer, Supply::Offer);
        }
        for channel in self.owed.drain(..) {
            if let Some(peer) = self.peers.get_mut(&channel)
                && peer.stored > peer.told
            {
                peer.told = peer.stored;
                tell_stored(channel, &peer.notice, self.id, peer.stored);
            }
        }
        if !pass.more {
            self.state.expire_fleeting();
            pass.more = self.state.is_too_long() && self.state.drop_excess(MOST_DEATHS);
        }
        self.forward_dead(ctx);
        self.make_room();
        // Before the journal is asked for messages, it has to hear which of them are gone.
        self.tell_settled();
        self.read_ahead(handed_out);
        self.give_permits();
        let moves_on = self.state.compact_further();
        if pass.more || moves_on {
            self.turn.again(ctx);
        }
        match self.deleted {
            false => self.look_ahead(ctx),
            true => self.depart(),
        }
    }

    /// Serves those who want messages. None is served before all are gone whose time is over.
    fn pass(&mut self) -> Pass {
        self.wake();
        if self.state.is_timed() && self.state.expire(clock::now(), MOST_DEATHS) {
            return Pass {
                more: true,
                ..Pass::default()
            };
        }
        self.answer_gets();
        let came: u32 = self.taken.iter().map(Part::len).sum();
        let most = pace::most(self.supplies.len(), came as usize);
        let pass = self.state.dispatch(most);
        self.call_in(&pass);
        pass
    }
}

impl Actor for Queue {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        if self.here.is_none() {
            self.enter(&ctx.near());
        }
        self.take_back(ctx);
    }
}

impl Acts for Queue {
    fn take_turn(&mut self, ctx: &mut Context<Self>) {
        self.act(ctx);
    }
}

impl Handler<Settle> for Queue {
    type Result = ();

    fn handle(&mut self, Settle { channel, runs }: Settle, ctx: &mut Context<Self>) {
        let mut weight = 0;
        for (outcome, keys) in runs {
            weight += self.state.settle(channel, outcome, &keys);
        }
        self.absorbed(weight, ctx);
    }
}

impl Handler<Subscribe> for Queue {
    type Result = ();

    fn handle(&mut self, mail: Subscribe, ctx: &mut Context<Self>) {
        let own = mail.supply.read();
        let hall = mail.hall.zip(mail.subscription.seat);
        let road = Road::to(mail.consumer, own, hall);
        if self.deleted {
            road.bring(mail.consumer, Supply::QueueGone { crashed: false });
            return;
        }
        let subscribed = self
            .state
            .subscribe(mail.channel, mail.consumer, mail.subscription);
        let accepted = subscribed.is_ok();
        road.bring(mail.consumer, Supply::Subscribed(subscribed));
        if accepted {
            self.supplies.insert(mail.consumer, road);
            self.absorbed(1, ctx);
        }
    }
}

impl Handler<Unsubscribe> for Queue {
    type Result = ();

    fn handle(&mut self, Unsubscribe { consumer }: Unsubscribe, ctx: &mut Context<Self>) {
        self.state.unsubscribe(consumer);
        if let Some(road) = self.supplies.remove(consumer) {
            // The queue may be about to delete itself: the virtual host hears of that before the consumer hears of its end.
            self.check_abandoned(ctx);
            road.bring(consumer, Supply::Unsubscribed);
        }
        self.absorbed(1, ctx);
    }
}

impl Handler<Credit> for Queue {
    type Result = ();

    fn handle(&mut self, Credit { consumer, grant }: Credit, ctx: &mut Context<Self>) {
        self.state.credit(consumer, grant);
        self.absorbed(1, ctx);
    }
}

impl Handler<LendOnOffer> for Queue {
    type Result = ();

    fn handle(&mut self, LendOnOffer { consumer, on }: LendOnOffer, ctx: &mut Context<Self>) {
        self.state.set_on_offer(consumer, on);
        self.absorbed(1, ctx);
    }
}

impl Handler<Amend> for Queue {
    type Result = ();

    fn handle(&mut self, Amend(effective): Amend, ctx: &mut Context<Self>) {
        self.state.amend_returns(&effective);
        self.state.amend(&effective);
        self.effective = effective;
        self.used();
        self.absorbed(1, ctx);
    }
}

impl Handler<Purge> for Queue {
    type Result = Result<u32, Deleted>;

    fn handle(&mut self, _: Purge, ctx: &mut Context<Self>) -> Self::Result {
        if self.deleted {
            return Err(Deleted);
        }
        self.act(ctx);
        let purged = self.state.purge();
        self.tell_settled();
        self.absorbed(1, ctx);
        Ok(purged)
    }
}

impl Handler<Inspect> for Queue {
    type Result = Result<Inspection, Deleted>;

    fn handle(&mut self, _: Inspect, ctx: &mut Context<Self>) -> Self::Result {
        if self.deleted {
            return Err(Deleted);
        }
        self.used();
        self.act(ctx);
        Ok(Inspection {
            ready: self.state.ready(),
            consumers: self.state.consumers(),
            unacked: self.state.unacked(),
            bytes: self.state.bytes(),
            absent: self.state.absent(),
            resting: self.state.resting(),
        })
    }
}
