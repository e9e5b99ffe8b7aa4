//! Short ways to write methods, and a way to say which one is expected.

use leveret_protocol::Method;
use leveret_protocol::method::{access, basic, channel, confirm, connection, exchange, queue, tx};

/// A transient, shared queue without arguments.
pub(crate) fn queue(queue: &str) -> queue::Declare<'_> {
    queue::Declare {
        queue,
        ..Default::default()
    }
}

/// The question whether a queue exists.
pub(crate) fn passive(queue: &str) -> queue::Declare<'_> {
    queue::Declare {
        queue,
        passive: true,
        ..Default::default()
    }
}

/// A queue for this connection alone.
pub(crate) fn exclusive(queue: &str) -> queue::Declare<'_> {
    queue::Declare {
        queue,
        exclusive: true,
        ..Default::default()
    }
}

/// A transient exchange without arguments.
pub(crate) fn exchange<'a>(exchange: &'a str, kind: &'a str) -> exchange::Declare<'a> {
    exchange::Declare {
        exchange,
        kind,
        ..Default::default()
    }
}

/// The question whether an exchange exists.
pub(crate) fn passive_exchange(exchange: &str) -> exchange::Declare<'_> {
    exchange::Declare {
        exchange,
        passive: true,
        ..Default::default()
    }
}

/// A binding of a queue.
pub(crate) fn bind<'a>(queue: &'a str, exchange: &'a str, routing_key: &'a str) -> queue::Bind<'a> {
    queue::Bind {
        queue,
        exchange,
        routing_key,
        ..Default::default()
    }
}

/// The end of a binding of a queue.
pub(crate) fn unbind<'a>(queue: &'a str, exchange: &'a str, routing_key: &'a str) -> queue::Unbind<'a> {
    queue::Unbind {
        queue,
        exchange,
        routing_key,
        ..Default::default()
    }
}

/// A binding of an exchange to another.
pub(crate) fn bind_exchange<'a>(destination: &'a str, source: &'a str, key: &'a str) -> exchange::Bind<'a> {
    exchange::Bind {
        destination,
        source,
        routing_key: key,
        ..Default::default()
    }
}

/// The end of a binding of an exchange.
pub(crate) fn unbind_exchange<'a>(
    destination: &'a str,
    source: &'a str,
    key: &'a str,
) -> exchange::Unbind<'a> {
    exchange::Unbind {
        destination,
        source,
        routing_key: key,
        ..Default::default()
    }
}

/// The end of a queue, whatever is in it.
pub(crate) fn delete(queue: &str) -> queue::Delete<'_> {
    queue::Delete {
        queue,
        ..Default::default()
    }
}

/// The end of an exchange, whatever is bound.
pub(crate) fn delete_exchange(exchange: &str) -> exchange::Delete<'_> {
    exchange::Delete {
        exchange,
        ..Default::default()
    }
}

/// The end of all ready messages.
pub(crate) fn purge(queue: &str) -> queue::Purge<'_> {
    queue::Purge { queue, nowait: false }
}

/// A shared subscription with acknowledgements, named by the broker.
pub(crate) fn consume(queue: &str) -> basic::Consume<'_> {
    basic::Consume {
        queue,
        ..Default::default()
    }
}

/// The end of a subscription.
pub(crate) fn cancel(consumer_tag: &str) -> basic::Cancel<'_> {
    basic::Cancel {
        consumer_tag,
        nowait: false,
    }
}

/// One message, to be acknowledged.
pub(crate) fn get(queue: &str) -> basic::Get<'_> {
    basic::Get { queue, no_ack: false }
}

/// A publication that must find a queue.
pub(crate) fn mandatory<'a>(exchange: &'a str, routing_key: &'a str) -> basic::Publish<'a> {
    basic::Publish {
        exchange,
        routing_key,
        mandatory: true,
        ..Default::default()
    }
}

/// A method that a test may expect from the broker.
pub(crate) trait Reply: Sized {
    /// Its name in AMQP.
    const WANTED: &'static str;

    fn from_method(method: Method<'static>) -> Option<Self>;
}

macro_rules! replies {
    ($( $Class:ident $class:ident: $( $Name:ident $(<$life:lifetime>)? )+; )+) => {
        $($(
            impl Reply for $class::$Name $(<$life>)? {
                const WANTED: &'static str = $class::$Name::NAME;

                fn from_method(method: Method<'static>) -> Option<Self> {
                    match method {
                        Method::$Class($class::Method::$Name(method)) => Some(method),
                        _ => None,
                    }
                }
            }
        )+)+
    };
}

replies! {
    Connection connection: Start<'static> Secure<'static> Tune OpenOk Close<'static> CloseOk
        Blocked<'static> Unblocked UpdateSecretOk;
    Channel channel: OpenOk FlowOk Close<'static> CloseOk;
    Access access: RequestOk;
    Exchange exchange: DeclareOk DeleteOk BindOk UnbindOk;
    Queue queue: DeclareOk<'static> BindOk PurgeOk DeleteOk UnbindOk;
    Basic basic: QosOk ConsumeOk<'static> Cancel<'static> CancelOk<'static> Return<'static> Deliver<'static>
        GetOk<'static> GetEmpty Ack Nack RecoverOk;
    Confirm confirm: SelectOk;
    Tx tx: SelectOk CommitOk RollbackOk;
}
