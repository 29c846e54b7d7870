//! What the kernel says about a worker that claims to be confined, layer by
//! layer. The worker is asked only where the kernel has no answer (Landlock).

mod network;
mod root;

use std::fs;
use std::path::Path;

use super::cgroup::Controller;
use super::namespaces::KINDS;
use super::proc;
use super::rlimits::compare;
use super::starter::{Begun, Starter};
use aion_sandbox::{Layer, LayerReading};

/// What the worker said of itself.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// What it tried against its Landlock domain.
    pub(super) landlock: Option<String>,
    /// Steps that failed.
    pub(super) failures: Vec<(Layer, String)>,
}

impl Claims {
    /// The reason the worker gave, or that it gave none.
    fn reason(&self, name: Layer) -> String {
        self.failures
            .iter()
            .find(|(it, _)| *it == name)
            .map_or_else(
                || "not in force, and the worker knows no reason".into(),
                |(_, why)| why.clone(),
            )
    }
}

/// Reads every layer back, in the order of [`Layer::ALL`].
pub(super) fn read_back(starter: &Starter, begun: &Begun, claims: &Claims) -> Vec<LayerReading> {
    let view = View::of(begun.made.pid);
    let groups = view.text("cgroup");
    Layer::ALL
        .into_iter()
        .map(|name| match name {
            Layer::UserNamespace
            | Layer::MountNamespace
            | Layer::NetworkNamespace
            | Layer::PidNamespace
            | Layer::IpcNamespace
            | Layer::UtsNamespace => namespace(name, starter, begun, &view, claims),
            Layer::CgroupMemory => cgroup(Controller::Memory, begun, &groups),
            Layer::CgroupPids => cgroup(Controller::Pids, begun, &groups),
            Layer::CgroupCpu => cgroup(Controller::Cpu, begun, &groups),
            Layer::CgroupIo => cgroup(Controller::Io, begun, &groups),
            Layer::Rlimits => match compare(&begun.limits, &view.text("limits")) {
                Ok(evidence) => LayerReading::enforced(name, evidence),
                Err(evidence) => LayerReading::missing(name, claims.reason(name), evidence),
            },
            Layer::NoNewPrivs => match view.status("NoNewPrivs").as_str() {
                "1" => LayerReading::enforced(name, "NoNewPrivs 1"),
                other => {
                    LayerReading::missing(name, claims.reason(name), format!("NoNewPrivs {other}"))
                }
            },
            Layer::Capabilities => capabilities(&view, claims),
            Layer::Landlock => match &claims.landlock {
                Some(evidence) => LayerReading::enforced(name, evidence),
                None => LayerReading::missing(name, claims.reason(name), ""),
            },
            Layer::Seccomp => seccomp(begun, &view, claims),
        })
        .collect()
}

/// `/proc/PID` of a worker.
struct View {
    directory: String,
    status: String,
}

impl View {
    fn of(pid: u32) -> Self {
        let directory = format!("/proc/{pid}");
        let status = proc::text(format!("{directory}/status")).unwrap_or_default();
        Self { directory, status }
    }

    fn text(&self, file: &str) -> String {
        proc::text(format!("{}/{file}", self.directory)).unwrap_or_default()
    }

    fn status(&self, key: &str) -> String {
        status_field(&self.status, key)
            .unwrap_or("unreadable")
            .to_owned()
    }

    fn namespace(&self, kind: &str) -> Option<String> {
        let target = fs::read_link(format!("{}/ns/{kind}", self.directory)).ok()?;
        Some(target.to_string_lossy().into_owned())
    }
}

fn status_field<'a>(status: &'a str, key: &str) -> Option<&'a str> {
    status
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
        .map(str::trim)
}

/// The programs that every process of the launcher has before its own.
pub(super) fn own_seccomp_filters() -> u32 {
    let status = proc::text("/proc/self/status").unwrap_or_default();
    status_field(&status, "Seccomp_filters")
        .and_then(|count| count.parse().ok())
        .unwrap_or(0)
}

fn kind(name: Layer) -> &'static str {
    match name {
        Layer::UserNamespace => "user",
        Layer::MountNamespace => "mnt",
        Layer::NetworkNamespace => "net",
        Layer::PidNamespace => "pid",
        Layer::IpcNamespace => "ipc",
        _ => "uts",
    }
}

fn namespace(
    name: Layer,
    starter: &Starter,
    begun: &Begun,
    view: &View,
    claims: &Claims,
) -> LayerReading {
    let kind = kind(name);
    debug_assert!(KINDS.iter().any(|(it, _)| *it == name));
    if let Some(why) = starter.namespaces.missing(name) {
        return LayerReading::missing(name, why, format!("uid {}", view.status("Uid")));
    }
    let own = fs::read_link(format!("/proc/self/ns/{kind}"))
        .map(|target| target.to_string_lossy().into_owned())
        .unwrap_or_default();
    let Some(theirs) = view.namespace(kind) else {
        return LayerReading::missing(name, format!("/proc/PID/ns/{kind} cannot be read"), "");
    };
    if theirs == own {
        return LayerReading::missing(name, "shares the launcher's", theirs);
    }
    let further = match name {
        Layer::UserNamespace => {
            unprivileged_user(&view.text("uid_map"), starter.namespaces.privileged())
        }
        Layer::MountNamespace => root::judge(&view.text("mountinfo"), begun.shown.as_ref()),
        Layer::NetworkNamespace => network::judge(
            &view.text("net/dev"),
            ["net/tcp", "net/tcp6"].map(|file| view.text(file)),
            &begun.ports,
        ),
        _ => Ok(String::new()),
    };
    match further {
        Ok(further) if further.is_empty() => LayerReading::enforced(name, theirs),
        Ok(further) => LayerReading::enforced(name, format!("{theirs}, {further}")),
        Err(evidence) => LayerReading::missing(name, claims.reason(name), evidence),
    }
}

