//! A store in a directory of its own, that can be closed, changed by hand and opened again.

use super::*;

pub(super) struct Stage {
    pub(super) directory: tempfile::TempDir,
    pub(super) store: Option<DefinitionStore>,
}

impl Stage {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Some(DefinitionStore::open(directory.path()).unwrap());
        Stage { directory, store }
    }

    pub(super) fn vhost(&self, name: &str) -> Arc<dyn Definitions> {
        self.store.as_ref().unwrap().vhost(&name.into()).0
    }

    /// What a virtual host finds after a restart.
    pub(super) fn reopened(&mut self, vhost: &str) -> (Arc<dyn Definitions>, Recovered) {
        self.store = None;
        let store = DefinitionStore::open(self.directory.path()).unwrap();
        let opened = store.vhost(&vhost.into());
        self.store = Some(store);
        opened
    }

    /// Changes the closed database by hand.
    pub(super) fn edited(&mut self, edit: impl FnOnce(&redb::WriteTransaction)) {
        self.store = None;
        let database = redb::Database::open(self.directory.path().join(FILE)).unwrap();
        let write = database.begin_write().unwrap();
        edit(&write);
        write.commit().unwrap();
    }

    /// Changes the closed database by hand; gives what the store says of it then.
    pub(super) fn spoiled(mut self, spoil: impl FnOnce(&redb::WriteTransaction)) -> String {
        self.edited(spoil);
        DefinitionStore::open(self.directory.path())
            .unwrap_err()
            .to_string()
    }

    /// Makes it what an earlier version left, which knew this format and none later.
    pub(super) fn lowered(&mut self, format: u64) {
        self.edited(|write| {
            write
                .open_table(tables::META)
                .unwrap()
                .insert("format", format)
                .unwrap();
            if format < 2 {
                write.delete_table(tables::POLICIES).unwrap();
            }
            if format < 3 {
                write.delete_table(tables::VHOSTS).unwrap();
            }
            if format < 4 {
                write.delete_table(tables::DEPARTING).unwrap();
            }
        });
        self.is_sound(format);
    }

    /// An inspection finds this format, and no defect.
    #[track_caller]
    pub(super) fn is_sound(&self, format: u64) {
        let inspected = inspect(self.directory.path()).unwrap().unwrap();
        assert_eq!((inspected.format, inspected.defects.len()), (format, 0));
    }
}
