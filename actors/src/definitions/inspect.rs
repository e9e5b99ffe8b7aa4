//! A store that no broker uses, looked at without changing it.

use std::collections::BTreeMap;
use std::path::Path;

use redb::{
    Builder, Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition,
    TableError,
};
use rustc_hash::FxHashMap;

use super::encoding::{self, Unreadable};
use super::error::StoreError;
use super::overlay::Overlay;
use super::tables::{BINDINGS, DEPARTING, EXCHANGES, FORMAT, Key, META, POLICIES, QUEUES, VHOSTS, class_of};
use super::{FILE, database};
use crate::exchange::delay::waiting_room;
use crate::id::StoreId;
use crate::policy::CheckedPolicy;

/// What a store holds.
#[derive(Debug, Default)]
pub struct Inspected {
    /// The format of the file.
    pub format: u64,
    /// How much each virtual host has.
    pub vhosts: BTreeMap<String, Counted>,
    /// The virtual hosts and names of the durable queues.
    pub queues: FxHashMap<StoreId, (String, String)>,
    /// The virtual hosts and names of the deleted queues whose dead letters are still to be carried away.
    pub departing: FxHashMap<StoreId, (String, String)>,
    /// What can't be read, in words.
    pub defects: Vec<String>,
}

/// How much there is of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    /// Exchanges other than the predeclared ones.
    pub exchanges: u64,
    /// Queues.
    pub queues: u64,
    /// Bindings.
    pub bindings: u64,
    /// Policies of both classes.
    pub policies: u64,
    /// Deleted queues whose dead letters are still to be carried away.
    pub departing: u64,
}

/// Reads the whole store in `directory`: every page is checked, and every definition read. `None` when there is none.
///
/// A file that a broker left open when it ended is repaired in memory, as the next start would repair it.
///
/// # Errors
///
/// When the file can't be read, is damaged below its tables, or was written by a later version.
pub fn inspect(directory: &Path) -> Result<Option<Inspected>, StoreError> {
    let path = directory.join(FILE);
    if !path.exists() {
        return Ok(None);
    }
    let overlay = Overlay::open(&path).map_err(|source| StoreError::io(&path, source))?;
    let database = Builder::new()
        .set_cache_size(database::CACHE)
        .set_check_integrity_on_open(true)
        .create_with_backend(overlay)
        .map_err(|error| StoreError::database(&path, error))?;
    let inspected = read(&database).map_err(|error| StoreError::database(&path, error))?;
    if inspected.format > FORMAT {
        return Err(StoreError::Newer {
            path,
            found: inspected.format,
            known: FORMAT,
        });
    }
    Ok(Some(inspected))
}

fn read(database: &Database) -> Result<Inspected, redb::Error> {
    let read = database.begin_read()?;
    let mut inspected = Inspected::default();
    let Some(meta) = table_if_there(&read, META)? else {
        // A broker that made the file ended before it wrote anything.
        return Ok(inspected);
    };
    inspected.format = meta.get("format")?.map_or(0, |format| format.value());
    if inspected.format <= FORMAT {
        inspected.exchanges(&read)?;
        inspected.queues(&read)?;
        inspected.bindings(&read)?;
        inspected.policies(&read)?;
        inspected.vhosts(&read)?;
        inspected.departing(&read)?;
    }
    Ok(inspected)
}

