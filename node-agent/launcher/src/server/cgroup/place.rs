//! Where this machine has a controller, from the kernel's two tables. Pure.

use std::path::{Path, PathBuf};

use super::{Controller, Version};
use crate::server::mountinfo::Mount;

/// A directory of a controller's hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) version: Version,
    pub(super) dir: PathBuf,
}

/// The launcher's own directory for each controller. `mountinfo` and `own` are
/// `/proc/self/mountinfo` and `/proc/self/cgroup`; `read` reads a file.
pub(super) fn locate(
    mountinfo: &str,
    own: &str,
    read: &dyn Fn(&Path) -> Option<String>,
) -> Vec<(Controller, Result<Place, String>)> {
    let mounts: Vec<Mount<'_>> = mountinfo.lines().filter_map(Mount::parse).collect();
    Controller::ALL
        .into_iter()
        .map(|controller| (controller, locate_one(controller, &mounts, own, read)))
        .collect()
}

/// Where hierarchies are mounted that nothing can be written to.
pub(super) fn read_only(mountinfo: &str) -> Vec<&Path> {
    let mounts = mountinfo.lines().filter_map(Mount::parse);
    let cgroups = mounts.filter(|mount| ["cgroup", "cgroup2"].contains(&mount.kind));
    let closed = cgroups.filter(|mount| mount.has("ro"));
    closed.map(|mount| Path::new(mount.at)).collect()
}

fn locate_one(
    controller: Controller,
    mounts: &[Mount<'_>],
    own: &str,
    read: &dyn Fn(&Path) -> Option<String>,
) -> Result<Place, String> {
    let name = controller.name(Version::V1);
    let first = mounts.iter().find(|mount| {
        mount.kind == "cgroup" && mount.of_all.split(',').any(|option| option == name)
    });
    if let Some(mount) = first {
        let path = own
            .lines()
            .filter_map(split_line)
            .find(|(controllers, _)| controllers.split(',').any(|it| it == name))
            .map(|(_, path)| path)
            .ok_or_else(|| format!("/proc/self/cgroup does not name the {name} hierarchy"))?;
        return Ok(Place {
            version: Version::V1,
            dir: directory(mount, path),
        });
    }
    let name = controller.name(Version::V2);
    let second = mounts
        .iter()
        .find(|mount| mount.kind == "cgroup2")
        .ok_or_else(|| format!("no cgroup file system with the {name} controller is mounted"))?;
    let path = own
        .lines()
        .find_map(|line| line.strip_prefix("0::"))
        .ok_or("/proc/self/cgroup does not name the unified hierarchy")?;
    let dir = directory(second, path);
    let offered = read(&dir.join("cgroup.controllers")).unwrap_or_default();
    if !offered.split_whitespace().any(|it| it == name) {
        return Err(format!(
            "the {name} controller is not offered to {}; delegate it, or run as root",
            dir.display()
        ));
    }
    Ok(Place {
        version: Version::V2,
        dir,
    })
}

/// `4:memory:/some/where` into controllers and path.
fn split_line(line: &str) -> Option<(&str, &str)> {
    let mut parts = line.splitn(3, ':').skip(1);
    Some((parts.next()?, parts.next()?))
}

/// Where a group is found. In a container the mount may show only a part of
/// the hierarchy, and the group's path may be of the whole.
fn directory(mount: &Mount<'_>, group: &str) -> PathBuf {
    let below = group.strip_prefix(mount.root).unwrap_or_default();
    Path::new(mount.at).join(below.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mountinfo: &str, own: &str, controllers: &str, expect: [Option<(Version, &str)>; 4]) {
        let found = locate(mountinfo, own, &|_| Some(controllers.to_owned()));
        for ((controller, found), expect) in found.into_iter().zip(expect) {
            let expect = expect.map(|(version, dir)| Place {
                version,
                dir: dir.into(),
            });
            assert_eq!(found.ok(), expect, "{controller:?}");
        }
    }

    #[test]
    fn version_2_has_all_controllers_in_one_place() {
        check(
            "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
            "0::/user.slice/user-1000.slice/aion.scope\n",
            "cpu memory pids io",
            [Some((
                Version::V2,
                "/sys/fs/cgroup/user.slice/user-1000.slice/aion.scope",
            )); 4],
        );
    }

    #[test]
    fn a_controller_that_is_not_delegated_is_missing() {
        check(
            "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
            "0::/session\n",
            "memory pids",
            [
                Some((Version::V2, "/sys/fs/cgroup/session")),
                Some((Version::V2, "/sys/fs/cgroup/session")),
                None,
                None,
            ],
        );
    }

    #[test]
    fn what_a_containers_runtime_mounts_read_only_is_found() {
        let mountinfo = "1 0 0:5 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs rw,mode=755\n\
            2 1 0:6 /kubepods/a /sys/fs/cgroup/memory ro,nosuid master:9 - cgroup cgroup rw,memory\n\
            3 1 0:7 /kubepods/a /sys/fs/cgroup/pids rw,nosuid - cgroup cgroup rw,pids\n";
        assert_eq!(read_only(mountinfo), [Path::new("/sys/fs/cgroup/memory")]);
    }

    #[test]
    fn version_1_has_a_place_for_each_controller() {
        check(
            "31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
             32 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
             33 30 0:29 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
             35 30 0:31 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio\n\
             34 30 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
            "6:blkio:/d\n5:memory:/a/b\n4:pids:/\n3:cpu,cpuacct:/c\n0::/\n",
            "hugetlb",
            [
                Some((Version::V1, "/sys/fs/cgroup/memory/a/b")),
                Some((Version::V1, "/sys/fs/cgroup/pids")),
                Some((Version::V1, "/sys/fs/cgroup/cpu,cpuacct/c")),
                Some((Version::V1, "/sys/fs/cgroup/blkio/d")),
            ],
        );
    }

    #[test]
    fn a_container_sees_a_part_of_the_hierarchy() {
        check(
            "32 30 0:28 /docker/7 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
            "5:memory:/docker/7/inner\n",
            "",
            [
                Some((Version::V1, "/sys/fs/cgroup/memory/inner")),
                None,
                None,
                None,
            ],
        );
    }

    #[test]
    fn a_machine_without_cgroups_has_none() {
        check("1 0 0:1 / / rw - ext4 /dev/sda rw\n", "", "", [None; 4]);
    }
}
