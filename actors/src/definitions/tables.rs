//! The tables of the database, and what a change does to them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, Table, TableDefinition, TableError,
    WriteTransaction,
};

use super::encoding::{self, Unreadable};
use super::error::StoreError;
use crate::exchange::bindings::{Binding, Destination};
use crate::exchange::canonical;
use crate::id::StoreId;
use crate::name::Name;
use crate::vhost::definitions::{Change, Recovered};

/// The layout that is written, and the latest that is read. Users, permissions and policies will be further tables, which an
/// earlier version must not lose sight of: they raise it.
pub(super) const FORMAT: u64 = 1;

/// `format` and `next_id`.
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// Virtual host and name.
pub(super) type Key = (&'static str, &'static str);
pub(super) const EXCHANGES: TableDefinition<'_, Key, &[u8]> = TableDefinition::new("exchanges");
pub(super) const QUEUES: TableDefinition<'_, Key, &[u8]> = TableDefinition::new("queues");

/// Virtual host, source, kind of destination, destination, routing key, arguments in a form without order.
pub(super) type BindingKey = (
    &'static str,
    &'static str,
    u8,
    &'static str,
    &'static str,
    &'static [u8],
);
pub(super) const BINDINGS: TableDefinition<'_, BindingKey, &[u8]> = TableDefinition::new("bindings");

const TO_QUEUE: u8 = 0;
const TO_EXCHANGE: u8 = 1;
const BEYOND_KINDS: u8 = 2;

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
    let mut contents = Contents {
        next_id: number("next_id").map_err(failed)?.unwrap_or(1).max(1),
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

fn create(database: &Database) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    {
        let mut meta = write.open_table(META)?;
        meta.insert("format", FORMAT)?;
        meta.insert("next_id", 1)?;
        write.open_table(EXCHANGES)?;
        write.open_table(QUEUES)?;
        write.open_table(BINDINGS)?;
    }
    Ok(write.commit()?)
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
        self.bindings()
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

/// Applies changes in order and syncs them: all of them or none. `undo` gets what takes back the bindings that were not there
/// before: those that nobody has who is not told of this.
pub(super) fn apply<'c>(
    database: &Database,
    changes: impl Iterator<Item = &'c (Name, Change)>,
    undo: &mut Vec<(Name, Change)>,
) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    {
        let mut tables = Tables::open(&write)?;
        for (vhost, change) in changes {
            if let Some(unbound) = tables.apply(vhost, change)? {
                undo.push((vhost.clone(), unbound));
            }
        }
    }
    Ok(write.commit()?)
}

/// The tables in a transaction.
struct Tables<'t> {
    meta: Table<'t, &'static str, u64>,
    exchanges: Table<'t, Key, &'static [u8]>,
    queues: Table<'t, Key, &'static [u8]>,
    bindings: Table<'t, BindingKey, &'static [u8]>,
}

impl<'t> Tables<'t> {
    fn open(write: &'t WriteTransaction) -> Result<Self, TableError> {
        Ok(Tables {
            meta: write.open_table(META)?,
            exchanges: write.open_table(EXCHANGES)?,
            queues: write.open_table(QUEUES)?,
            bindings: write.open_table(BINDINGS)?,
        })
    }

    /// Gives what takes a new binding back.
    fn apply(&mut self, vhost: &str, change: &Change) -> Result<Option<Change>, redb::Error> {
        match change {
            Change::ExchangeDeclared { id, name, options } => {
                let value = encoding::encode_exchange(*id, options);
                self.exchanges.insert((vhost, name.as_str()), &value[..])?;
                self.given(*id)?;
            }
            Change::ExchangeDeleted { name, sources } => {
                self.exchanges.remove((vhost, name.as_str()))?;
                self.unbind_source(vhost, name)?;
                self.unbind_destination(vhost, sources, &Destination::Exchange(name.clone()))?;
            }
            Change::QueueDeclared { id, name, options } => {
                let value = encoding::encode_queue(*id, options);
                self.queues.insert((vhost, name.as_str()), &value[..])?;
                self.given(*id)?;
            }
            Change::QueueDeleted { name, sources } => {
                self.queues.remove((vhost, name.as_str()))?;
                self.unbind_destination(vhost, sources, &Destination::Queue(name.clone()))?;
            }
            Change::Bound {
                source,
                source_id,
                binding,
                destination_id,
            } => {
                let source_end = Destination::Exchange(source.clone());
                if self.is(vhost, &source_end, *source_id)?
                    && self.is(vhost, &binding.destination, *destination_id)?
                    && self.bind(vhost, source, binding)?
                {
                    let (source, binding) = (source.clone(), binding.clone());
                    return Ok(Some(Change::Unbound { source, binding }));
                }
            }
            Change::Unbound { source, binding } => self.unbind(vhost, source, binding)?,
        }
        Ok(None)
    }

