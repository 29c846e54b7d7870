//! Resource limits of a worker, and reading them back.

use rustix::process::{Resource, getrlimit};

use super::cgroup::Bounds;
use aion_profiles::Role;

/// A limit, by its number and by its row in `/proc/PID/limits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) resource: Resource,
    row: &'static str,
    pub(super) value: u64,
}

impl Limit {
    /// As a plan has it.
    pub(super) fn planned(&self) -> (u32, u64) {
        (self.resource as u32, self.value)
    }
}

/// The limits of a worker: small numbers for what it needs, nothing for the rest.
/// `counts_processes` says whether its user has no other processes, without which
/// a limit on them would count the user's own.
pub(super) fn limits(profile: &Role, bounds: &Bounds, counts_processes: bool) -> Vec<Limit> {
    let limit = |resource, row, value| Limit {
        resource,
        row,
        value,
    };
    let mut limits = vec![
        limit(Resource::Nofile, "Max open files", profile.open_files),
        // Logs leave through pipes; a worker has no file to make longer.
        limit(
            Resource::Fsize,
            "Max file size",
            profile.file_size.map_or(0, |it| it.0),
        ),
        // A program of an image can be dumped, and its boot document with it. A dump of no bytes would still go to a
        // helper of the kernel's; one byte is the number that tells it not to start any (core(5), do_coredump).
        limit(Resource::Core, "Max core file size", 1),
        limit(Resource::Memlock, "Max locked memory", 0),
        limit(Resource::Msgqueue, "Max msgqueue size", 0),
        limit(Resource::Nice, "Max nice priority", 0),
        limit(Resource::Rtprio, "Max realtime priority", 0),
    ];
    if let Some(memory) = bounds.memory {
        let whole = memory.saturating_add(profile.address_space_over_memory.0);
        limits.push(limit(Resource::As, "Max address space", whole));
    }
    if let Some(pids) = bounds.pids.filter(|_| counts_processes) {
        // One more than the group lets in, which counts what it refuses, and is to be the one that does.
        let pids = u64::from(pids) + 1;
        limits.push(limit(Resource::Nproc, "Max processes", pids));
    }
    if let Some(seconds) = profile.cpu_seconds {
        limits.push(limit(Resource::Cpu, "Max cpu time", seconds));
    }
    for limit in &mut limits {
        limit.value = limit.value.min(ceiling(limit.resource));
    }
    limits
}

/// The launcher's own hard limit, which it may hand down but not exceed.
fn ceiling(resource: Resource) -> u64 {
    getrlimit(resource).maximum.unwrap_or(u64::MAX)
}

/// Compares with the text of `/proc/PID/limits`: what holds, or what differs.
pub(super) fn compare(limits: &[Limit], proc_limits: &str) -> Result<String, String> {
    let mut evidence = Vec::new();
    for limit in limits {
        let row = proc_limits
            .lines()
            .find_map(|line| line.strip_prefix(limit.row))
            .ok_or_else(|| format!("/proc/PID/limits has no row {:?}", limit.row))?;
        let mut columns = row.split_whitespace();
        let wanted = limit.value.to_string();
        if columns.next() != Some(&wanted) || columns.next() != Some(&wanted) {
            return Err(format!(
                "{} is {} and not {wanted}",
                limit.row,
                row.split_whitespace().next().unwrap_or("unreadable")
            ));
        }
        let name = limit.row.trim_start_matches("Max ");
        evidence.push(format!("{name} {wanted}"));
    }
    Ok(evidence.join(", "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::server::profile;
    use aion_profiles::Profiles;
    use aion_sandbox::protocol::Limits;

    const TEXT: &str = "\
Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max file size             0                    0                    bytes
Max open files            64                   64                   files
";

    fn open_files(value: u64) -> Limit {
        Limit {
            resource: Resource::Nofile,
            row: "Max open files",
            value,
        }
    }

    #[test]
    fn limits_are_compared_with_what_the_kernel_says() {
        assert_eq!(compare(&[open_files(64)], TEXT), Ok("open files 64".into()));
        let differs = compare(&[open_files(32)], TEXT).unwrap_err();
        assert_eq!(differs, "Max open files is 64 and not 32");
        assert!(compare(&[open_files(64)], "").is_err());
    }

    #[test]
    fn the_users_own_processes_are_not_counted_against_a_worker() {
        let profiles = Profiles::built_in();
        let profile = profiles.role("declarative").unwrap();
        let bounds = profile::bounds(profile, &Limits::default());
        let has_nproc = |counts| {
            limits(profile, &bounds, counts)
                .iter()
                .any(|limit| limit.resource == Resource::Nproc)
        };
        assert!(has_nproc(true));
        assert!(!has_nproc(false));
    }
}
