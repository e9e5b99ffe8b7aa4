//! The watch over memory and free space: a thread that looks often, and raises and clears the alarms.
//!
//! It is no actor: asking a disk for its free space can take long, and nothing else should wait for it. Memory is looked at
//! so often that a flood of publications can't outrun it by much. While messages take more memory than they may, every queue is told
//! to let go of what need not be there; the busy ones see it by themselves.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tracing::{info, warn};

use super::Broker;
use super::freed::give_back;
use super::gauges::{ProcessMemory, free_space};
use super::watermark::{Change, Limit, Watermark};
use crate::node::{Alarm, FreeSpace, Observer};
use crate::publication::{others_exceed, pages_in_memory, room_taken};
use crate::queue::MemoryBudget;
use crate::queue::messages::Reclaim;

/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// What all but messages may take of the memory limit before there is less for these, in eighths. Messages may take four, so that
/// they go to the disk before an alarm is due.
const OTHERS: u64 = 3;
/// Looks between two at a disk that has plenty.
const DISK_EVERY: u32 = 10;
/// Looks between two times that the queues are told to reclaim memory.
const RECLAIM_EVERY: u32 = 3;

/// What is watched for one broker.
pub(super) struct Watch {
    broker: Broker,
    memory: Option<(ProcessMemory, Watermark)>,
    disk: Option<Disk>,
    /// Looks left until the queues are told again.
    reclaim_pause: u32,
}

struct Disk {
    space: FreeSpace,
    watermark: Watermark,
    /// Looks left until the next at the disk.
    pause: u32,
    /// It could not be asked the last time: that is told once.
    unknown: bool,
}

impl Watch {
    /// Starts to watch, until the other end of `ended` is dropped.
    ///
    /// # Errors
    ///
    /// When the system has no thread left.
    pub(super) fn start(broker: Broker, ended: Receiver<()>) -> io::Result<()> {
        let settings = &broker.node.settings;
        let mut watch = Watch {
            memory: memory(settings.memory_limit),
            disk: settings.free_space.clone().and_then(Disk::new),
            broker: broker.clone(),
            reclaim_pause: 0,
        };
        if watch.memory.is_none() && watch.disk.is_none() {
            return Ok(());
        }
        let run = move || {
            while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                watch.look();
            }
        };
        std::thread::Builder::new().name("watch".into()).spawn(run)?;
        Ok(())
    }

    fn look(&mut self) {
        self.look_at_memory();
        self.look_at_disk();
        self.reclaim();
    }

    fn look_at_memory(&mut self) {
        let Some((memory, watermark)) = &mut self.memory else {
            return;
        };
        let limit = self.broker.node.settings.memory_limit;
        let excess = |used: u64| used.saturating_sub(pages_in_memory() + limit / 8 * OTHERS);
        let Ok(mut used) = memory.read() else { return };
        if excess(used) > 0 {
            give_back();
            used = memory.read().unwrap_or(used);
        }
        others_exceed(excess(used));
        let (used_mib, clears_at_mib) = (used >> 20, watermark.limit().clears_at() >> 20);
        let limit_mib = limit >> 20;
        match watermark.read(used) {
            Some(Change::Low) => warn!(
                used_mib,
                limit_mib,
                clears_at_mib,
                "memory alarm: the process uses more than --memory-limit; publishers are held back until it uses less than \
                 clears_at_mib, consumers go on"
            ),
            Some(Change::Enough) => info!(used_mib, limit_mib, "the memory alarm is over"),
            None => return,
        }
        let low = watermark.is_low();
        self.broker.observed(Observer::Watch, Alarm::Memory, low);
    }

    /// Only with a data directory is there a place for messages to go.
    fn reclaim(&mut self) {
        self.reclaim_pause = self.reclaim_pause.saturating_sub(1);
        let node = &self.broker.node;
        let over = MemoryBudget::of(node.settings.memory_limit).strained(room_taken());
        if !over || self.reclaim_pause > 0 || node.journals.is_none() {
            return;
        }
        self.reclaim_pause = RECLAIM_EVERY;
        for vhost in node.vhosts() {
            for queue in vhost.directory.queues() {
                if queue.dwelling.is_inhabited() {
                    queue.addr().do_send(Reclaim);
                }
            }
        }
    }

    fn look_at_disk(&mut self) {
        let Some(disk) = &mut self.disk else { return };
        if let Some(low) = disk.look() {
            self.broker.observed(Observer::Watch, Alarm::Disk, low);
        }
    }
}

