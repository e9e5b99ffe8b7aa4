//! How a queue gives its dead messages away: what it says to their forwarder, and how it gets one. What that is and
//! how it routes is not the queue's concern.
//!
//! A forwarder that is lost has crashed. The next one comes after a pause, so that one which crashes as soon as it is there
//! does nothing but that seldom.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tracing::error;

use super::Reason;
use super::actor::Queue;
use super::effective::Effective;
use crate::id::{ChannelId, QueueId};
use crate::name::Name;
use crate::publication::Handout;

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
    /// The messages, held for the forwarder.
    pub handout: Handout,
    /// Why each of them died.
    pub reasons: Vec<Reason>,
    /// Where they are to go.
    pub effective: Arc<Effective>,
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
            if let Some((handout, reasons)) = dead {
                forwarder.do_send(Forward {
                    handout,
                    reasons,
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

    /// A channel has settled so many messages.
    pub(super) fn carried(&mut self, channel: ChannelId, messages: usize) {
        if self.pause.lost > 0 && messages > 0 && self.is_forwarder(channel) {
            self.pause.lost = 0;
        }
    }

    /// The forwarder has crashed.
    pub(super) fn lost_forwarder(&mut self, holder: ChannelId, ctx: &mut Context<Self>) {
        self.forwarder = None;
        let pause = self.pause.begin();
        error!(queue = %self.name, ?pause, "what carries dead messages away crashed; it is started anew after a pause");
        if let Some(position) = self.state.take_dead_back(holder) {
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
            holder,
        });
        (holder, forwarder)
    }
}

/// Starts a forwarder for a queue, on the thread it is called on.
///
/// The forwarder attaches to the queue as `holder`, settles what it is sent with [`Settle`](super::messages::Settle) and
/// [`Outcome::Ack`](super::Outcome), and [detaches](super::messages::Detach) when it is lost: what it had not settled is
/// the queue's again. It ends with the queue.
pub type StartForwarder = Box<dyn FnMut(Source) -> Recipient<Forward> + Send>;