fn table_if_there<K: redb::Key + 'static, V: redb::Value + 'static>(
    read: &ReadTransaction,
    definition: TableDefinition<'_, K, V>,
) -> Result<Option<ReadOnlyTable<K, V>>, redb::Error> {
    match read.open_table(definition) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl Inspected {
    fn exchanges(&mut self, read: &ReadTransaction) -> Result<(), redb::Error> {
        each(read, EXCHANGES, |vhost, name, raw| {
            self.counted(vhost).exchanges += 1;
            match encoding::decode_exchange(name, vhost, raw) {
                Ok((id, options)) if options.delayed => {
                    let room = waiting_room(name).to_string();
                    self.queues.insert(id, (vhost.to_owned(), room));
                }
                Ok(_) => {}
                Err(why) => self.defect(&format!("exchange '{name}' in vhost '{vhost}'"), why),
            }
        })
    }

    fn queues(&mut self, read: &ReadTransaction) -> Result<(), redb::Error> {
        each(read, QUEUES, |vhost, name, raw| {
            self.counted(vhost).queues += 1;
            let known = match encoding::decode_queue(name, vhost, raw) {
                Ok((id, _)) => Some(id),
                Err(why) => {
                    self.defect(&format!("queue '{name}' in vhost '{vhost}'"), why);
                    encoding::decode_id(raw).ok()
                }
            };
            if let Some(id) = known {
                self.queues.insert(id, (vhost.to_owned(), name.to_owned()));
            }
        })
    }

    fn bindings(&mut self, read: &ReadTransaction) -> Result<(), redb::Error> {
        for entry in read.open_table(BINDINGS)?.iter()? {
            let (key, raw) = entry?;
            let (vhost, source, _, destination, _, _) = key.value();
            self.counted(vhost).bindings += 1;
            if let Err(why) = encoding::decode_arguments(raw.value()) {
                let what = format!("binding of exchange '{source}' to '{destination}' in vhost '{vhost}'");
                self.defect(&what, why);
            }
        }
        Ok(())
    }

    /// There are none before format 2.
    fn policies(&mut self, read: &ReadTransaction) -> Result<(), redb::Error> {
        let Some(table) = table_if_there(read, POLICIES)? else {
            return Ok(());
        };
        for entry in table.iter()? {
            let (key, raw) = entry?;
            let (vhost, class, name) = key.value();
            self.counted(vhost).policies += 1;
            let checked = encoding::decode_policy(name, raw.value())
                .and_then(|policy| Ok(CheckedPolicy::new(policy, class_of(class))?));
            if let Err(why) = checked {
                self.defect(&format!("policy '{name}' in vhost '{vhost}'"), why);
            }
        }
        Ok(())
    }

    /// Nothing is set for them before format 3.
    fn vhosts(&mut self, read: &ReadTransaction) -> Result<(), redb::Error> {
        let Some(table) = table_if_there(read, VHOSTS)? else {
            return Ok(());
        };
        for entry in table.iter()? {
            let (vhost, raw) = entry?;
            if let Err(why) = encoding::decode_vhost(raw.value()) {
                self.defect(&format!("vhost '{}'", vhost.value()), why);
            }
        }
        Ok(())
    }

    /// There are none before format 4.
    fn departing(&mut self, read: &ReadTransaction) -> Result<(), redb::Error> {
        let Some(table) = table_if_there(read, DEPARTING)? else {
            return Ok(());
        };
        for entry in table.iter()? {
            let (key, raw) = entry?;
            let (vhost, id) = key.value();
            self.counted(vhost).departing += 1;
            match encoding::decode_departing(raw.value()) {
                Ok(departing) => {
                    let name = departing.name.to_string();
                    self.departing.insert(StoreId(id), (vhost.to_owned(), name));
                }
                Err(why) => self.defect(&format!("deleted queue {id} in vhost '{vhost}'"), why),
            }
        }
        Ok(())
    }

    fn counted(&mut self, vhost: &str) -> &mut Counted {
        self.vhosts.entry(vhost.to_owned()).or_default()
    }

    fn defect(&mut self, what: &str, why: Unreadable) {
        self.defects.push(format!("{what}: {why}"));
    }
}

fn each(
    read: &ReadTransaction,
    table: TableDefinition<'_, Key, &'static [u8]>,
    mut found: impl FnMut(&str, &str, &[u8]),
) -> Result<(), redb::Error> {
    for entry in read.open_table(table)?.iter()? {
        let (key, raw) = entry?;
        let (vhost, name) = key.value();
        found(vhost, name, raw.value());
    }
    Ok(())
}
