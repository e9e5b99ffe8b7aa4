//! The thread that writes definitions.
//!
//! While one transaction is synced the next changes gather, and they form the next transaction: groups come by
//! themselves, and a lone change waits for nobody.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use tokio::sync::oneshot;
use tracing::error;

use super::database::DatabaseFile;
use crate::name::Name;
use crate::vhost::definitions::{Change, NotRecorded};

/// Told what became of an order.
pub(super) type Done = oneshot::Sender<Result<(), NotRecorded>>;

/// What the recorder is asked for.
#[derive(Debug)]
pub(super) enum Order {
    /// Record a change.
    Record { vhost: Name, change: Change, done: Done },
    /// Tell when all removals so far are recorded.
    TellRemoved(Done),
    /// Panic, as a bug would make it.
    #[cfg(test)]
    Crash,
    /// Finish.
    Close,
}

/// The most changes of one transaction: it is kept in memory until it is synced.
const LARGEST_GROUP: usize = 10_000;

/// Records until told to close, or until nobody is left who could ask. `alive` is dropped when it crashes, and else told.
pub(super) fn run(file: DatabaseFile, orders: &Receiver<Order>, alive: oneshot::Sender<()>) {
    record(file, orders);
    let _ = alive.send(());
}

fn record(mut file: DatabaseFile, orders: &Receiver<Order>) {
    // Removals that could not be recorded; they go before everything else next time.
    let mut owed: Vec<(Name, Change)> = Vec::new();
    while let Ok(first) = orders.recv() {
        let group = Group::gather(first, orders);
        let mut undo = Vec::new();
        let recorded = if owed.is_empty() && group.changes.is_empty() {
            Ok(())
        } else {
            file.record(owed.iter().chain(&group.changes), &mut undo)
        };
        let outcome = match recorded {
            Ok(()) => {
                owed.clear();
                Ok(())
            }
            Err(failed) => {
                error!(%failed, changes = group.changes.len(), "definitions cannot be recorded");
                owed.extend(group.changes.into_iter().filter_map(removal));
                owed.extend(undo);
                Err(NotRecorded(Arc::from(failed.to_string())))
            }
        };
        for done in group.done {
            let _ = done.send(outcome.clone());
        }
        if group.last {
            break;
        }
    }
}

/// The orders of one transaction.
#[derive(Default)]
struct Group {
    changes: Vec<(Name, Change)>,
    done: Vec<Done>,
    last: bool,
}

impl Group {
    fn gather(first: Order, orders: &Receiver<Order>) -> Self {
        let mut group = Group::default();
        group.add(first);
        for order in orders.try_iter().take(LARGEST_GROUP) {
            group.add(order);
        }
        group
    }

    fn add(&mut self, order: Order) {
        match order {
            Order::Record { vhost, change, done } => {
                self.changes.push((vhost, change));
                self.done.push(done);
            }
            Order::TellRemoved(done) => self.done.push(done),
            #[cfg(test)]
            Order::Crash => panic!("injected"),
            Order::Close => self.last = true,
        }
    }
}

/// What has to be removed after a change was not recorded. A declaration was refused then, but a sync that failed may
/// have left it on the disk. Bindings, policies and settings need more: the same one may have been recorded before, for somebody else.
fn removal((vhost, change): (Name, Change)) -> Option<(Name, Change)> {
    let removal = match change {
        Change::QueueDeclared { name, .. } => Change::QueueDeleted {
            name,
            sources: Vec::new(),
            departing: None,
        },
        Change::ExchangeDeclared { name, .. } => Change::ExchangeDeleted {
            name,
            sources: Vec::new(),
        },
        Change::Bound { .. }
        | Change::PolicySet { .. }
        | Change::PolicyCleared { .. }
        | Change::VhostSet(_) => return None,
        removal => removal,
    };
    Some((vhost, removal))
}
