//! Devices that somebody does not want, in one file of the node: they are not proposed again. What may not enter: why.

use std::{collections::BTreeSet, fs, io, path::PathBuf};

use aion_abi::{code::Code, problem::Problem};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::files::write_whole;

/// As many as are kept.
const MOST: usize = 10_000;
/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 8 << 20;
/// The file is read, changed and written by one at a time.
static CHANGING: Mutex<()> = Mutex::new(());

/// A device that is announced, by what tells it from all others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Announced {
    pub(super) namespace: String,
    pub(super) broker: String,
    pub(super) identity: String,
}

/// See the module.
pub(super) struct Rejections {
    file: PathBuf,
}

impl Rejections {
    /// Those of the node whose state is in `home`.
    pub(super) fn of(home: &std::path::Path) -> Self {
        Self {
            file: home.join("rejected-devices.json"),
        }
    }

    /// All of them.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub(super) fn all(&self) -> Result<BTreeSet<Announced>, Problem> {
        let read = || -> io::Result<_> {
            if fs::metadata(&self.file)?.len() > MAX_FILE {
                return Err(io::Error::other("it is larger than 8 MiB"));
            }
            Ok(serde_json::from_slice(&fs::read(&self.file)?)?)
        };
        match read() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
            read => read.map_err(|why| self.failed("read", &why)),
        }
    }

    /// Rejects one, or takes that back.
    ///
    /// # Errors
    /// The file cannot be read or written, or is full.
    pub(super) fn set(&self, device: &Announced, rejected: bool) -> Result<(), Problem> {
        let _alone = CHANGING.lock();
        let mut all = self.all()?;
        let changed = match rejected {
            true => all.insert(device.clone()),
            false => all.remove(device),
        };
        if all.len() > MOST {
            let what = format!("{MOST} devices are rejected already");
            return Err(Problem::new(Code::Overloaded, what).remedy(format!(
                "turn discovery of their broker off, or empty {}",
                self.file.display()
            )));
        }
        if !changed {
            return Ok(());
        }
        let bytes = serde_json::to_vec(&all).map_err(io::Error::other);
        let written = bytes.and_then(|bytes| write_whole(&self.file, &bytes));
        written.map_err(|why| self.failed("write", &why))
    }

    fn failed(&self, verb: &str, why: &io::Error) -> Problem {
        let what = format!("cannot {verb} {}: {why}", self.file.display());
        Problem::new(Code::Internal, what)
            .remedy("mend the file, or remove it: it holds which devices were rejected")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rejected_stays_so_until_that_is_taken_back() {
        let home = tempfile::tempdir().unwrap();
        let rejections = Rejections::of(home.path());
        assert!(rejections.all().unwrap().is_empty());
        let lamp = Announced {
            namespace: "home".to_owned(),
            broker: "hub".to_owned(),
            identity: "aa".to_owned(),
        };
        rejections.set(&lamp, true).unwrap();
        rejections.set(&lamp, true).unwrap();
        assert_eq!(
            Rejections::of(home.path()).all().unwrap(),
            BTreeSet::from([lamp.clone()])
        );
        rejections.set(&lamp, false).unwrap();
        assert!(rejections.all().unwrap().is_empty());
        fs::write(home.path().join("rejected-devices.json"), "{").unwrap();
        assert_eq!(
            rejections.set(&lamp, true).unwrap_err().code,
            Code::Internal
        );
    }
}
