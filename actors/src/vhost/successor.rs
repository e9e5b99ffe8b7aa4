//! Questions to a queue or an exchange that may crash before it answers.

use actix::dev::ToEnvelope;
use actix::prelude::*;

use super::actor::VirtualHost;
use super::messages::Settled;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// Its successor crashed too.
    Crashed,
    /// It has crashed, and was deleted since.
    Deleted,
}

/// Asks a question that may be asked twice. If whom it is sent to crashes before it answers, whatever the reason,
/// the one that the virtual host starts in its place is asked.
pub(crate) fn ask<A, Q, S>(
    host: Addr<VirtualHost>,
    whom: &Addr<A>,
    question: Q,
    successor: S,
) -> impl Future<Output = Result<Q::Result, Unanswered>> + use<A, Q, S>
where
    A: Actor<Context: ToEnvelope<A, Q>> + Handler<Q>,
    Q: Message<Result: Send> + Clone + Send + 'static,
    S: FnOnce() -> Option<Addr<A>>,
{
    let asked = whom.send(question.clone());
    async move {
        if let Ok(answer) = asked.await {
            return Ok(answer);
        }
        // The host was told of the crash before the question was dropped.
        let _ = host.send(Settled).await;
        let successor = successor().ok_or(Unanswered::Deleted)?;
        let answer = successor.send(question).await;
        // What the successor told the host before it answered, of its own end for one, has been heard then.
        let _ = host.send(Settled).await;
        answer.map_err(|_| Unanswered::Crashed)
    }
}