/// The map seen from the launcher: one user, and not root's own.
fn unprivileged_user(uid_map: &str, privileged: bool) -> Result<String, String> {
    let fields: Vec<&str> = uid_map.split_whitespace().collect();
    match fields[..] {
        [inside, outside, "1"] if !(privileged && outside == "0") => {
            Ok(format!("user {inside} is {outside} outside"))
        }
        _ => Err(format!("uid_map {}", fields.join(" "))),
    }
}

fn cgroup(controller: Controller, begun: &Begun, groups: &str) -> LayerReading {
    let name = controller.layer();
    if !begun.bounds.asks_for(controller) {
        return LayerReading::not_requested(name);
    }
    if let Some(why) = begun.group.missing(controller) {
        return LayerReading::missing(name, why, "");
    }
    let Some(directory) = begun.group.directory(controller) else {
        return LayerReading::missing(name, "no group was made", "");
    };
    let member = is_member(groups, directory);
    if !member {
        let why = format!("the worker is not in {}", directory.display());
        return LayerReading::missing(name, why, "");
    }
    let mut evidence = Vec::new();
    for setting in begun.group.settings(controller, &begun.bounds) {
        let holds = proc::text(&setting.file).unwrap_or_default();
        let file = setting
            .file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let value = setting.lines.join("; ");
        if !setting.is_held(&holds) {
            let why = format!("{file} is {} and not {value}", holds.trim());
            return LayerReading::missing(name, why, "");
        }
        evidence.push(format!("{file} {value}"));
    }
    LayerReading::enforced(name, evidence.join(", "))
}

/// The kernel names groups from the root of the hierarchy and the launcher by
/// where it is mounted: they end alike.
fn is_member(proc_cgroup: &str, directory: &Path) -> bool {
    proc_cgroup
        .lines()
        .filter_map(|line| line.splitn(3, ':').nth(2))
        .any(|path| {
            let path = path.trim_start_matches('/');
            !path.is_empty() && directory.ends_with(tail(path))
        })
}

/// The last two parts of a path: the launcher's parent and the worker's own name,
/// which no other worker has.
fn tail(path: &str) -> &str {
    path.rmatch_indices('/')
        .nth(1)
        .map_or(path, |(at, _)| &path[at + 1..])
}

fn capabilities(view: &View, claims: &Claims) -> LayerReading {
    let name = Layer::Capabilities;
    let sets = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
    let held: Vec<String> = sets
        .iter()
        .map(|set| (set, view.status(set)))
        .filter(|(_, value)| value.is_empty() || value.bytes().any(|digit| digit != b'0'))
        .map(|(set, value)| format!("{set} {value}"))
        .collect();
    if held.is_empty() {
        LayerReading::enforced(name, "CapInh, CapPrm, CapEff, CapBnd and CapAmb are 0")
    } else {
        LayerReading::missing(name, claims.reason(name), held.join(", "))
    }
}

fn seccomp(begun: &Begun, view: &View, claims: &Claims) -> LayerReading {
    let name = Layer::Seccomp;
    let (mode, filters) = (view.status("Seccomp"), view.status("Seccomp_filters"));
    let wanted = own_seccomp_filters() + begun.filters as u32;
    let enough = filters.parse::<u32>().is_ok_and(|count| count >= wanted);
    let evidence = format!("Seccomp {mode}, Seccomp_filters {filters}");
    if mode == "2" && enough && begun.filters > 0 {
        LayerReading::enforced(name, evidence)
    } else {
        LayerReading::missing(name, claims.reason(name), evidence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_is_root_outside_is_not_confined_to_a_user() {
        assert!(unprivileged_user("0 1879048192 1", true).is_ok());
        assert!(unprivileged_user("0 1000 1", false).is_ok());
        assert!(unprivileged_user("0 0 1", true).is_err());
        assert!(unprivileged_user("0 0 4294967295", true).is_err());
        assert!(unprivileged_user("", false).is_err());
    }

    #[test]
    fn membership_is_of_this_worker_and_no_other() {
        let directory = Path::new("/sys/fs/cgroup/memory/x/aion/uid-a.3");
        assert!(is_member("4:memory:/x/aion/uid-a.3\n0::/\n", directory));
        assert!(!is_member("4:memory:/x/aion/uid-b.3\n0::/\n", directory));
        assert!(!is_member("4:memory:/\n0::/\n", directory));
    }

    #[test]
    fn a_status_field_is_found_by_its_whole_name() {
        let status = "Seccomp:\t2\nSeccomp_filters:\t3\n";
        assert_eq!(status_field(status, "Seccomp"), Some("2"));
        assert_eq!(status_field(status, "Seccomp_filters"), Some("3"));
        assert_eq!(status_field(status, "Sec"), None);
    }
}
