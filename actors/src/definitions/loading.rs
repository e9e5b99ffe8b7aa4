//! Reading everything in a store when it is opened.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, TableError};

use super::encoding::{self, Unreadable};
use super::error::StoreError;
use super::tables::{
    BINDINGS, DEPARTING, EXCHANGES, FORMAT, Key, META, POLICIES, QUEUES, TO_QUEUE, VHOSTS, class_of, create,
    upgraded,
};
use crate::exchange::bindings::{Binding, Destination};
use crate::id::StoreId;
use crate::name::Name;
use crate::policy::CheckedPolicy;
use crate::vhost::definitions::Recovered;

/// All there is in a store.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// By virtual host.
    pub(super) vhosts: HashMap<Name, Recovered>,
    /// The first number that was never given.
    pub(super) next_id: u64,
}

/// Reads everything; makes the tables of a new database.
pub(super) fn load(database: &Database, path: &Path) -> Result<Contents, StoreError> {
    let failed = |error: redb::Error| StoreError::database(path, error);
    let read = database.begin_read().map_err(|error| failed(error.into()))?;
    let meta = match read.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::TableDoesNotExist(_)) => {
            create(database).map_err(failed)?;
            return Ok(Contents {
                next_id: 1,
                ..Contents::default()
            });
        }
        Err(error) => return Err(failed(error.into())),
    };
    let number = |key| -> Result<Option<u64>, redb::Error> { Ok(meta.get(key)?.map(|found| found.value())) };
    let found = number("format").map_err(failed)?.unwrap_or(0);
    if found > FORMAT {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known: FORMAT,
        });
    }
    let next_id = number("next_id").map_err(failed)?;
    let read = match found < FORMAT {
        false => read,
        true => upgraded(database).map_err(failed)?,
    };
    let mut contents = Contents {
        next_id: next_id.unwrap_or(1).max(1),
        ..Contents::default()
    };
    Loading {
        read: &read,
        path,
        contents: &mut contents,
    }
    .load()?;
    Ok(contents)
}

/// Reading, with what is needed to say what can't be read.
struct Loading<'l> {
    read: &'l ReadTransaction,
    path: &'l Path,
    contents: &'l mut Contents,
}

impl Loading<'_> {
    fn load(mut self) -> Result<(), StoreError> {
        self.named(EXCHANGES, "exchange", |host, (vhost, name), raw| {
            let (id, options) = encoding::decode_exchange(name, vhost, raw)?;
            host.exchanges.push((id, Name::from(name), options));
            Ok(())
        })?;
        self.named(QUEUES, "queue", |host, (vhost, name), raw| {
            let (id, options) = encoding::decode_queue(name, vhost, raw)?;
            host.queues.push((id, Name::from(name), options));
            Ok(())
        })?;
        self.policies()?;
        self.vhosts()?;
        self.departing()?;
        self.bindings()
    }

    fn vhosts(&mut self) -> Result<(), StoreError> {
        let failed = |error: redb::Error| StoreError::database(self.path, error);
        let table = self.read.open_table(VHOSTS);
        let table = table.map_err(|error| failed(error.into()))?;
        for entry in table.iter().map_err(|error| failed(error.into()))? {
            let (vhost, raw) = entry.map_err(|error| failed(error.into()))?;
            let vhost = vhost.value();
            let settings = encoding::decode_vhost(raw.value())
                .map_err(|why| StoreError::entry(self.path, &format!("vhost '{vhost}'"), why))?;
            let host = self.contents.vhosts.entry(Name::from(vhost)).or_default();
            host.settings = settings;
        }
        Ok(())
    }

    fn departing(&mut self) -> Result<(), StoreError> {
        let failed = |error: redb::Error| StoreError::database(self.path, error);
        let table = self.read.open_table(DEPARTING);
        let table = table.map_err(|error| failed(error.into()))?;
        for entry in table.iter().map_err(|error| failed(error.into()))? {
            let (key, raw) = entry.map_err(|error| failed(error.into()))?;
            let (vhost, id) = key.value();
            let departing = encoding::decode_departing(raw.value()).map_err(|why| {
                let what = format!("deleted queue {id} in vhost '{vhost}'");
                StoreError::entry(self.path, &what, why)
            })?;
            let host = self.contents.vhosts.entry(Name::from(vhost)).or_default();
            host.departing.push((StoreId(id), departing));
        }
        Ok(())
    }

    fn policies(&mut self) -> Result<(), StoreError> {
        let failed = |error: redb::Error| StoreError::database(self.path, error);
        let table = self
            .read
            .open_table(POLICIES)
            .map_err(|error| failed(error.into()))?;
        for entry in table.iter().map_err(|error| failed(error.into()))? {
            let (key, raw) = entry.map_err(|error| failed(error.into()))?;
            let (vhost, class, name) = key.value();
            let class = class_of(class);
            let checked = encoding::decode_policy(name, raw.value())
                .and_then(|policy| Ok(CheckedPolicy::new(policy, class)?))
                .map_err(|why| {
                    let what = format!("policy '{name}' in vhost '{vhost}'");
                    StoreError::entry(self.path, &what, why)
                })?;
            let host = self.contents.vhosts.entry(Name::from(vhost)).or_default();
            host.policies.set(class, Arc::new(checked));
        }
        Ok(())
    }

    fn named(
        &mut self,
        table: TableDefinition<'_, Key, &'static [u8]>,
        what: &str,
        mut keep: impl FnMut(&mut Recovered, (&str, &str), &[u8]) -> Result<(), Unreadable>,
    ) -> Result<(), StoreError> {
        let failed = |error: redb::Error| StoreError::database(self.path, error);
        let table = self
            .read
            .open_table(table)
            .map_err(|error| failed(error.into()))?;
        for entry in table.iter().map_err(|error| failed(error.into()))? {
            let (key, raw) = entry.map_err(|error| failed(error.into()))?;
            let (vhost, name) = key.value();
            let host = self.contents.vhosts.entry(Name::from(vhost)).or_default();
            keep(host, (vhost, name), raw.value()).map_err(|why| {
                let what = format!("{what} '{name}' in vhost '{vhost}'");
                StoreError::entry(self.path, &what, why)
            })?;
        }
        Ok(())
    }

    fn bindings(self) -> Result<(), StoreError> {
        let failed = |error: redb::Error| StoreError::database(self.path, error);
        let table = self
            .read
            .open_table(BINDINGS)
            .map_err(|error| failed(error.into()))?;
        for entry in table.iter().map_err(|error| failed(error.into()))? {
            let (key, raw) = entry.map_err(|error| failed(error.into()))?;
            let (vhost, source, kind, destination, routing_key, _) = key.value();
            let destination = match kind {
                TO_QUEUE => Destination::Queue(destination.into()),
                _ => Destination::Exchange(destination.into()),
            };
            let arguments = encoding::decode_arguments(raw.value()).map_err(|why| {
                let what = format!("a binding of exchange '{source}' in vhost '{vhost}'");
                StoreError::entry(self.path, &what, why)
            })?;
            let binding = Binding {
                destination,
                routing_key: routing_key.into(),
                arguments: Arc::new(arguments),
            };
            let host = self.contents.vhosts.entry(Name::from(vhost)).or_default();
            host.bindings.push((Name::from(source), binding));
        }
        Ok(())
    }
}
