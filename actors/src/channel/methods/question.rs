//! Questions to a queue.

use std::sync::Arc;

use actix::prelude::*;
use futures_util::future::{Either, ready};
use leveret_protocol::Exception;

use super::lost;
use crate::queue::actor::Queue;
use crate::vhost::directory::QueueHandle;
use crate::vhost::successor::{Unanswered, ask};
use crate::vhost::{VhostHandle, names};

/// Asks a queue, or the one that takes its place if it crashes. One that does not live yet need not for that, if it is known what
/// it would answer: `untouched`.
pub(super) fn ask_queue<Q>(
    vhost: Arc<VhostHandle>,
    queue: &QueueHandle,
    question: Q,
    untouched: Option<Q::Result>,
) -> impl Future<Output = Result<Q::Result, Exception>> + use<Q>
where
    Q: Message<Result: Send> + Clone + Send + 'static,
    Queue: Handler<Q>,
{
    let (name, directory) = (queue.name.clone(), Arc::clone(&vhost.directory));
    let successor = {
        let name = name.clone();
        move || {
            let up = directory.queue(&name).filter(|queue| queue.down_until.is_none());
            up.map(|queue| queue.addr().clone())
        }
    };
    let known = untouched.filter(|_| !queue.dwelling.is_inhabited());
    let asked = match known {
        Some(answer) => Either::Left(ready(Ok(answer))),
        None => Either::Right(ask(vhost.addr.clone(), queue.addr(), question, successor)),
    };
    async move {
        asked.await.map_err(|unanswered| match unanswered {
            Unanswered::Crashed => lost("queue"),
            Unanswered::Deleted if vhost.directory.queue(&name).is_some() => {
                names::queue_down(&name, &vhost.name)
            }
            Unanswered::Deleted => names::no_queue(&name, &vhost.name),
        })
    }
}
