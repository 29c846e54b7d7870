//! A machine made of namespaces: network, mounts, processes, IPC, name and cgroups of its
//! own. What runs in it sees neither the host's network nor its other processes, and all
//! of it ends with the machine: no process, mount, link or packet filter can stay.
//!
//! What Kubernetes is made of may not enter.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{Process, StartError, component, process, until};

/// Commands that it is made with, and the package of Debian that has them.
const WANTED: &[(&str, &str)] = &[
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("mount", "mount"),
    ("ip", "iproute2"),
];

const SCRIPT: &str = include_str!("machine.sh");

/// Joins the cgroups in `$1`, then enters; `exec`, so that a signal finds the program.
const ENTER: &str = r#"for at in $1; do echo $$ >"$at/system/cgroup.procs" || exit; done; shift; exec nsenter "$@""#;

const BOUND: Duration = Duration::from_secs(60);

/// A running machine; gone with all that runs in it when dropped.
#[derive(Debug)]
pub(super) struct Machine {
    name: String,
    first: Option<Process>,
    pid: u32,
    cgroups: Vec<PathBuf>,
}

/// The words before a command that runs it in a machine, or none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entrance(Vec<OsString>);

impl Entrance {
    /// `program`, there.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        match self.0.split_first() {
            None => Command::new(program),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        }
    }
}

impl Machine {
    /// Says why none can be made here.
    ///
    /// # Errors
    /// [`StartError::Missing`], by name.
    pub(super) fn possible() -> Result<(), StartError> {
        if !nix::unistd::geteuid().is_root() {
            return Err(missing(
                "root",
                "namespaces with devices and mounts are made by root alone",
            ));
        }
        component::programs(WANTED)?;
        component::works(
            "namespaces",
            Command::new("unshare")
                .args(["--net", "--mount", "--pid", "--cgroup"])
                .args(["--fork", "--mount-proc", "true"]),
        )
    }

    /// Starts one in `folder`, which holds its `/var/lib`, `/var/log` and `/run`; with
    /// `cgroup`, a name below the root of each hierarchy, all that runs in it is there.
    /// `last` is a folder to remove when it has ended, or nothing.
    ///
    /// # Errors
    /// With what it wrote, when it does not come up.
    pub(super) fn start(
        name: &str,
        folder: &Path,
        cgroup: &str,
        last: &Path,
    ) -> Result<Self, StartError> {
        let script = folder.join("machine.sh");
        fs::create_dir_all(folder).map_err(StartError::io("making a machine's folder"))?;
        fs::write(&script, SCRIPT).map_err(StartError::io("writing a machine's start"))?;
        let mut command = Command::new("sh");

        let cgroups: Vec<_> = match cgroup {
            "" => Vec::new(),
            below => hierarchies()?.iter().map(|root| root.join(below)).collect(),
        };
        command.arg(&script).arg(name).arg(folder).args(&cgroups);
        let mut after = remove_cgroups(&cgroups);
        if last != Path::new("") {
            after.push_str(&process::remove(last));
        }
        let mut first = Process::spawn_then(&command, &folder.join("machine.log"), &after)?;
        first.until_ready(BOUND, |first| match first.log().contains("is up") {
            true => Ok(()),
            false => Err("it is not up yet".to_owned()),
        })?;
        let pid = child_of(first.pid())?;
        Ok(Self {
            name: name.to_owned(),
            first: Some(first),
            pid,
            cgroups,
        })
    }

    pub(super) fn entrance(&self) -> Entrance {
        let cgroups: Vec<_> = self.cgroups.iter().map(|at| at.to_string_lossy()).collect();
        let target = format!("--target={}", self.pid);
        let words = ["/bin/sh", "-c", ENTER, "sh", &cgroups.join(" "), &target];
        let namespaces = [
            "--net", "--mount", "--pid", "--ipc", "--uts", "--cgroup", "--",
        ];
        Entrance(
            words
                .iter()
                .chain(&namespaces)
                .map(OsString::from)
                .collect(),
        )
    }

    /// Its network alone: a signal to what is started so finds the program itself.
    pub(super) fn network(&self) -> Entrance {
        let target = format!("--target={}", self.pid);
        Entrance(
            ["nsenter", &target, "--net", "--"]
                .iter()
                .map(OsString::from)
                .collect(),
        )
    }

    /// Runs a command in it to its end, and gives what it wrote.
    ///
    /// # Errors
    /// [`StartError::Command`] with what it wrote, when it did not end with success.
    pub(super) fn run(&self, program: &str, args: &[&str]) -> Result<String, StartError> {
        component::run(self.entrance().command(program).args(args))
    }

    /// The process id of its first process, as the host counts.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(self.first.take());
        // Another of its name may be started next: there must be nothing left of this one.
        let _ = until(
            &format!("the end of machine {}", self.name),
            BOUND,
            || match self.cgroups.iter().find(|at| at.exists()) {
                Some(at) => Err(format!("{} is still there", at.display())),
                None => Ok(()),
            },
        );
    }
}

fn missing(component: &'static str, why: &str) -> StartError {
    StartError::Missing {
        component,
        why: why.to_owned(),
    }
}

/// Where the hierarchies of cgroups are: several of v1 side by side, or the one of v2.
fn hierarchies() -> Result<Vec<PathBuf>, StartError> {
    let root = Path::new("/sys/fs/cgroup");
    if root.join("cgroup.procs").exists() {
        return Ok(vec![root.to_owned()]);
    }
    let folders = fs::read_dir(root).map_err(StartError::io("listing the cgroup hierarchies"))?;
    let mut found: Vec<_> = folders
        .flatten()
        // Links are second names: cpu,cpuacct.
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .filter(|path| path.join("cgroup.procs").exists())
        .collect();
    found.sort();
    Ok(found)
}

/// Shell words that remove cgroups when their processes have ended.
fn remove_cgroups(cgroups: &[PathBuf]) -> String {
    let all: Vec<_> = cgroups.iter().map(|at| at.to_string_lossy()).collect();
    match all.is_empty() {
        true => String::new(),
        false => format!(
            "for n in $(seq 100); do find {} -depth -type d -exec rmdir {{}} + && break; sleep 0.1; done; ",
            all.join(" ")
        ),
    }
}

/// The process that `unshare` made: the first of the new namespace.
fn child_of(parent: u32) -> Result<u32, StartError> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"))
        .map_err(StartError::io("reading the children of unshare"))?;
    children
        .split_whitespace()
        .next()
        .and_then(|pid| pid.parse().ok())
        .ok_or_else(|| {
            StartError::io("looking for a machine's first process")(std::io::Error::other(
                "unshare has no child",
            ))
        })
}
