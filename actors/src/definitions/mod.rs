//! The store of durable exchanges, queues, bindings and policies: one database file for all virtual hosts.
//!
//! - [`encoding`] turns a definition into bytes and back, with a version
//! - [`tables`] keeps them in a transactional database
//! - [`loading`] reads all of it at start
//! - [`recorder`] is the thread that writes: all changes that wait form one transaction, synced once
//! - [`inspect()`] looks at a store that no broker uses, through an [`overlay`] that keeps the file as it is
//!
//! Virtual hosts and exchanges know it as [`Definitions`].

mod database;
mod encoding;
mod error;
mod inspect;
mod loading;
mod overlay;
mod recorder;
mod tables;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};

use rustc_hash::FxHashSet;
use tokio::sync::oneshot;

use crate::id::StoreId;
use crate::name::Name;
use crate::vhost::definitions::{Change, Definitions, NotRecorded, Recorded, Recovered};
use database::DatabaseFile;
pub use error::StoreError;
pub use inspect::{Counted, Inspected, inspect};
use recorder::Order;

/// The name of the store's file in the data directory.
pub const FILE: &str = "definitions.redb";

/// An open store. Dropping it writes what was recorded so far and closes the file.
#[derive(Debug)]
pub struct DefinitionStore {
    orders: mpsc::Sender<Order>,
    ids: Arc<AtomicU64>,
    recovered: Mutex<HashMap<Name, Recovered>>,
    recorder: Option<JoinHandle<()>>,
    /// Told when the recorder ends in order.
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

impl DefinitionStore {
    /// Opens the store in `directory`, which must exist; makes an empty one when there is none. Reads and checks all of it.
    ///
    /// # Errors
    ///
    /// When the file can't be read or written, is damaged, or was written by a later version.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(FILE);
        let (file, contents) = DatabaseFile::open(&path)?;
        let (orders, inbox) = mpsc::channel();
        let (alive, ended) = oneshot::channel();
        let recorder = thread::Builder::new()
            .name("definitions".to_owned())
            .spawn(move || recorder::run(file, &inbox, alive))
            .map_err(|source| StoreError::io(&path, source))?;
        Ok(DefinitionStore {
            orders,
            ids: Arc::new(AtomicU64::new(contents.next_id)),
            recovered: Mutex::new(contents.vhosts),
            recorder: Some(recorder),
            ended: Mutex::new(Some(ended)),
        })
    }

    /// Completes if the thread that writes crashes: nothing can be recorded any more. For one caller, once.
    pub(crate) fn crashed(&self) -> impl Future<Output = ()> + use<> {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        async move {
            if let Some(ended) = ended
                && ended.await.is_err()
            {
                return;
            }
            std::future::pending().await
        }
    }

    /// How much there is of virtual hosts that no one has asked for.
    pub(crate) fn left_over(&self) -> BTreeMap<Name, Counted> {
        let recovered = self.recovered.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = recovered.iter().map(|(vhost, found)| {
            let counted = Counted {
                exchanges: found.exchanges.len() as u64,
                queues: found.queues.len() as u64,
                bindings: found.bindings.len() as u64,
                policies: found.policies.len() as u64,
                departing: found.departing.len() as u64,
            };
            (vhost.clone(), counted)
        });
        counted.collect()
    }

    /// The queues there are, with those in which messages of delayed exchanges wait, and those that are deleted and of which there is
    /// something to be carried away.
    pub(crate) fn queues(&self) -> FxHashSet<StoreId> {
        let recovered = self.recovered.lock().unwrap_or_else(PoisonError::into_inner);
        let queues = recovered.values().flat_map(|vhost| &vhost.queues);
        let exchanges = recovered.values().flat_map(|vhost| &vhost.exchanges);
        let rooms = exchanges.filter(|(_, _, options)| options.delayed);
        let departing = recovered.values().flat_map(|vhost| &vhost.departing);
        queues
            .map(|(id, _, _)| *id)
            .chain(rooms.map(|(id, _, _)| *id))
            .chain(departing.map(|(id, _)| *id))
            .collect()
    }

    /// What one virtual host records with, and what it begins with: once, then nothing.
    pub(crate) fn vhost(&self, name: &Name) -> (Arc<dyn Definitions>, Recovered) {
        let definitions = OfVhost {
            vhost: name.clone(),
            orders: self.orders.clone(),
            ids: Arc::clone(&self.ids),
        };
        let mut recovered = self.recovered.lock().unwrap_or_else(PoisonError::into_inner);
        (Arc::new(definitions), recovered.remove(name).unwrap_or_default())
    }
}

impl Drop for DefinitionStore {
    fn drop(&mut self) {
        let _ = self.orders.send(Order::Close);
        if let Some(recorder) = self.recorder.take() {
            let _ = recorder.join();
        }
    }
}

/// The definitions of one virtual host.
struct OfVhost {
    vhost: Name,
    orders: mpsc::Sender<Order>,
    ids: Arc<AtomicU64>,
}

impl OfVhost {
    fn order(&self, order: impl FnOnce(recorder::Done) -> Order) -> Recorded {
        let (done, told) = oneshot::channel();
        // A recorder that has ended drops `done`, and so says that nothing was recorded.
        let _ = self.orders.send(order(done));
        Box::pin(async move {
            let closed = || NotRecorded("the store of definitions is closed".into());
            told.await.unwrap_or_else(|_| Err(closed()))
        })
    }
}

impl Definitions for OfVhost {
    fn record(&self, change: Change) -> Recorded {
        let vhost = self.vhost.clone();
        self.order(|done| Order::Record { vhost, change, done })
    }

    fn removals_recorded(&self) -> Recorded {
        self.order(Order::TellRemoved)
    }

    fn new_id(&self) -> StoreId {
        StoreId(self.ids.fetch_add(1, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests;
