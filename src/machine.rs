//! What the machine has that this process may use: memory and disk space.

use std::fs;
use std::io;
use std::path::Path;

/// Where Linux shows the control groups.
const CGROUPS: &str = "/sys/fs/cgroup";

/// Bytes of memory this process may use: the RAM, or less when a control group sets a limit, as in a container.
/// `None` when the system does not say.
pub(crate) fn memory() -> Option<u64> {
    ram().map(|ram| cgroup_limit().map_or(ram, |limit| ram.min(limit)))
}

/// The size in bytes of the file system that holds `directory`.
///
/// # Errors
/// What the operating system says.
pub(crate) fn file_system(directory: &Path) -> io::Result<u64> {
    let is = rustix::fs::statvfs(directory)?;
    Ok(is.f_blocks.saturating_mul(is.f_frsize))
}

#[cfg(target_os = "linux")]
fn ram() -> Option<u64> {
    let is = rustix::system::sysinfo();
    // As wide as a pointer: 32 bits on some targets.
    #[allow(clippy::useless_conversion, reason = "not on every target")]
    let units = u64::from(is.totalram);
    Some(units.saturating_mul(is.mem_unit.into()))
}

#[cfg(not(target_os = "linux"))]
fn ram() -> Option<u64> {
    None
}

fn cgroup_limit() -> Option<u64> {
    let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
    smallest_limit(&membership, |file| fs::read_to_string(file).ok())
}

/// The smallest memory limit of the groups that `membership` names, the content of `/proc/self/cgroup`, and of those
/// they are in. Both versions of control groups have them.
fn smallest_limit(membership: &str, read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let groups = membership.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, group) = rest.split_once(':')?;
        let (mount, file) = match controllers {
            "" => ("", "memory.max"),
            _ if controllers.split(',').any(|one| one == "memory") => ("memory", "memory.limit_in_bytes"),
            _ => return None,
        };
        Some((
            Path::new(CGROUPS).join(mount),
            group.trim_start_matches('/'),
            file,
        ))
    });
    let limits = groups.flat_map(|(mount, group, file)| {
        let limit = |group: &Path| read(&mount.join(group).join(file))?.trim().parse().ok();
        Path::new(group).ancestors().filter_map(limit).min()
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(membership: &str, files: &[(&str, &str)]) -> Option<u64> {
        smallest_limit(membership, |path| {
            let found = files.iter().find(|(name, _)| Path::new(name) == path)?;
            Some(found.1.to_owned())
        })
    }

    #[test]
    fn a_container_sees_its_limit_at_the_top() {
        let files = [("/sys/fs/cgroup/memory.max", "536870912\n")];
        assert_eq!(limit("0::/\n", &files), Some(512 << 20));
    }

    #[test]
    fn the_smallest_limit_of_the_groups_around_a_service_counts() {
        let files = [
            ("/sys/fs/cgroup/system.slice/leveret.service/memory.max", "max\n"),
            ("/sys/fs/cgroup/system.slice/memory.max", "1000\n"),
            ("/sys/fs/cgroup/memory.max", "2000\n"),
        ];
        assert_eq!(limit("0::/system.slice/leveret.service\n", &files), Some(1000));
    }

    #[test]
    fn the_first_version_has_a_tree_for_memory_alone() {
        let files = [
            ("/sys/fs/cgroup/memory/docker/a/memory.limit_in_bytes", "4096\n"),
            (
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
            ("/sys/fs/cgroup/cpu/memory.limit_in_bytes", "1\n"),
        ];
        let membership = "8:cpu,cpuacct:/docker/a\n4:memory:/docker/a\n0::/\n";
        assert_eq!(limit(membership, &files), Some(4096));
    }

    #[test]
    fn without_a_limit_the_ram_counts() {
        assert_eq!(limit("0::/user.slice\n", &[]), None);
        assert_eq!(limit("", &[]), None);
        assert!(memory().is_none_or(|bytes| bytes > 1 << 20));
    }
}