    /// Remembers that a number was given, for as long as the store lives.
    fn given(&mut self, id: StoreId) -> Result<(), redb::Error> {
        let next = self.meta.get("next_id")?.map_or(1, |next| next.value());
        if next <= id.0 {
            self.meta.insert("next_id", id.0 + 1)?;
        }
        Ok(())
    }

    /// Whether the end of a binding is there, and not another one of its name.
    fn is(&self, vhost: &str, end: &Destination, id: StoreId) -> Result<bool, redb::Error> {
        if id == StoreId::PREDECLARED {
            return Ok(true);
        }
        let found = match end {
            Destination::Queue(name) => self.queues.get((vhost, name.as_str()))?,
            Destination::Exchange(name) => self.exchanges.get((vhost, name.as_str()))?,
        };
        Ok(found.is_some_and(|raw| encoding::decode_id(raw.value()) == Ok(id)))
    }

    /// Whether it is new.
    fn bind(&mut self, vhost: &str, source: &str, binding: &Binding) -> Result<bool, redb::Error> {
        let arguments = canonical::by_field(&binding.arguments);
        let value = encoding::encode_arguments(&binding.arguments);
        let key = binding_key(vhost, source, binding, &arguments);
        let before = self.bindings.insert(key, &value[..])?;
        Ok(before.is_none())
    }

    fn unbind(&mut self, vhost: &str, source: &str, binding: &Binding) -> Result<(), redb::Error> {
        let arguments = canonical::by_field(&binding.arguments);
        self.bindings
            .remove(binding_key(vhost, source, binding, &arguments))?;
        Ok(())
    }

    fn unbind_source(&mut self, vhost: &str, source: &str) -> Result<(), redb::Error> {
        let first = (vhost, source, TO_QUEUE, "", "", &[][..]);
        let end = (vhost, source, BEYOND_KINDS, "", "", &[][..]);
        self.bindings.retain_in(first..end, |_, _| false)?;
        Ok(())
    }

    fn unbind_destination(
        &mut self,
        vhost: &str,
        sources: &[Name],
        destination: &Destination,
    ) -> Result<(), redb::Error> {
        let (kind, name) = split(destination);
        // No name lies between a name and the same with a zero behind it.
        let next = format!("{name}\0");
        for source in sources {
            let first = (vhost, source.as_str(), kind, name, "", &[][..]);
            let end = (vhost, source.as_str(), kind, next.as_str(), "", &[][..]);
            self.bindings.retain_in(first..end, |_, _| false)?;
        }
        Ok(())
    }
}

/// The key of a binding whose arguments without order are `arguments`.
fn binding_key<'a>(
    vhost: &'a str,
    source: &'a str,
    binding: &'a Binding,
    arguments: &'a [u8],
) -> (&'a str, &'a str, u8, &'a str, &'a str, &'a [u8]) {
    let (kind, destination) = split(&binding.destination);
    let routing_key = binding.routing_key.as_str();
    (vhost, source, kind, destination, routing_key, arguments)
}

fn split(destination: &Destination) -> (u8, &str) {
    match destination {
        Destination::Queue(name) => (TO_QUEUE, name),
        Destination::Exchange(name) => (TO_EXCHANGE, name),
    }
}
