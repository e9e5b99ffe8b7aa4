//! Waiting messages, as the embedder of a broker reads, redrives and cancels them.

use std::sync::Arc;

use leveret_protocol::{FieldTable, FieldValue, Properties};

use super::Broker;
use crate::exchange::delay::waiting_room;
use crate::name::Name;
use crate::publication::Publication;
use crate::queue::messages::{Browse, TakeAway};
use crate::queue::{Browsed, Fate, Reason};
use crate::vhost::directory::{Directory, QueueHandle};

/// Messages that a redrive looks at together, and their bytes.
const WINDOW: (usize, u64) = (1_000, 4 * 1024 * 1024);

/// Why messages could not be read or moved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrowseError {
    /// There is no such virtual host.
    #[error("no vhost '{0}'")]
    NoVhost(Name),
    /// There is no such queue, or it was deleted meanwhile.
    #[error("no queue '{0}'")]
    NoQueue(Name),
    /// The queue has crashed; it can be asked again.
    #[error("queue '{0}' does not answer")]
    Unanswered(Name),
}

/// Which dead letters are redriven: those for which all that is said here holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Redrive {
    /// They first died for this reason.
    pub reason: Option<Reason>,
    /// They first died in this queue.
    pub queue: Option<Name>,
    /// They have this header with this value.
    pub header: Option<(String, FieldValue)>,
    /// So many at most, the first ones.
    pub most: Option<usize>,
}

impl Broker {
    /// Reads waiting messages of a queue from a position on, `most` of about `most_bytes`. The queue stays as it is: nothing is
    /// marked as redelivered or loses its place.
    ///
    /// # Errors
    ///
    /// When there is no such virtual host or queue, or it crashes meanwhile.
    pub async fn browse(
        &self,
        vhost: &str,
        queue: &str,
        from: u64,
        (most, most_bytes): (usize, u64),
    ) -> Result<Browsed, BrowseError> {
        let (_, queue) = self.queue_to_browse(vhost, queue)?;
        look(&queue, from, (most, most_bytes)).await
    }

    /// Reads messages that a delayed exchange holds, as [`browse`](Self::browse) does; their delays are in their headers.
    ///
    /// # Errors
    ///
    /// As [`browse`](Self::browse).
    pub async fn pending(
        &self,
        vhost: &str,
        exchange: &str,
        from: u64,
        bounds: (usize, u64),
    ) -> Result<Browsed, BrowseError> {
        self.browse(vhost, &waiting_room(exchange), from, bounds).await
    }

    /// Drops messages that a delayed exchange holds, by their positions; returns how many of them were still there.
    ///
    /// # Errors
    ///
    /// As [`browse`](Self::browse).
    pub async fn cancel_pending(
        &self,
        vhost: &str,
        exchange: &str,
        positions: &[u64],
    ) -> Result<usize, BrowseError> {
        let (_, queue) = self.queue_to_browse(vhost, &waiting_room(exchange))?;
        let places = positions.iter().map(|&position| (position, 0)).collect();
        take(&queue, places, Fate::Dropped).await
    }

    /// Sends dead letters that wait in a queue back to the queues in which they first died, and returns how many. Those
    /// whose queue does not exist stay.
    ///
    /// Each leaves this queue when the other has it safely: if the broker ends meanwhile, what is left can be redriven again,
    /// and nothing is lost.
    ///
    /// # Errors
    ///
    /// As [`browse`](Self::browse). What was redriven before stays so.
    pub async fn redrive(&self, vhost: &str, queue: &str, which: &Redrive) -> Result<usize, BrowseError> {
        let (directory, queue) = self.queue_to_browse(vhost, queue)?;
        let (mut from, mut moved) = (Some(0), 0);
        while let Some(position) = from {
            let left = which.most.map_or(usize::MAX, |most| most - moved);
            if left == 0 {
                break;
            }
            let seen = look(&queue, position, WINDOW).await?;
            let meant = seen
                .messages
                .iter()
                .filter(|message| which.means(&message.publication(), &directory));
            let places = meant.map(|message| (message.position, message.level));
            moved += take(&queue, places.take(left).collect(), Fate::Redriven).await?;
            from = seen.next;
        }
        Ok(moved)
    }

    fn queue_to_browse(
        &self,
        vhost: &str,
        queue: &str,
    ) -> Result<(Arc<Directory>, Arc<QueueHandle>), BrowseError> {
        let found = self.node.vhost(vhost);
        let vhost = found.ok_or_else(|| BrowseError::NoVhost(vhost.into()))?;
        let found = vhost.directory.queue(queue);
        let queue = found.ok_or_else(|| BrowseError::NoQueue(queue.into()))?;
        Ok((Arc::clone(&vhost.directory), queue))
    }
}

impl Redrive {
    fn means(&self, publication: &Publication<'_>, directory: &Directory) -> bool {
        if !publication.dead_lettered {
            return false;
        }
        let properties = Properties::parse(publication.properties).unwrap_or_default();
        let headers: FieldTable = properties.headers().ok().flatten().unwrap_or_default();
        let said = |key| headers.get(key).and_then(FieldValue::as_str);
        let queue = said("x-first-death-queue");
        let reason = said("x-first-death-reason").and_then(Reason::parse);
        queue.is_some_and(|queue| directory.queue(queue).is_some())
            && self.reason.is_none_or(|wanted| reason == Some(wanted))
            && self
                .queue
                .as_ref()
                .is_none_or(|wanted| queue == Some(wanted.as_str()))
            && self
                .header
                .as_ref()
                .is_none_or(|(key, value)| headers.get(key) == Some(value))
    }
}

async fn look(
    queue: &QueueHandle,
    from: u64,
    (most, most_bytes): (usize, u64),
) -> Result<Browsed, BrowseError> {
    let browse = Browse {
        from,
        most,
        most_bytes,
    };
    let seen = queue.addr().send(browse).await;
    let seen = seen.map_err(|_| BrowseError::Unanswered(queue.name.clone()))?;
    seen.map_err(|_| BrowseError::NoQueue(queue.name.clone()))
}

async fn take(queue: &QueueHandle, places: Vec<(u64, u8)>, fate: Fate) -> Result<usize, BrowseError> {
    if places.is_empty() {
        return Ok(0);
    }
    let taken = queue.addr().send(TakeAway { places, fate }).await;
    let taken = taken.map_err(|_| BrowseError::Unanswered(queue.name.clone()))?;
    taken.map_err(|_| BrowseError::NoQueue(queue.name.clone()))
}
