//! What a machine looks like to a test that must leave it as it was.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use crate::StartError;

/// Settings that no namespace divides and that Kubernetes writes.
const SETTINGS: &[&str] = &[
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
    "net/netfilter/nf_conntrack_max",
    "net/ipv4/ip_forward",
    "net/bridge/bridge-nf-call-iptables",
];

/// Folders that its programs write to where nothing else is said.
const FOLDERS: &[&str] = &[
    "/run",
    "/run/netns",
    "/var/lib",
    "/var/lib/cni",
    "/var/log",
    "/etc/cni",
    "/etc/cni/net.d",
    "/opt",
];

/// A machine at one moment: its mounts, links, routes, packet filters, settings, folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftovers(BTreeSet<String>);

impl Leftovers {
    /// As it is now.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn now() -> Result<Self, StartError> {
        let mut lines = BTreeSet::new();
        let mounts = fs::read_to_string("/proc/self/mounts")
            .map_err(StartError::io("reading the mounts"))?;
        lines.extend(mounts.lines().map(|line| format!("mount {line}")));
        for (what, command) in [
            ("link", "ip -oneline link"),
            ("address", "ip -oneline address"),
            ("route", "ip route show table all"),
            ("packet filter", "nft list ruleset"),
        ] {
            let words: Vec<_> = command.split(' ').collect();
            let text = crate::component::run(Command::new(words[0]).args(&words[1..]))?;
            lines.extend(text.lines().map(|line| format!("{what} {line}")));
        }
        for setting in SETTINGS {
            if let Ok(value) = fs::read_to_string(Path::new("/proc/sys").join(setting)) {
                lines.insert(format!("setting {setting} {}", value.trim()));
            }
        }
        for folder in FOLDERS {
            lines.extend(
                names(Path::new(folder))
                    .iter()
                    .map(|name| format!("file {folder}/{name}")),
            );
        }
        Ok(Self(lines))
    }

    /// What is another than `before`, and what still carries one of the `marks`: files for
    /// a while, cgroups, and processes.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn since(before: &Self, marks: &[String]) -> Result<Vec<String>, StartError> {
        let now = Self::now()?;
        let mut left: Vec<_> = now
            .0
            .difference(&before.0)
            .map(|line| format!("new: {line}"))
            .collect();
        left.extend(
            before
                .0
                .difference(&now.0)
                .map(|line| format!("gone: {line}")),
        );
        let marked = |text: &str| marks.iter().any(|mark| text.contains(mark));
        let temporary = std::env::temp_dir();
        left.extend(
            names(&temporary)
                .into_iter()
                .filter(|name| marked(name))
                .map(|name| format!("file {name}")),
        );
        for hierarchy in names(Path::new("/sys/fs/cgroup")) {
            let root = Path::new("/sys/fs/cgroup").join(&hierarchy);
            let found = names(&root).into_iter().filter(|name| marked(name));
            left.extend(found.map(|name| format!("cgroup {hierarchy}/{name}")));
        }
        let processes = names(Path::new("/proc"))
            .into_iter()
            .filter(|name| name.parse::<u32>().is_ok());
        for process in processes.filter(|pid| *pid != std::process::id().to_string()) {
            let words =
                |file: &str| fs::read(format!("/proc/{process}/{file}")).unwrap_or_default();
            let words = [words("cmdline"), words("cgroup"), words("mountinfo")].concat();
            if marked(&String::from_utf8_lossy(&words)) {
                let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
                left.push(format!("process {process} {}", name.trim()));
            }
        }
        Ok(left)
    }
}

/// What a folder holds; nothing, where it is not there.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}
