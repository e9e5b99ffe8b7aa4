//! Changes on the wire.

use super::topology::{Binding, Change, End};
use crate::support::{Channel, methods};
use crate::{durable, durable_exchange};

/// Has something changed that may have been changed before; not a purge, and not the end of something.
pub(super) fn ask_for(channel: &Channel, change: &Change) {
    if matches!(change, Change::Bind(_) | Change::Unbind(_)) {
        send(channel, change);
        assert_eq!(channel.method().name(), answer(change));
    }
}

/// Asks for a change.
pub(super) fn send(channel: &Channel, change: &Change) {
    match change {
        Change::DeclareQueue(name) => channel.send(durable(name)),
        Change::DeleteQueue(name) => channel.send(methods::delete(name)),
        Change::Purge(name) => channel.send(methods::purge(name)),
        Change::DeclareExchange(name, kind) => channel.send(durable_exchange(name, kind.name())),
        Change::DeleteExchange(name) => channel.send(methods::delete_exchange(name)),
        Change::Bind(Binding { source, end, key }) => match end {
            End::Queue(name) => channel.send(methods::bind(name, source, key)),
            End::Exchange(name) => channel.send(methods::bind_exchange(name, source, key)),
        },
        Change::Unbind(Binding { source, end, key }) => match end {
            End::Queue(name) => channel.send(methods::unbind(name, source, key)),
            End::Exchange(name) => channel.send(methods::unbind_exchange(name, source, key)),
        },
    }
}

/// The name of the answer.
pub(super) fn answer(change: &Change) -> &'static str {
    match change {
        Change::DeclareQueue(_) => "queue.declare-ok",
        Change::DeleteQueue(_) => "queue.delete-ok",
        Change::Purge(_) => "queue.purge-ok",
        Change::DeclareExchange(..) => "exchange.declare-ok",
        Change::DeleteExchange(_) => "exchange.delete-ok",
        Change::Bind(binding) if matches!(binding.end, End::Queue(_)) => "queue.bind-ok",
        Change::Bind(_) => "exchange.bind-ok",
        Change::Unbind(binding) if matches!(binding.end, End::Queue(_)) => "queue.unbind-ok",
        Change::Unbind(_) => "exchange.unbind-ok",
    }
}