fn memory(limit: u64) -> Option<(ProcessMemory, Watermark)> {
    if limit == u64::MAX {
        return None;
    }
    match ProcessMemory::open() {
        Ok(memory) => {
            memory
                .read()
                .into_iter()
                .for_each(|used| warn_if_too_small(limit, used));
            Some((memory, Watermark::new(Limit::Most(limit))))
        }
        Err(error) => {
            warn!(%error, "the system does not tell how much memory is used: there is no memory alarm");
            None
        }
    }
}

/// Tells of a limit below which the process hardly gets by with what it takes before it has done anything, `used`.
fn warn_if_too_small(limit: u64, used: u64) {
    let Some(wanted) = enough_for(limit, used) else {
        return;
    };
    let (used_mib, limit_mib, wanted_mib) = (used >> 20, limit >> 20, wanted.div_ceil(1 << 20));
    warn!(
        used_mib,
        limit_mib,
        wanted_mib,
        "--memory-limit is too small: the process uses used_mib before the first message, so that the memory alarm holds publishers \
         back for long, or for ever; set it to wanted_mib or more"
    );
}

/// The limit that leaves messages their part when all else takes `used`, if this one does not by far: their half is not there.
fn enough_for(limit: u64, used: u64) -> Option<u64> {
    (used > limit / 2).then_some(used.saturating_mul(8) / OTHERS)
}

impl Disk {
    fn new(space: FreeSpace) -> Option<Self> {
        (space.bytes > 0).then(|| Disk {
            watermark: Watermark::new(Limit::Least(space.bytes)),
            space,
            pause: 0,
            unknown: false,
        })
    }

    /// Whether the disk is low, when that has changed.
    fn look(&mut self) -> Option<bool> {
        if self.pause > 0 {
            self.pause -= 1;
            return None;
        }
        let free = match free_space(&self.space.directory) {
            Ok(free) => free,
            Err(error) => {
                self.pause = DISK_EVERY;
                if !std::mem::replace(&mut self.unknown, true) {
                    let directory = self.space.directory.display();
                    warn!(%error, %directory, "the disk does not tell its free space: it is not watched until it does");
                }
                return None;
            }
        };
        self.unknown = false;
        let changed = self.watermark.read(free);
        // Near the limit, every look is at the disk too.
        let near = self.watermark.is_low() || free / 2 < self.space.bytes;
        self.pause = if near { 0 } else { DISK_EVERY };
        self.tell(changed?, free);
        Some(self.watermark.is_low())
    }

    fn tell(&self, change: Change, free: u64) {
        let directory = self.space.directory.display();
        let (free_mib, limit_mib) = (free >> 20, self.space.bytes >> 20);
        let clears_at_mib = self.watermark.limit().clears_at() >> 20;
        match change {
            Change::Low => warn!(
                %directory,
                free_mib,
                limit_mib,
                clears_at_mib,
                "disk alarm: less is free than --disk-free-limit; publishers are held back until clears_at_mib are free, \
                 consumers go on"
            ),
            Change::Enough => info!(%directory, free_mib, limit_mib, "the alarm for disk space is over"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_enough_when_messages_get_their_half_of_it() {
        const MIB: u64 = 1 << 20;
        assert_eq!(enough_for(64 * MIB, 30 * MIB), None);
        for limit in [1, 24, 32, 59] {
            let wanted = enough_for(limit * MIB, 30 * MIB).unwrap();
            assert_eq!(wanted, 80 * MIB);
            assert_eq!(enough_for(wanted, 30 * MIB), None);
        }
        assert_eq!(enough_for(0, u64::MAX), Some(u64::MAX / OTHERS));
    }
}
