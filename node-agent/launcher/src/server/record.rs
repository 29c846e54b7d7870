//! What the launcher keeps on disk about its workers, so that the next launcher
//! knows them: one small file each, replaced as a whole. It need survive the
//! launcher, not the machine, so nothing is forced to the disk.
//!
//! A record names processes to kill and folders to empty, so root's launcher
//! believes one only in a folder that nobody else may write.

use std::fs;
use std::io;
use std::path::Path;

use aion_folders::{Folder, FolderError};
use serde::{Deserialize, Serialize};

use super::cgroup::Group;
use super::proc;
use aion_sandbox::protocol::{Exited, WorkerId};

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Record {
    /// A worker that was made.
    Worker(Known),
    /// A worker that ended, until the daemon acknowledges it.
    Exited(Exited),
}

/// What finds a worker again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    pub(super) id: WorkerId,
    pub(super) pid: u32,
    pub(super) start_time: u64,
    /// `/proc/sys/kernel/random/boot_id` at the time.
    pub(super) boot: String,
    /// Whether its gate was opened. One that was not ends by itself with its
    /// launcher.
    pub(super) running: bool,
    pub(super) group: Group,
    /// Its user on the host, where it has one of its own.
    pub(super) user: Option<u32>,
    /// Whether the rules of its policy act. What it did while no launcher was there nobody saw.
    #[serde(default)]
    pub(super) acts: bool,
}

/// The folder of records.
#[derive(Debug)]
pub(super) struct Records {
    folder: Folder,
}

impl Records {
    /// Makes the folder in the launcher's own, for this user only.
    pub(super) fn open(state: &Folder) -> Result<Self, FolderError> {
        let folder = state.make_within("workers", 0o700)?;
        Ok(Self { folder })
    }

    /// Keeps or replaces a worker's record.
    pub(super) fn keep(&self, id: &WorkerId, record: &Record) -> io::Result<()> {
        let bytes = serde_json::to_vec(record)?;
        self.folder
            .replace_unsynced(name(id), &bytes, 0o600)
            .map_err(io::Error::other)
    }

    /// Forgets a worker.
    pub(super) fn forget(&self, id: &WorkerId) {
        if let Err(error) = self.folder.remove(name(id)) {
            tracing::warn!(worker = %id, %error, "cannot forget the record");
        }
    }

    /// All records. One that cannot be read is told and stays: another start may
    /// read it, and until then it is what a person has to go by.
    pub(super) fn load(&self) -> Result<Vec<Record>, FolderError> {
        let mut records = Vec::new();
        for name in self.folder.names()? {
            let path = self.folder.path().join(&name);
            if path.extension().is_none_or(|it| it != "json") {
                continue;
            }
            match self.read(&path) {
                Ok(record) => records.extend(record),
                Err(error) => {
                    tracing::error!(path = %path.display(), %error, "cannot read a record; its worker, if there is one, is not looked after");
                }
            }
        }
        Ok(records)
    }

    fn read(&self, path: &Path) -> anyhow::Result<Option<Record>> {
        let bytes = self.folder.read(path.file_name().unwrap_or_default())?;
        Ok(bytes
            .map(|bytes| serde_json::from_slice(&bytes))
            .transpose()?)
    }
}

fn name(id: &WorkerId) -> String {
    format!("{id}.json")
}

/// This boot of the machine.
pub(super) fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?
        .trim()
        .to_owned())
}

/// When a process started, in clock ticks since boot: field 22 of
/// `/proc/PID/stat`, counted after the name, which may hold anything.
pub(super) fn start_time(pid: u32) -> Option<u64> {
    let stat = proc::text(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_folders::Trust;

    use super::*;
    use aion_sandbox::protocol::ExitStatus;

    fn records(folder: &Path) -> Records {
        Records::open(&Folder::open(folder, Trust::Own).unwrap()).unwrap()
    }

    #[test]
    fn a_record_is_replaced_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let records = records(folder.path());
        let id = WorkerId {
            instance: "a".into(),
            incarnation: 1,
        };
        let known = Known {
            id: id.clone(),
            pid: 7,
            start_time: 8,
            boot: "b".into(),
            running: true,
            group: Group::default(),
            user: Some(9),
            acts: false,
        };
        records.keep(&id, &Record::Worker(known)).unwrap();
        let exited = Record::Exited(Exited::of(id.clone(), ExitStatus::Code(0)));
        records.keep(&id, &exited).unwrap();
        assert_eq!(records.load().unwrap(), vec![exited]);
        records.forget(&id);
        assert_eq!(records.load().unwrap(), vec![]);
    }

    #[test]
    fn a_torn_record_stays_and_does_not_stop_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let records = records(folder.path());
        let torn = folder.path().join("workers/torn.json");
        fs::write(&torn, "{\"Wor").unwrap();
        assert_eq!(records.load().unwrap(), vec![]);
        assert!(torn.exists());
    }

    #[test]
    fn this_process_has_a_start_time() {
        assert!(start_time(std::process::id()).unwrap() > 0);
        assert_eq!(start_time(u32::MAX), None);
    }
}
