//! A log is read from its folder: from the checkpoint of a clean stop, or from all its segments.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use super::files::{Directory, Files};
use super::header::Unreadable;
use super::log::{Log, LogSettings};
use super::recovery::{DefectKind, Progress, Recovered, RecoveredQueue, read_checkpoint, repair, scan_with};
use crate::id::StoreId;

/// How often it is told how far a long reading is.
const TOLD: Duration = Duration::from_secs(1);

/// Why a journal can't be used. Nothing of it was changed.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It can't be made, read or written.
    #[error("cannot use the journal {}: {source}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A later version of Leveret wrote it.
    #[error("the journal file {} was written by a later version: format {version}", path.display())]
    Later {
        /// The file.
        path: PathBuf,
        /// The version of its format.
        version: u16,
    },
}

/// A log that was read.
pub(super) struct OpenedLog {
    pub(super) log: Log,
    /// What is known of each queue.
    pub(super) queues: HashMap<StoreId, RecoveredQueue>,
    /// What could not be read.
    pub(super) defects: u64,
}

impl OpenedLog {
    /// Whether nothing in it is of use to anyone.
    pub(super) fn is_empty(&self) -> bool {
        self.defects == 0 && self.log.index().stores().next().is_none()
    }
}

/// Reads the log in the folder `path`; makes an empty one when there is none. What can't be read is logged.
pub(super) fn open_log(path: PathBuf, settings: LogSettings) -> Result<OpenedLog, JournalError> {
    let failed = |source| JournalError::Io {
        path: path.clone(),
        source,
    };
    let begun = Instant::now();
    let files = Directory::open(&path).map_err(failed)?;
    let recovered = match from_checkpoint(&files, &path) {
        Some(recovered) => recovered,
        None => from_segments(&files, &path)?,
    };
    repair(&files, &recovered).map_err(failed)?;
    let ms = begun.elapsed().as_millis();
    let segments = recovered.index.segments().count();
    let orderly = recovered.stopped_in_order;
    info!(folder = %path.display(), segments, orderly, ms, "read the journal");
    let mut queues: HashMap<_, _> = recovered.queues.iter().map(|(id, queue)| (*id, *queue)).collect();
    if !orderly {
        // No one knows what was handed out.
        queues.values_mut().for_each(RecoveredQueue::suspect);
    }
    let defects = recovered.defects.len() as u64;
    let log = Log::new(Arc::new(files), settings, recovered);
    Ok(OpenedLog { log, queues, defects })
}

fn from_checkpoint(files: &dyn Files, path: &Path) -> Option<Recovered> {
    let why = match read_checkpoint(files) {
        Ok(None) => return None,
        Ok(Some(Ok(recovered))) => return Some(recovered),
        Ok(Some(Err(invalid))) => invalid.to_string(),
        Err(failure) => failure.to_string(),
    };
    info!(folder = %path.display(), why, "the checkpoint is not used; all segments are read");
    None
}

fn from_segments(files: &dyn Files, path: &Path) -> Result<Recovered, JournalError> {
    let mut told = Instant::now();
    let mut tell = |Progress { read, total }| {
        if told.elapsed() >= TOLD {
            told = Instant::now();
            info!(folder = %path.display(), read, total, "reading the journal");
        }
    };
    let recovered = scan_with(files, &mut tell).map_err(|source| JournalError::Io {
        path: path.to_owned(),
        source,
    })?;
    for defect in &recovered.defects {
        match defect.kind {
            DefectKind::Unreadable(Unreadable::Version(version)) => {
                let path = path.join(&defect.file);
                return Err(JournalError::Later { path, version });
            }
            DefectKind::Torn | DefectKind::Unreadable(Unreadable::Short) => warn!("journal: {defect}"),
            _ => error!("journal: {defect}"),
        }
    }
    Ok(recovered)
}
