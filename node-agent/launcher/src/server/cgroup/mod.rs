//! The cgroup of a worker: memory, processes and CPU, on version 1, version 2
//! and the mixture of both, one controller at a time. The launcher
//! changes only groups that it made or was given, and moves nobody but in those.

mod group;
mod place;
mod unified;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub(super) use group::Group;
use place::{Place, locate};
use rustix::mount::{MountFlags, mount_remount};

use aion_sandbox::Layer;

/// A controller that workers are limited by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Controller {
    Memory,
    Pids,
    Cpu,
}

impl Controller {
    pub(super) const ALL: [Self; 3] = [Self::Memory, Self::Pids, Self::Cpu];

    /// The kernel's name.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Cpu => "cpu",
        }
    }

    /// The layer it makes.
    pub(super) fn layer(self) -> Layer {
        match self {
            Self::Memory => Layer::CgroupMemory,
            Self::Pids => Layer::CgroupPids,
            Self::Cpu => Layer::CgroupCpu,
        }
    }
}

/// Which interface a group has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Version {
    V1,
    V2,
}

/// What a group is to be limited to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Memory in bytes.
    pub(super) memory: Option<u64>,
    /// Processes and threads.
    pub(super) pids: Option<u32>,
    /// CPU in thousandths of a core.
    pub(super) cpu_milli: Option<u32>,
}

impl Bounds {
    /// Whether this controller has something to limit.
    pub(super) fn asks_for(&self, controller: Controller) -> bool {
        match controller {
            Controller::Memory => self.memory.is_some(),
            Controller::Pids => self.pids.is_some(),
            Controller::Cpu => self.cpu_milli.is_some(),
        }
    }
}

/// The directory below which workers get theirs, for each controller, or why
/// there is none.
#[derive(Debug)]
pub(super) struct Cgroups {
    parents: Vec<(Controller, Result<Place, String>)>,
}

/// The directory between the launcher's own group and its workers'.
const PARENT: &str = "aion";

impl Cgroups {
    /// Looks where this machine has the controllers, and makes the parents.
    /// With `writable` what a container's runtime mounted read-only is made writable first.
    pub(super) fn prepare(writable: bool) -> io::Result<Self> {
        let mountinfo = fs::read_to_string("/proc/self/mountinfo")?;
        let own = fs::read_to_string("/proc/self/cgroup")?;
        if writable {
            for at in place::read_only(&mountinfo) {
                make_writable(at)?;
            }
        }
        let found = locate(&mountinfo, &own, &|path| fs::read_to_string(path).ok());
        let mut parent: Option<Result<PathBuf, String>> = None;
        let parents = found.into_iter().map(|(controller, place)| {
            let place = place.and_then(|place| {
                let dir = match place.version {
                    Version::V1 => make(&place.dir.join(PARENT)),
                    Version::V2 => parent
                        .get_or_insert_with(|| unified::parent(&place.dir))
                        .clone()
                        .and_then(|dir| unified::enabled(&dir, controller).map(|()| dir)),
                };
                dir.map(|dir| Place { dir, ..place })
            });
            (controller, place)
        });
        Ok(Self {
            parents: parents.collect(),
        })
    }

    /// Removes the parents, where no other launcher's workers are in them.
    pub(super) fn remove(&self) {
        for (_, parent) in &self.parents {
            if let Ok(place) = parent {
                let _ = fs::remove_dir(&place.dir);
            }
        }
    }

    /// Makes the group of one worker, named for its launcher too: those of another user or home on
    /// this machine may share the parent. Controllers that nothing is asked of, and
    /// those that are missing, are left out; [`Group::missing`] says which.
    pub(super) fn create(&self, name: &str, bounds: &Bounds) -> Group {
        let mut group = Group::default();
        let name = format!("{}.{name}", std::process::id());
        for (controller, parent) in &self.parents {
            if !bounds.asks_for(*controller) {
                continue;
            }
            match parent {
                Ok(place) => group.add(*controller, place.version, &place.dir.join(&name), bounds),
                Err(why) => group.lacks(*controller, why.clone()),
            }
        }
        group
    }
}

/// In this mount namespace; the file system itself stays as it is for everybody else.
fn make_writable(at: &Path) -> io::Result<()> {
    let kept = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount_remount(at, MountFlags::BIND | kept, c"").map_err(|error| {
        let why = "it takes CAP_SYS_ADMIN and, with AppArmor, a profile that lets mount";
        let text = format!("cannot make {} writable: {error}; {why}", at.display());
        io::Error::new(io::Error::from(error).kind(), text)
    })
}

fn make(dir: &Path) -> Result<PathBuf, String> {
    match fs::create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(not_made(dir, &error)),
        _ => Ok(dir.to_owned()),
    }
}

fn not_made(dir: &Path, error: &io::Error) -> String {
    format!(
        "cannot make {}: {error}; it takes root or a delegated cgroup (systemd-run --user \
         --scope -p Delegate=yes)",
        dir.display()
    )
}
