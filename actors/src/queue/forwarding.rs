//! How a queue gives its dead messages away: what it says to their forwarder, and how it gets one. What that is and
//! how it routes is not the queue's concern.
//!
//! A forwarder that is lost has crashed. The next one comes after a pause, so that one which crashes as soon as it is there
//! does nothing but that seldom.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tracing::error;

use super::Convoy;
use super::actor::Queue;
use super::effective::Effective;
use crate::id::{ChannelId, QueueId, StoreId};
use crate::name::Name;
use crate::node::Context;

/// The pause after the first loss of a forwarder; it doubles with each that follows before something was carried away.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Whether a queue waits before it has another forwarder.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    on: bool,
    /// Forwarders that were lost since something was carried away.
    lost: u32,
}

impl Pause {
    /// A forwarder was lost: how long to wait.
    fn begin(&mut self) -> Duration {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.lost.min(16));
        self.lost += 1;
        self.on = true;
        pause.min(LONGEST_PAUSE)
    }
}

/// Dead messages on their way to their queue's forwarder, which settles them once their targets have them safely.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Forward {
    /// The messages.
    pub convoy: Convoy,
    /// Where they are to go.
    pub effective: Arc<Effective>,
}

/// What became of dead messages, by their numbers.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Carried {
    /// The [holder](Source::holder) that had them.
    pub holder: ChannelId,
    /// Their targets have them safely.
    pub safe: Vec<RangeInclusive<u64>>,
    /// Nobody takes them: they wait again at their places.
    pub unwanted: Vec<RangeInclusive<u64>>,
}

/// The queue that a forwarder works for.
#[derive(Debug)]
pub struct Source {
    /// Its id.
    pub id: QueueId,
    /// Its name.
    pub name: Name,
    /// Its mailbox.
    pub addr: Addr<Queue>,
    /// As what the log knows it that has its messages.
    pub store: Option<StoreId>,
    /// The holder of the messages the forwarder is sent. It is another one for each forwarder.
    pub holder: ChannelId,
}

impl Queue {
    /// Gives the forwarder what has died, as far as it has room. There is one as soon as something dies.
    pub(super) fn forward_dead(&mut self, ctx: &Context<Self>) {
        while self.state.has_dead() && !self.pause.on {
            let (holder, forwarder) = match self.forwarder.take() {
                Some(forwarder) => forwarder,
                None => self.new_forwarder(ctx),
            };
            let dead = self.state.next_dead(holder);
            let none = dead.is_none();
            if let Some(convoy) = dead {
                forwarder.do_send(Forward {
                    convoy,
                    effective: Arc::clone(&self.effective),
                });
            }
            self.forwarder = Some((holder, forwarder));
            if none {
                break;
            }
        }
    }

    /// Whether this is the forwarder.
    pub(super) fn is_forwarder(&self, channel: ChannelId) -> bool {
        self.forwarder
            .as_ref()
            .is_some_and(|(holder, _)| *holder == channel)
    }

    /// The forwarder has crashed.
    pub(super) fn lost_forwarder(&mut self, ctx: &mut Context<Self>) {
        self.forwarder = None;
        let pause = self.pause.begin();
        error!(queue = %self.name, ?pause, "what carries dead messages away crashed; it is started anew after a pause");
        if let Some(position) = self.state.take_dead_back() {
            error!(
                queue = %self.name, position,
                "a dead message can't be carried away: what carries it crashes. It stays in the queue, neither ready nor \
                 dead-lettered, until the broker starts again or the queue's arguments or policies change"
            );
        }
        ctx.run_later(pause, |queue, ctx| {
            queue.pause.on = false;
            queue.act(ctx);
        });
    }

    fn new_forwarder(&mut self, ctx: &Context<Self>) -> (ChannelId, Recipient<Forward>) {
        let holder = ChannelId::next();
        let forwarder = (self.start_forwarder)(Source {
            id: self.id,
            name: self.name.clone(),
            addr: ctx.address(),
            store: self.journal.store(),
            holder,
        });
        (holder, forwarder)
    }
}

impl Handler<Carried> for Queue {
    type Result = ();

    fn handle(&mut self, mail: Carried, ctx: &mut Context<Self>) {
        let (state, holder, mut messages) = (&mut self.state, mail.holder, 0);
        for numbers in mail.safe {
            messages += state.settle_dead(holder, numbers);
        }
        for numbers in mail.unwanted {
            messages += state.resurrect(holder, numbers);
        }
        if messages > 0 {
            self.pause.lost = 0;
        }
        self.absorbed(messages, ctx);
    }
}

/// Starts a forwarder for a queue, on the thread it is called on.
///
/// The forwarder attaches to the queue as `holder`, settles what it is sent with [`Carried`], and [detaches](super::messages::Detach) when it is lost: what it had not settled is
/// the queue's again. It ends with the queue.
pub type StartForwarder = Box<dyn FnMut(Source) -> Recipient<Forward> + Send>;
