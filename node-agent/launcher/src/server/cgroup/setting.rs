//! What is written to the files of a group, and whether they hold it. Looks at nothing but the files that it is told of.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Bounds, Controller, IoBounds, Version};

/// The period that a CPU quota is given in, in microseconds.
const PERIOD_US: u64 = 100_000;
/// The smallest quota that the kernel takes, in microseconds.
const MIN_QUOTA_US: u64 = 1_000;
/// The weight that everybody has, and what version 1 calls it.
const WEIGHT: u64 = 100;
const SHARES: u64 = 1_024;
/// Where the kernel names the block devices.
const DEVICES: &str = "/sys/class/block";

/// One file of a group with what was written to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) struct Setting {
    pub(in crate::server) file: PathBuf,
    /// One write each.
    pub(in crate::server) lines: Vec<String>,
}

impl Setting {
    pub(super) fn write(&self) -> io::Result<()> {
        self.lines
            .iter()
            .try_for_each(|line| fs::write(&self.file, line))
    }

    /// Whether the file, whose text this is, holds it: the kernel may say more in a line.
    pub(in crate::server) fn is_held(&self, text: &str) -> bool {
        self.lines.iter().all(|line| {
            let mut lines = text
                .lines()
                .map(|it| it.split_whitespace().collect::<Vec<_>>());
            lines.any(|words| line.split_whitespace().all(|word| words.contains(&word)))
        })
    }
}

/// What limits a controller's group in `directory`, or why it cannot be limited here.
pub(super) fn settings(
    controller: Controller,
    version: Version,
    directory: &Path,
    bounds: &Bounds,
) -> Result<Vec<Setting>, String> {
    let one = |file: &str, line: String| Setting {
        file: directory.join(file),
        lines: vec![line],
    };
    let mut settings = Vec::new();
    match (controller, version) {
        (Controller::Memory, Version::V1) => {
            if let Some(limit) = bounds.memory.map(pages) {
                settings.push(one("memory.limit_in_bytes", limit.clone()));
                settings.extend(swap(one("memory.memsw.limit_in_bytes", limit))?);
            }
        }
        (Controller::Memory, Version::V2) => {
            let (high, limit) = (bounds.memory_high.map(pages), bounds.memory.map(pages));
            if let Some(limit) = limit {
                settings.push(one("memory.max", limit));
                settings.extend(swap(one("memory.swap.max", "0".to_owned()))?);
            }
            settings.extend(high.map(|it| one("memory.high", it)));
        }
        (Controller::Pids, _) => {
            settings.extend(bounds.pids.map(|pids| one("pids.max", pids.to_string())));
        }
        (Controller::Cpu, Version::V1) => {
            if let Some(milli) = bounds.cpu_milli {
                settings.push(one("cpu.cfs_period_us", PERIOD_US.to_string()));
                settings.push(one("cpu.cfs_quota_us", quota(milli).to_string()));
            }
            if let Some(weight) = bounds.cpu_weight {
                let shares = (u64::from(weight) * SHARES / WEIGHT).max(2);
                settings.push(one("cpu.shares", shares.to_string()));
            }
        }
        (Controller::Cpu, Version::V2) => {
            if let Some(milli) = bounds.cpu_milli {
                settings.push(one("cpu.max", format!("{} {PERIOD_US}", quota(milli))));
            }
            let weight = bounds.cpu_weight.map(|it| it.to_string());
            settings.extend(weight.map(|it| one("cpu.weight", it)));
        }
        (Controller::Io, _) => return io_settings(version, directory, &bounds.io),
    }
    Ok(settings)
}

/// Swap would let a worker hold more than its memory. A kernel that does not count swap has no file for it, and this
/// is the one reason to do without.
fn swap(setting: Setting) -> Result<Option<Setting>, String> {
    match setting.file.try_exists() {
        Ok(there) => Ok(there.then_some(setting)),
        Err(error) => Err(format!(
            "cannot look for {}: {error}",
            setting.file.display()
        )),
    }
}

/// The kernel keeps whole pages.
fn pages(bytes: u64) -> String {
    let page = rustix::param::page_size() as u64;
    (bytes / page * page).max(page).to_string()
}

fn quota(milli: u32) -> u64 {
    (u64::from(milli) * PERIOD_US / 1000).max(MIN_QUOTA_US)
}

