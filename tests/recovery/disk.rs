//! Disks that fail on demand, under a real broker.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use super::support::process::BrokerProcess;

/// What the system says of a broken disk.
pub(crate) const EIO: i32 = 5;
/// What it says of a full one.
pub(crate) const ENOSPC: i32 = 28;
/// It says nothing, and the caller waits.
const STANDSTILL: i32 = 0;

/// Where the journal's files are, as a part of their paths.
pub(crate) const JOURNAL: &str = "/journal/";
/// The file of the definitions, likewise.
pub(crate) const DEFINITIONS: &str = "/definitions.redb";

/// The program, which leaves no disk space free on purpose.
pub(crate) fn leveret() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
    command.args(["--disk-free-limit", "0"]);
    command
}

/// A data directory whose files fail when told.
pub(crate) struct FaultyDisk {
    data: TempDir,
    rule: PathBuf,
    _rules: TempDir,
}

impl FaultyDisk {
    pub(crate) fn new() -> FaultyDisk {
        let rules = tempfile::tempdir().unwrap();
        FaultyDisk {
            data: tempfile::tempdir().unwrap(),
            rule: rules.path().join("rule"),
            _rules: rules,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.data.path()
    }

    /// The program on this disk.
    #[track_caller]
    pub(crate) fn start(&self) -> BrokerProcess {
        let mut command = leveret();
        command.env("LD_PRELOAD", shim()).env("FAULTY_DISK", &self.rule);
        BrokerProcess::start_by(command, self.path())
    }

    /// From now on `operation` (write, sync, any) fails for files with `part` in their path.
    pub(crate) fn fail(&self, part: &str, operation: &str, errno: i32) {
        let next = self.rule.with_extension("next");
        fs::write(&next, format!("{part} {operation} {errno}")).unwrap();
        fs::rename(next, &self.rule).unwrap();
    }

    /// From now on `operation` does not return.
    pub(crate) fn stand_still(&self, part: &str, operation: &str) {
        self.fail(part, operation, STANDSTILL);
    }

    /// All is well again.
    pub(crate) fn heal(&self) {
        fs::remove_file(&self.rule).unwrap();
    }
}

/// What stands between the program and the C library, built once.
fn shim() -> &'static Path {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let building = folder.join(format!("faulty_disk.{}.so", std::process::id()));
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&building)
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/recovery/faulty_disk.c"
            ))
            .arg("-ldl")
            .status();
        let built = built.expect("these tests need a C compiler, as `cc`");
        assert!(built.success(), "cc does not build tests/recovery/faulty_disk.c");
        let shim = folder.join("faulty_disk.so");
        fs::rename(building, &shim).unwrap();
        shim
    })
}

/// A disk that can be filled up: a small file system in memory where this user may mount one, else one that
/// says that it is full.
pub(crate) enum FillableDisk {
    Small(TempDir),
    Pretending(FaultyDisk),
}

impl FillableDisk {
    pub(crate) fn new(mib: u32) -> FillableDisk {
        let directory = tempfile::tempdir().unwrap();
        let size = format!("size={mib}m");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "leveret-test"])
            .arg(directory.path())
            .output();
        match mount.is_ok_and(|mount| mount.status.success()) {
            true => FillableDisk::Small(directory),
            false => FillableDisk::pretending(),
        }
    }

    pub(crate) fn pretending() -> FillableDisk {
        FillableDisk::Pretending(FaultyDisk::new())
    }

    #[track_caller]
    pub(crate) fn start(&self) -> BrokerProcess {
        match self {
            FillableDisk::Small(directory) => BrokerProcess::start_by(leveret(), directory.path()),
            FillableDisk::Pretending(disk) => disk.start(),
        }
    }

    /// Takes all the room there is.
    pub(crate) fn fill(&self) {
        match self {
            FillableDisk::Small(directory) => {
                let mut ballast = fs::File::create(directory.path().join("ballast")).unwrap();
                while ballast.write_all(&[1; 4096]).is_ok() {}
            }
            FillableDisk::Pretending(disk) => disk.fail(disk.path().to_str().unwrap(), "write", ENOSPC),
        }
    }

    /// Gives it back.
    pub(crate) fn make_room(&self) {
        match self {
            FillableDisk::Small(directory) => fs::remove_file(directory.path().join("ballast")).unwrap(),
            FillableDisk::Pretending(disk) => disk.heal(),
        }
    }
}

impl Drop for FillableDisk {
    fn drop(&mut self) {
        if let FillableDisk::Small(directory) = self {
            let _ = Command::new("umount").arg("-l").arg(directory.path()).status();
        }
    }
}
