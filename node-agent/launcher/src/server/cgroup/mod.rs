//! The cgroup of a worker: memory, processes, CPU and block devices, on version 1, version 2
//! and the mixture of both, one controller at a time. The launcher
//! changes only groups that it made or was given, and moves nobody but in those.

mod group;
mod peak;
mod place;
mod pressure;
mod setting;
mod unified;
mod used;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub(super) use group::Group;
pub(super) use peak::Peak;
use place::{Place, locate};
pub(super) use pressure::Pressure;
use rustix::mount::{MountFlags, mount_remount};

use aion_sandbox::Layer;

/// A controller that workers are limited by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Controller {
    Memory,
    Pids,
    Cpu,
    Io,
}

impl Controller {
    pub(super) const ALL: [Self; 4] = [Self::Memory, Self::Pids, Self::Cpu, Self::Io];

    /// The kernel's name.
    pub(super) fn name(self, version: Version) -> &'static str {
        match (self, version) {
            (Self::Memory, _) => "memory",
            (Self::Pids, _) => "pids",
            (Self::Cpu, _) => "cpu",
            (Self::Io, Version::V1) => "blkio",
            (Self::Io, Version::V2) => "io",
        }
    }

    /// The layer it makes.
    pub(super) fn layer(self) -> Layer {
        match self {
            Self::Memory => Layer::CgroupMemory,
            Self::Pids => Layer::CgroupPids,
            Self::Cpu => Layer::CgroupCpu,
            Self::Io => Layer::CgroupIo,
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
    /// The memory from which on it is told of pressure, and version 2 reclaims and slows it down.
    pub(super) memory_high: Option<u64>,
    /// Processes and threads.
    pub(super) pids: Option<u32>,
    /// CPU in thousandths of a core.
    pub(super) cpu_milli: Option<u32>,
    /// Its share where CPU is short, 1 to 10,000; 100 is what everybody has.
    pub(super) cpu_weight: Option<u32>,
    /// Block devices.
    pub(super) io: IoBounds,
}

/// What a group is to be limited to at block devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct IoBounds {
    /// Its share where a device is busy, 1 to 1,000; 100 is what everybody has.
    pub(super) weight: Option<u32>,
    /// Bytes a second that it reads of each device.
    pub(super) read_bps: Option<u64>,
    /// Bytes a second that it writes to each device.
    pub(super) write_bps: Option<u64>,
}

impl Bounds {
    /// Whether this controller has something to limit.
    pub(super) fn asks_for(&self, controller: Controller) -> bool {
        match controller {
            Controller::Memory => self.memory.is_some(),
            Controller::Pids => self.pids.is_some(),
            Controller::Cpu => self.cpu_milli.is_some() || self.cpu_weight.is_some(),
            Controller::Io => self.io != IoBounds::default(),
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
/// How often the parent is made again for one worker.
const TRIES: usize = 8;

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
        let parents = found.into_iter().map(|(controller, own)| {
            let parent = own.and_then(|own| parent(&own, controller));
            (controller, parent)
        });
        Ok(Self {
            parents: parents.collect(),
        })
    }

    /// Removes the parents, where no other launcher's workers are in them; another's may be gone already.
    pub(super) fn remove(&self) {
        for (_, parent) in &self.parents {
            let Ok(place) = parent else { continue };
            let others = [io::ErrorKind::NotFound, io::ErrorKind::ResourceBusy];
            if let Err(error) = fs::remove_dir(&place.dir)
                && !others.contains(&error.kind())
            {
                tracing::warn!(group = %place.dir.display(), %error, "a group stays behind");
            }
        }
    }

    /// Makes the group of one worker, named for its launcher too: those of another user or home on
    /// this machine may share the parent. Controllers that nothing is asked of, and
    /// those that are missing, are left out; [`Group::missing`] says which.
    pub(super) fn create(&self, name: &str, bounds: &Bounds) -> Group {
        let mut group = Group::of(bounds);
        let name = format!("{}.{name}", std::process::id());
        for (controller, parent) in &self.parents {
            if !bounds.asks_for(*controller) {
                continue;
            }
            let made = parent.as_ref().map_err(String::clone).and_then(|place| {
                let dir = make_below(place, *controller, &name)?;
                Ok((place.version, dir))
            });
            match made {
                Ok((version, dir)) => group.add(*controller, version, &dir, bounds),
                Err(why) => group.lacks(*controller, why),
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

/// The directory that workers' groups are below, in the launcher's own.
fn parent(own: &Place, controller: Controller) -> Result<Place, String> {
    let version = own.version;
    let dir = match version {
        Version::V1 => make(&own.dir.join(PARENT))?,
        Version::V2 => {
            let dir = unified::parent(&own.dir)?;
            unified::enabled(&dir, controller)?;
            dir
        }
    };
    Ok(Place { version, dir })
}

/// Makes the parent that was there.
fn again(parent: &Place, controller: Controller) -> Result<(), String> {
    match parent.version {
        Version::V1 => make(&parent.dir).map(drop),
        Version::V2 => unified::enabled(&unified::again(&parent.dir)?, controller),
    }
}

/// A worker's directory. Another launcher of the same group takes the parent away as it ends, where no worker is in
/// it: it is made again then, and again where the other one comes in between.
fn make_below(parent: &Place, controller: Controller, name: &str) -> Result<PathBuf, String> {
    let dir = parent.dir.join(name);
    for _ in 0..TRIES {
        match fs::create_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                again(parent, controller)?;
            }
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(not_made(&dir, &error));
            }
            _ => return Ok(dir),
        }
    }
    Err(format!(
        "{} is removed again and again",
        parent.dir.display()
    ))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_parent_that_another_launcher_took_away_is_made_again() {
        let root = tempfile::tempdir().unwrap();
        let own = Place {
            version: Version::V1,
            dir: root.path().to_owned(),
        };
        let parents = Controller::ALL.map(|it| (it, parent(&own, it)));
        let cgroups = Cgroups {
            parents: parents.into(),
        };
        let bounds = Bounds {
            pids: Some(4),
            ..Bounds::default()
        };
        cgroups.remove();
        assert!(!root.path().join(PARENT).exists());
        let group = cgroups.create("w.1", &bounds);
        assert_eq!(group.missing(Controller::Pids), None);
        let made = group.directory(Controller::Pids).unwrap();
        assert_eq!(fs::read_to_string(made.join("pids.max")).unwrap(), "4");
    }

    #[test]
    fn a_parent_of_version_2_is_made_again_with_its_controllers() {
        // The root of a hierarchy has no cgroup.type; these files are no kernel's, so the last word stays in them.
        let root = tempfile::tempdir().unwrap();
        let own = Place {
            version: Version::V2,
            dir: root.path().to_owned(),
        };
        let found = Place {
            version: Version::V2,
            dir: own.dir.join(PARENT),
        };
        let why = make_below(&found, Controller::Io, "w").unwrap_err();
        assert!(why.contains("not given"), "{why}");
        for folder in [&own.dir, &found.dir] {
            let control = fs::read_to_string(folder.join("cgroup.subtree_control")).unwrap();
            assert_eq!(control, "+io");
        }
        assert!(make_below(&found, Controller::Io, "w").unwrap().is_dir());
    }
}
