//! Questions to a queue that may crash before it answers.

use std::sync::Arc;

use actix::prelude::*;
use leveret_protocol::Exception;

use super::lost;
use crate::queue::actor::Queue;
use crate::vhost::directory::QueueHandle;
use crate::vhost::{VhostHandle, messages::Settled, names};

/// Asks a queue a question that may be asked twice. If the queue crashes before it answers, whatever the reason, the
/// one that is started in its place is asked; if that crashes too, the question is given up.
pub(super) fn ask_queue<Q>(
    vhost: Arc<VhostHandle>,
    queue: &Arc<QueueHandle>,
    question: Q,
) -> impl Future<Output = Result<Q::Result, Exception>> + use<Q>
where
    Q: Message<Result: Send> + Clone + Send + 'static,
    Queue: Handler<Q>,
{
    let asked = queue.addr.send(question.clone());
    let name = queue.name.clone();
    async move {
        if let Ok(answer) = asked.await {
            return Ok(answer);
        }
        // The virtual host was told of the crash before the question was dropped.
        let _ = vhost.addr.send(Settled).await;
        let queue = vhost.directory.queue(&name);
        let queue = queue.ok_or_else(|| names::no_queue(&name, &vhost.name))?;
        queue.addr.send(question).await.map_err(|_| lost("queue"))
    }
}