fn io_settings(version: Version, directory: &Path, io: &IoBounds) -> Result<Vec<Setting>, String> {
    let mut settings = Vec::new();
    if let Some(weight) = io.weight {
        settings.push(weight_setting(version, directory, weight)?);
    }
    if io.read_bps.is_none() && io.write_bps.is_none() {
        return Ok(settings);
    }
    let devices = devices(Path::new(DEVICES));
    if devices.is_empty() {
        return Err(format!("no block device is named in {DEVICES}"));
    }
    let of = |file: &str, line: &dyn Fn(&String) -> String| Setting {
        file: directory.join(file),
        lines: devices.iter().map(line).collect(),
    };
    let word = |bps: Option<u64>| bps.map_or("max".to_owned(), |it| it.to_string());
    match version {
        Version::V2 => settings.push(of("io.max", &|device| {
            format!(
                "{device} rbps={} wbps={}",
                word(io.read_bps),
                word(io.write_bps)
            )
        })),
        Version::V1 => {
            for (file, bps) in [
                ("blkio.throttle.read_bps_device", io.read_bps),
                ("blkio.throttle.write_bps_device", io.write_bps),
            ] {
                settings.extend(bps.map(|bps| of(file, &|device| format!("{device} {bps}"))));
            }
        }
    }
    Ok(settings)
}

/// A kernel has weights for devices by one of its schedulers, each with a file of its own.
fn weight_setting(version: Version, directory: &Path, weight: u32) -> Result<Setting, String> {
    let (files, line) = match version {
        Version::V1 => (["blkio.weight", "blkio.bfq.weight"], weight.to_string()),
        Version::V2 => (["io.weight", "io.bfq.weight"], format!("default {weight}")),
    };
    let file = files.map(|file| directory.join(file));
    let file = file.into_iter().find(|file| file.exists());
    let file = file.ok_or_else(|| {
        format!(
            "this kernel has no weights for block devices: neither {} nor {} is there (they take BFQ or io.cost)",
            files[0], files[1]
        )
    })?;
    Ok(Setting {
        file,
        lines: vec![line],
    })
}

/// The numbers of whole block devices that hold something: a partition has no limit of its own.
fn devices(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let read = |file: PathBuf| fs::read_to_string(file).map(|it| it.trim().to_owned()).ok();
    let whole = entries
        .map(|it| it.path())
        .filter(|it| !it.join("partition").exists());
    let mut devices: Vec<String> = whole
        .filter(|it| read(it.join("size")).is_some_and(|size| size != "0"))
        .filter_map(|it| read(it.join("dev")))
        .collect();
    devices.sort_unstable();
    devices
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_holds_what_the_kernel_says_more_of() {
        let setting = |line: &str| Setting {
            file: "io.max".into(),
            lines: vec![line.to_owned()],
        };
        let text = "8:0 rbps=10 wbps=max riops=max wiops=max\n254:0 rbps=1048576 wbps=7 riops=max wiops=max\n";
        assert!(setting("254:0 rbps=1048576 wbps=7").is_held(text));
        assert!(!setting("254:0 rbps=10 wbps=7").is_held(text));
        assert!(!setting("254:1 rbps=1048576 wbps=7").is_held(text));
        assert!(setting("default 100").is_held("default 100\n"));
        assert!(!setting("100").is_held("1000\n"));
        assert!(!setting("100").is_held(""));
    }

    #[test]
    fn whole_devices_that_hold_something_are_limited() {
        let root = tempfile::tempdir().unwrap();
        for (name, size, dev, partition) in [
            ("sda", "1000", "8:0", false),
            ("sda1", "900", "8:1", true),
            ("loop0", "0", "7:0", false),
        ] {
            let dir = root.path().join(name);
            fs::create_dir(&dir).unwrap();
            fs::write(dir.join("size"), format!("{size}\n")).unwrap();
            fs::write(dir.join("dev"), format!("{dev}\n")).unwrap();
            if partition {
                fs::write(dir.join("partition"), "1\n").unwrap();
            }
        }
        assert_eq!(devices(root.path()), ["8:0"]);
    }

    #[test]
    fn a_kernel_without_weights_says_so() {
        let root = tempfile::tempdir().unwrap();
        let bounds = Bounds {
            io: IoBounds {
                weight: Some(50),
                ..IoBounds::default()
            },
            ..Bounds::default()
        };
        let of = |version| settings(Controller::Io, version, root.path(), &bounds);
        assert!(of(Version::V2).unwrap_err().contains("no weights"));
        fs::write(root.path().join("io.bfq.weight"), "").unwrap();
        assert_eq!(of(Version::V2).unwrap()[0].lines, ["default 50"]);
        fs::write(root.path().join("blkio.weight"), "").unwrap();
        assert_eq!(of(Version::V1).unwrap()[0].lines, ["50"]);
    }
}
