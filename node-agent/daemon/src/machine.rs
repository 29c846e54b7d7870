//! What this machine is: its name, its memory, its processors, what this process may do on it.

use std::fs;

use aion_api::NodeCapacity;

/// Memory that stays for everything that is not an agent, in MiB.
const RESERVE_MIB: i64 = 512;
/// Instances a machine takes, idle ones counted: rows of a table.
const INSTANCES: i32 = 10_000;

/// The host's name, as it can stand in a resource; `local` where it cannot.
pub fn name() -> String {
    let name = rustix::system::uname();
    let name = name.nodename().to_string_lossy().to_ascii_lowercase();
    let fits = (1..=63).contains(&name.len())
        && name.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte)
        })
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric());
    match fits {
        true => name,
        false => "local".to_owned(),
    }
}

/// What placement may count on: all processors, and memory but for a reserve.
pub fn capacity() -> NodeCapacity {
    let total = memory_mib().unwrap_or(1024);
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    NodeCapacity {
        instances: INSTANCES,
        memory_mib: (total - RESERVE_MIB).max(total / 2),
        cpu_millis: i64::try_from(processors.saturating_mul(1000)).unwrap_or(i64::MAX),
    }
}

/// `MemTotal` of `/proc/meminfo`, or what the cgroup allows where that is less.
fn memory_mib() -> Option<i64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let total = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: i64 = total.trim().trim_end_matches("kB").trim().parse().ok()?;
    let bound = [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ]
    .iter()
    .filter_map(|path| fs::read_to_string(path).ok()?.trim().parse::<i64>().ok())
    .min();
    let mib = kib / 1024;
    Some(bound.map_or(mib, |bytes| mib.min(bytes >> 20)))
}

/// Gives up every capability that this process has, in this and every later thread. To be called before
/// there are other threads. Gives what could not be given up, for people.
pub fn drop_capabilities() -> Vec<String> {
    let mut left = Vec::new();
    if let Err(error) = rustix::thread::set_no_new_privs(true) {
        left.push(format!("no_new_privs: {error}"));
    }
    if let Err(error) = rustix::thread::clear_ambient_capability_set() {
        left.push(format!("ambient set: {error}"));
    }
    let none = rustix::thread::CapabilitySets {
        effective: rustix::thread::CapabilitySet::empty(),
        permitted: rustix::thread::CapabilitySet::empty(),
        inheritable: rustix::thread::CapabilitySet::empty(),
    };
    if let Err(error) = rustix::thread::set_capabilities(None, none) {
        left.push(format!("capability sets: {error}"));
    }
    left.extend(still_held());
    left
}

/// The capability sets of this process that are not empty, read back from the kernel.
pub fn still_held() -> Vec<String> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    ["CapInh", "CapPrm", "CapEff", "CapAmb"]
        .iter()
        .filter_map(|set| {
            let value = status
                .lines()
                .find_map(|line| line.strip_prefix(set)?.strip_prefix(':'))?;
            let value = value.trim();
            value
                .bytes()
                .any(|byte| byte != b'0')
                .then(|| format!("{set} {value}"))
        })
        .collect()
}
