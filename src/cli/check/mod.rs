//! `leveret check`: what is in a data directory that no broker uses, and what of it can't be read.

mod report;
mod text;

use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::USAGE;
use report::Report;

/// Something can't be read.
const DEFECTS: u8 = 1;
/// The file a broker locks.
const LOCK: &str = "leveret.lock";

/// Which directory, and how to tell.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The data directory of a broker that is not running; nothing in it is changed
    data_dir: PathBuf,
    /// Tell it as JSON
    #[arg(long)]
    json: bool,
}

/// Why there is nothing to tell.
#[derive(Debug, thiserror::Error)]
enum CannotCheck {
    #[error("cannot read {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("the data directory {} is in use by a broker{process}; stop that first, or check a copy of a stopped one", directory.display())]
    InUse { directory: PathBuf, process: String },
    #[error("{} holds no data of Leveret: neither {} nor a journal", directory.display(), leveret_actors::definitions::FILE)]
    Nothing { directory: PathBuf },
    #[error(transparent)]
    Definitions(#[from] leveret_actors::definitions::StoreError),
    #[error("{} was written by a later version (format {version}); check it with the version that wrote it, or a later one", path.display())]
    Later { path: PathBuf, version: u16 },
}

impl CannotCheck {
    fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        CannotCheck::Io { path, source }
    }
}

/// Looks at everything and tells. 0: all can be read; 1: something can't; 2: it can't be told.
pub(super) fn run(options: &Options) -> Result<ExitCode, String> {
    let report = match inspect(&options.data_dir) {
        Ok(report) => report,
        Err(why) => return Ok(super::complain(why, USAGE)),
    };
    tell(&report, options.json).map_err(|error| format!("cannot write to standard output: {error}"))?;
    Ok(match report.defects.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(DEFECTS),
    })
}

fn inspect(directory: &Path) -> Result<Report, CannotCheck> {
    let found = directory
        .metadata()
        .map_err(|source| CannotCheck::io(directory, source))?;
    if !found.is_dir() {
        return Err(CannotCheck::io(directory, io::ErrorKind::NotADirectory.into()));
    }
    let _held = lock(directory)?;
    Report::of(directory)
}

/// Keeps brokers out meanwhile. Without a lock file none has ever been here, or it is a copy.
fn lock(directory: &Path) -> Result<Option<File>, CannotCheck> {
    let path = directory.join(LOCK);
    let mut lock = match File::open(&path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(CannotCheck::io(&path, source)),
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => {
            let mut process = String::new();
            let _ = lock.read_to_string(&mut process);
            let process = match process.trim() {
                "" => String::new(),
                number => format!(", process {number}"),
            };
            let directory = directory.to_owned();
            Err(CannotCheck::InUse { directory, process })
        }
        Err(TryLockError::Error(source)) => Err(CannotCheck::io(&path, source)),
    }
}

fn tell(report: &Report, json: bool) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    if json {
        serde_json::to_writer_pretty(&mut out, report)?;
        writeln!(out)?;
    } else {
        text::write(report, &mut out)?;
    }
    out.flush()
}
