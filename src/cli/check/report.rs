//! What `leveret check` tells: the definitions and the journals, joined.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use leveret_actors::definitions::{self, StoreError};
use leveret_actors::id::StoreId;
use leveret_actors::journal::checkpoint::{self, Invalid};
use leveret_actors::journal::header::Unreadable;
use leveret_actors::journal::inspect::{self as journal, Checkpoint, Defect, DefectKind};
use leveret_actors::journal::store::FOLDER;
use serde::Serialize;

use super::CannotCheck;

/// All that is told.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) data_dir: PathBuf,
    /// The last broker stopped in order; after a crash all messages come back marked as redelivered.
    pub(super) stopped_in_order: bool,
    pub(super) definitions: Option<Definitions>,
    pub(super) journals: Vec<Journal>,
    /// Durable queues in which messages wait.
    pub(super) queues: Vec<Queue>,
    /// Deleted queues whose dead letters are still to be carried away.
    pub(super) departing: Vec<Queue>,
    /// Queues that the journal tells of and no definition.
    pub(super) unknown_queues: Vec<UnknownQueue>,
    /// What can't be read.
    pub(super) defects: Vec<Finding>,
    /// What is worth knowing, and normal.
    pub(super) notes: Vec<Finding>,
}

#[derive(Debug, Serialize)]
pub(super) struct Definitions {
    pub(super) file: &'static str,
    pub(super) format: u64,
    pub(super) vhosts: Vec<Vhost>,
}

