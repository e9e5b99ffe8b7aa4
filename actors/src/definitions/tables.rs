//! The tables of the database, and what a change does to them.

use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, Table, TableDefinition, TableError,
    WriteTransaction,
};

use super::encoding;
use crate::exchange::bindings::{Binding, Destination};
use crate::exchange::canonical;
use crate::id::StoreId;
use crate::name::Name;
use crate::policy::PolicyClass;
use crate::vhost::definitions::Change;

/// The layout that is written, and the latest that is read. Users and permissions will be further tables, which an
/// earlier version must not lose sight of: they raise it, as policies, virtual hosts and departing queues did.
pub(super) const FORMAT: u64 = 4;

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

/// Virtual host, class and name.
pub(super) type PolicyKey = (&'static str, u8, &'static str);
/// Since format 2.
pub(super) const POLICIES: TableDefinition<'_, PolicyKey, &[u8]> = TableDefinition::new("policies");

/// What is set for virtual hosts, by their names. Since format 3.
pub(super) const VHOSTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("vhosts");

/// Virtual host and store id.
pub(super) type DepartingKey = (&'static str, u64);
/// Deleted queues of which there is something to be carried away. Since format 4.
pub(super) const DEPARTING: TableDefinition<'_, DepartingKey, &[u8]> = TableDefinition::new("departing");

const ORDINARY: u8 = 0;
const OF_OPERATOR: u8 = 1;

pub(super) const TO_QUEUE: u8 = 0;
const TO_EXCHANGE: u8 = 1;
const BEYOND_KINDS: u8 = 2;

/// Makes the tables of a new database.
pub(super) fn create(database: &Database) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    {
        let mut meta = write.open_table(META)?;
        meta.insert("format", FORMAT)?;
        meta.insert("next_id", 1)?;
        write.open_table(EXCHANGES)?;
        write.open_table(QUEUES)?;
        write.open_table(BINDINGS)?;
        write.open_table(POLICIES)?;
        write.open_table(VHOSTS)?;
        write.open_table(DEPARTING)?;
    }
    Ok(write.commit()?)
}

/// Adds what earlier formats lack.
pub(super) fn upgraded(database: &Database) -> Result<ReadTransaction, redb::Error> {
    let write = database.begin_write()?;
    write.open_table(POLICIES)?;
    write.open_table(VHOSTS)?;
    write.open_table(DEPARTING)?;
    write.open_table(META)?.insert("format", FORMAT)?;
    write.commit()?;
    Ok(database.begin_read()?)
}

/// Applies changes in order and syncs them: all of them or none. `undo` gets what takes back the bindings that were not there
/// before, those that nobody has who is not told of this, and what policies and settings were.
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
    policies: Table<'t, PolicyKey, &'static [u8]>,
    vhosts: Table<'t, &'static str, &'static [u8]>,
    departing: Table<'t, DepartingKey, &'static [u8]>,
}

impl<'t> Tables<'t> {
    fn open(write: &'t WriteTransaction) -> Result<Self, TableError> {
        Ok(Tables {
            meta: write.open_table(META)?,
            exchanges: write.open_table(EXCHANGES)?,
            queues: write.open_table(QUEUES)?,
            bindings: write.open_table(BINDINGS)?,
            policies: write.open_table(POLICIES)?,
            vhosts: write.open_table(VHOSTS)?,
            departing: write.open_table(DEPARTING)?,
        })
    }

    /// Gives what takes a new binding or a change of policies and settings back.
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
            Change::QueueDeleted {
                name,
                sources,
                departing,
            } => {
                self.queues.remove((vhost, name.as_str()))?;
                self.unbind_destination(vhost, sources, &Destination::Queue(name.clone()))?;
                if let Some((id, departing)) = departing {
                    let value = encoding::encode_departing(departing);
                    self.departing.insert((vhost, id.0), &value[..])?;
                }
            }
            Change::QueueDeparted { id } => drop(self.departing.remove((vhost, id.0))?),
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
            Change::PolicySet { class, policy } => {
                let value = encoding::encode_policy(policy);
                let key = (vhost, number_of(*class), policy.name.as_str());
                let before = self.policies.insert(key, &value[..])?;
                return Ok(Some(undone(
                    *class,
                    &policy.name,
                    before.as_ref().map(|raw| raw.value()),
                )));
            }
            Change::PolicyCleared { class, name } => {
                let before = self.policies.remove((vhost, number_of(*class), name.as_str()))?;
                return Ok(Some(undone(*class, name, before.as_ref().map(|raw| raw.value()))));
            }
            Change::VhostSet(settings) => {
                let value = encoding::encode_vhost(settings);
                let before = self.vhosts.insert(vhost, &value[..])?;
                let before = before.and_then(|raw| encoding::decode_vhost(raw.value()).ok());
                return Ok(Some(Change::VhostSet(before.unwrap_or_default())));
            }
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

/// What gives a policy back what was there before.
fn undone(class: PolicyClass, name: &Name, before: Option<&[u8]>) -> Change {
    match before.and_then(|raw| encoding::decode_policy(name, raw).ok()) {
        Some(policy) => Change::PolicySet { class, policy },
        None => Change::PolicyCleared {
            class,
            name: name.clone(),
        },
    }
}

fn number_of(class: PolicyClass) -> u8 {
    match class {
        PolicyClass::Ordinary => ORDINARY,
        PolicyClass::Operator => OF_OPERATOR,
    }
}

pub(super) fn class_of(number: u8) -> PolicyClass {
    match number {
        OF_OPERATOR => PolicyClass::Operator,
        _ => PolicyClass::Ordinary,
    }
}

fn split(destination: &Destination) -> (u8, &str) {
    match destination {
        Destination::Queue(name) => (TO_QUEUE, name),
        Destination::Exchange(name) => (TO_EXCHANGE, name),
    }
}
