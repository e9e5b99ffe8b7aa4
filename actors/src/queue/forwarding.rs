//! How a queue gives its dead messages away: what it says to their forwarder, and how it gets one. What that is and
//! how it routes is not the queue's concern.

use std::sync::Arc;

use actix::prelude::*;

use super::Reason;
use super::actor::Queue;
use super::effective::Effective;
use crate::id::{ChannelId, QueueId};
use crate::name::Name;
use crate::publication::Handout;

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
        while self.state.has_dead() {
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