#[derive(Debug, Serialize)]
pub(super) struct Vhost {
    pub(super) name: String,
    pub(super) exchanges: u64,
    pub(super) queues: u64,
    pub(super) bindings: u64,
    pub(super) policies: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Journal {
    pub(super) folder: String,
    pub(super) stopped_in_order: bool,
    /// The next start need not read the segments.
    pub(super) checkpoint: bool,
    pub(super) segments: Vec<Segment>,
}

#[derive(Debug, Serialize)]
pub(super) struct Segment {
    pub(super) file: String,
    pub(super) format: Option<u16>,
    pub(super) bytes: u64,
    pub(super) records: Records,
    /// Messages it tells of, once for each queue.
    pub(super) messages: u64,
    /// Those of them that no queue has settled.
    pub(super) waiting: u64,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Records {
    pub(super) publications: u64,
    /// Publications whose bodies are elsewhere.
    pub(super) borrowers: u64,
    /// Bodies that moved without their publications.
    pub(super) bodies: u64,
    pub(super) references: u64,
    pub(super) settled: u64,
    pub(super) returned: u64,
    pub(super) handed_out: u64,
    pub(super) queues_deleted: u64,
    pub(super) stopped: u64,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Queue {
    pub(super) vhost: String,
    pub(super) name: String,
    pub(super) store: u64,
    pub(super) waiting: u64,
}

impl Queue {
    fn new((vhost, name): (String, String), store: StoreId, waiting: u64) -> Self {
        Queue {
            vhost,
            name,
            store: store.0,
            waiting,
        }
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct UnknownQueue {
    pub(super) store: u64,
    pub(super) waiting: u64,
}

/// Something found at a place, and what follows from it.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    /// Below the data directory.
    pub(super) file: String,
    /// From the first byte up to the one behind the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bytes: Option<[u64; 2]>,
    pub(super) what: String,
    pub(super) meaning: &'static str,
}

impl Report {
    /// Looks at a directory.
    pub(super) fn of(directory: &Path) -> Result<Report, CannotCheck> {
        let mut report = Report {
            data_dir: directory.to_owned(),
            stopped_in_order: true,
            definitions: None,
            journals: Vec::new(),
            queues: Vec::new(),
            departing: Vec::new(),
            unknown_queues: Vec::new(),
            defects: Vec::new(),
            notes: Vec::new(),
        };
        let named = report.read_definitions(directory)?;
        let folders = folders(directory)?;
        if folders.is_empty() && named.is_none() && report.defects.is_empty() {
            let directory = directory.to_owned();
            return Err(CannotCheck::Nothing { directory });
        }
        let mut waiting = BTreeMap::new();
        for folder in folders {
            report.read_journal(directory, folder, named.as_ref(), &mut waiting)?;
        }
        report.join(named, waiting);
        Ok(report)
    }

    /// Gives the names of the queues, if they can be read.
    fn read_definitions(&mut self, directory: &Path) -> Result<Option<Names>, CannotCheck> {
        let inspected = match definitions::inspect(directory) {
            Ok(None) => return Ok(None),
            Ok(Some(inspected)) => inspected,
            Err(StoreError::Damaged { what, .. }) => {
                self.defects.push(Finding {
                    file: definitions::FILE.to_owned(),
                    bytes: None,
                    what,
                    meaning: "a broker refuses to start; restore the file from a backup: without it all messages would be dropped",
                });
                return Ok(None);
            }
            Err(why) => return Err(why.into()),
        };
        let defects = inspected.defects.into_iter().map(|what| Finding {
            file: definitions::FILE.to_owned(),
            bytes: None,
            what,
            meaning: "a broker refuses to start; restore the file from a backup",
        });
        self.defects.extend(defects);
        let vhosts = inspected.vhosts.into_iter().map(|(name, counted)| Vhost {
            name,
            exchanges: counted.exchanges,
            queues: counted.queues,
            bindings: counted.bindings,
            policies: counted.policies,
        });
        self.definitions = Some(Definitions {
            file: definitions::FILE,
            format: inspected.format,
            vhosts: vhosts.collect(),
        });
        let queues = inspected
            .queues
            .into_iter()
            .map(|(store, name)| (store, (name, true)));
        let departing = inspected.departing.into_iter();
        Ok(Some(
            queues
                .chain(departing.map(|(store, name)| (store, (name, false))))
                .collect(),
        ))
    }

    fn read_journal(
        &mut self,
        directory: &Path,
        folder: String,
        named: Option<&Names>,
        waiting: &mut BTreeMap<StoreId, u64>,
    ) -> Result<(), CannotCheck> {
        let path = directory.join(&folder);
        let inspected = journal::inspect(&path).map_err(|source| CannotCheck::io(&path, source))?;
        for defect in &inspected.defects {
            if let DefectKind::Unreadable(Unreadable::Version(version)) = defect.kind {
                let path = path.join(&defect.file);
                return Err(CannotCheck::Later { path, version });
            }
            self.found(&folder, defect, named);
        }
        for (store, count) in inspected.queues {
            *waiting.entry(store).or_default() += count;
        }
        self.notes
            .extend(inspected.missing.into_iter().map(|numbers| Finding {
            file: folder.clone(),
            bytes: None,
            what: format!("segments {} to {} are not there", numbers.start(), numbers.end()),
            meaning: "normal if the disk once refused to be written to; otherwise their messages are lost",
        }));
        self.notes
            .extend(inspected.others.into_iter().map(|name| Finding {
                file: format!("{folder}/{name}"),
                bytes: None,
                what: "is not part of the journal".to_owned(),
                meaning: "it is left as it is",
            }));
        if let Checkpoint::Invalid(why) = inspected.checkpoint {
            let finding = Finding {
                file: format!("{folder}/{}", checkpoint::FILE),
                bytes: None,
                what: format!("the checkpoint does not hold: {why}"),
                meaning: "nothing is lost: the next start reads all segments",
            };
            match why {
                Invalid::Damaged => self.defects.push(finding),
                _ => self.notes.push(finding),
            }
        }
        self.stopped_in_order &= inspected.stopped_in_order || inspected.segments.is_empty();
        self.journals.push(Journal {
            folder,
            stopped_in_order: inspected.stopped_in_order,
            checkpoint: inspected.checkpoint == Checkpoint::Valid,
            segments: inspected.segments.into_iter().map(Segment::from).collect(),
        });
        Ok(())
    }

    fn found(&mut self, folder: &str, defect: &Defect, named: Option<&Names>) {
        let (what, meaning, normal) = explain(defect, named);
        let finding = Finding {
            file: format!("{folder}/{}", defect.file),
            bytes: Some([defect.bytes.start, defect.bytes.end]),
            what,
            meaning,
        };
        match normal {
            true => self.notes.push(finding),
            false => self.defects.push(finding),
        }
    }

    /// Puts the names to the messages.
    fn join(&mut self, named: Option<Names>, waiting: BTreeMap<StoreId, u64>) {
        if named.is_none() && self.defects.is_empty() && waiting.values().any(|count| *count > 0) {
            self.defects.push(Finding {
                file: definitions::FILE.to_owned(),
                bytes: None,
                what: "is not there, although messages wait".to_owned(),
                meaning: "a broker does not start, as it would drop all messages; restore the file from a backup",
            });
        }
        let known = named.is_some();
        let mut named = named.unwrap_or_default();
        for (store, waiting) in waiting {
            match named.remove(&store) {
                Some((name, true)) if waiting > 0 => self.queues.push(Queue::new(name, store, waiting)),
                Some((_, true)) => {}
                Some((name, false)) => self.departing.push(Queue::new(name, store, waiting)),
                None => self.unknown_queues.push(UnknownQueue {
                    store: store.0,
                    waiting,
                }),
            }
        }
        let departing = named.into_iter().filter(|(_, (_, stays))| !stays);
        self.departing
            .extend(departing.map(|(store, (name, _))| Queue::new(name, store, 0)));
        self.queues.sort_unstable();
        self.departing.sort_unstable();
        if known && !self.unknown_queues.is_empty() {
            self.notes.push(Finding {
                file: FOLDER.to_owned(),
                bytes: None,
                what: format!("tells of {} queues that are not defined", self.unknown_queues.len()),
                meaning: "normal when they were deleted right before a crash; the next start drops what is left of them",
            });
        }
    }
}

/// The virtual hosts and names of queues, and whether they are not deleted.
type Names = HashMap<StoreId, ((String, String), bool)>;

/// The folders of journals, in order.
fn folders(directory: &Path) -> Result<Vec<String>, CannotCheck> {
    let failed = |source| CannotCheck::io(directory, source);
    let mut folders = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let number = name.strip_prefix(FOLDER).map(|rest| rest.strip_prefix('-'));
        let one_of_several = |number: &str| number.parse::<u32>().is_ok();
        if entry.path().is_dir() && (name == FOLDER || number.flatten().is_some_and(one_of_several)) {
            folders.push(name);
        }
    }
    folders.sort_unstable();
    Ok(folders)
}

/// What is wrong, what follows, and whether that is normal.
fn explain(defect: &Defect, named: Option<&Names>) -> (String, &'static str, bool) {
    let normal = defect.last;
    match defect.kind {
        DefectKind::Tail if defect.last => (
            "the tail was never completed".to_owned(),
            "normal after a crash: nothing in it was confirmed as being on the disk; the next start cuts it off",
            normal,
        ),
        DefectKind::Tail => (
            "the end of the segment is damaged".to_owned(),
            "messages recorded there are lost, unless the disk failed when they were written: then they are in the next segment too; the next start cuts it off",
            normal,
        ),
        DefectKind::Unreadable(Unreadable::Short) if defect.last => (
            "the file ends within its header".to_owned(),
            "normal after a crash: it holds nothing; the next start deletes it",
            normal,
        ),
        DefectKind::Damaged => (
            "damaged records".to_owned(),
            "messages recorded there are lost, and what was acknowledged there comes back; a broker starts all the same",
            false,
        ),
        DefectKind::Dangling { store, position } => {
            let queue = match named.and_then(|named| named.get(&store)) {
                Some(((vhost, name), _)) => format!("queue '{name}' in vhost '{vhost}'"),
                None => format!("the queue with store id {}", store.0),
            };
            let what = format!("message {position} of {queue} refers to a publication that is not there");
            (what, "this message is lost; a broker starts all the same", false)
        }
        DefectKind::Unreadable(why) => (
            format!("unreadable: {why}"),
            "all messages in it are lost, and what was acknowledged in it comes back; a broker starts all the same",
            false,
        ),
    }
}

impl From<journal::Segment> for Segment {
    fn from(segment: journal::Segment) -> Self {
        let records = segment.records;
        Segment {
            file: segment.file,
            format: segment.format,
            bytes: segment.bytes,
            messages: records.publications + records.borrowers + records.references,
            waiting: segment.waiting,
            records: Records {
                publications: records.publications,
                borrowers: records.borrowers,
                bodies: records.bodies,
                references: records.references,
                settled: records.settled,
                returned: records.returned,
                handed_out: records.handed_out,
                queues_deleted: records.queues_deleted,
                stopped: records.stopped,
            },
        }
    }
}
