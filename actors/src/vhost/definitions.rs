//! Where durable definitions are kept.
//!
//! The virtual host records each change of something durable and answers the client when it is recorded; what
//! stands behind the interface (memory, a store on disk, a replicated one) is not its concern.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;

use crate::exchange::bindings::Binding;
use crate::exchange::options::ExchangeOptions;
use crate::name::Name;
use crate::queue::options::QueueOptions;

/// A change of something durable in one virtual host.
#[derive(Debug, Clone)]
pub enum Change {
    /// An exchange was declared.
    ExchangeDeclared(Name, ExchangeOptions),
    /// An exchange was deleted, with all bindings from and to it.
    ExchangeDeleted(Name),
    /// A queue was declared.
    QueueDeclared(Name, Arc<QueueOptions>),
    /// A queue was deleted, with all bindings to it.
    QueueDeleted(Name),
    /// A binding of two durable ends was added to the exchange.
    Bound(Name, Binding),
    /// A binding was removed from the exchange.
    Unbound(Name, Binding),
}

/// Resolves when a change is recorded.
pub type Recorded = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Keeps the definitions of one virtual host.
pub trait Definitions: Send + 'static {
    /// Records a change. Changes are recorded in the order of these calls.
    fn record(&mut self, change: Change) -> Recorded;
}

/// Keeps nothing: definitions live and end with the process.
#[derive(Debug, Default)]
pub struct Forgetful;

impl Definitions for Forgetful {
    fn record(&mut self, _change: Change) -> Recorded {
        nothing()
    }
}

/// What is recorded when nothing is to be recorded.
pub(crate) fn nothing() -> Recorded {
    Box::pin(ready(()))
}
