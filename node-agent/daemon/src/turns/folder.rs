//! The folder of one turn.
//!
//! ```text
//! <input's digest>/
//!     asked.json       what was asked, of whom; written first and never again
//!     instance.json    the instance as it was started, for a daemon that finds the worker running
//!     input/ output/   the turn's mounts
//!     failure.json     why the program failed, where it said so
//!     events.jsonl     what its caller sees, as it comes
//!     record.json      the turn as it is kept, once it has ended
//! ```

use std::{
    fs,
    fs::File,
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use aion_abi::{
    admin::{INPUT_MOUNT, OUTPUT_MOUNT, OutputFile, TurnEvent, TurnRecord},
    canonical::body_digest,
    problem::Problem,
};
use aion_kernel::{Body, Digest};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{files::write_whole, instance::Instance};

/// The most output files that are named in an outcome.
const MAX_OUTPUTS: usize = 256;

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// Makes two equal questions two turns.
    nonce: Uuid,
    /// `namespace/agent`.
    pub agent: String,
    /// The question.
    pub input: String,
    /// Names of the files in its `input` mount.
    pub files: Vec<String>,
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
}

impl Asked {
    /// A question that nobody asked before.
    pub fn new(agent: String, input: String, files: Vec<String>, at_ms: u64) -> Self {
        Self {
            nonce: Uuid::new_v4(),
            agent,
            input,
            files,
            at_ms,
        }
    }
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnFolder(PathBuf);

impl TurnFolder {
    /// The folder of the turn with this input.
    pub(super) fn of(root: &Path, input: Digest) -> Self {
        let name = input.to_string();
        Self(root.join(&name[..32]))
    }

    /// A folder that is there.
    pub(super) fn found(path: PathBuf) -> Self {
        Self(path)
    }

    /// Makes the folder of a new turn, durable, with `move_in` moving its files in. Gives what the kernel
    /// is told of its input.
    pub(super) fn make(
        root: &Path,
        asked: &Asked,
        move_in: impl FnOnce(&Path) -> io::Result<()>,
    ) -> io::Result<(Self, Body)> {
        let json = serde_json::to_vec(asked)?;
        let body = Body {
            digest: Digest(body_digest(&json)),
            size: json.len() as u64,
        };
        let folder = Self::of(root, body.digest);
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(folder.mount(INPUT_MOUNT))?;
        builder.create(folder.mount(OUTPUT_MOUNT))?;
        let made = move_in(&folder.mount(INPUT_MOUNT))
            .and_then(|()| folder.write("asked.json", &json))
            .and_then(|()| File::open(root)?.sync_all());
        if let Err(error) = made {
            folder.remove();
            return Err(error);
        }
        Ok((folder, body))
    }

    /// The folder behind one of the turn's mounts.
    pub(crate) fn mount(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// What was asked.
    pub fn asked(&self) -> io::Result<Asked> {
        self.read("asked.json")
    }

    /// The instance as it was started.
    pub fn instance(&self) -> io::Result<Instance> {
        self.read("instance.json")
    }

    /// Keeps the instance as it is started.
    pub fn keep_instance(&self, instance: &Instance) -> io::Result<()> {
        self.write("instance.json", &serde_json::to_vec(instance)?)
    }

    /// The record, where the turn has ended.
    pub fn record(&self) -> io::Result<TurnRecord> {
        self.read("record.json")
    }

    pub(super) fn keep_record(&self, record: &TurnRecord) -> io::Result<()> {
        self.write("record.json", &serde_json::to_vec(record)?)
    }

    /// Why the program said that it failed, if it did.
    pub(super) fn failure(&self) -> io::Result<Option<Problem>> {
        match self.read("failure.json") {
            Ok(problem) => Ok(Some(problem)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn keep_failure(&self, problem: &Problem) -> io::Result<()> {
        self.write("failure.json", &serde_json::to_vec(problem)?)
    }

    /// The events so far; a line that a crash cut off is no event.
    pub(super) fn events(&self) -> io::Result<Vec<TurnEvent>> {
        let text = match fs::read(self.0.join("events.jsonl")) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        Ok(text
            .split_inclusive(|byte| *byte == b'\n')
            .filter(|line| line.ends_with(b"\n"))
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect())
    }

    /// The file that events are added to.
    pub(super) fn event_file(&self) -> io::Result<File> {
        let path = self.0.join("events.jsonl");
        // What a crash cut off must not become part of the next line.
        let good = fs::read(&path).map_or(0, |text| {
            text.iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |at| at + 1)
        });
        let file = File::options()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path)?;
        file.set_len(good as u64)?;
        Ok(file)
    }

    /// What the turn wrote for its caller: files only, sorted, links not followed.
    pub(super) fn outputs(&self) -> Vec<OutputFile> {
        let root = self.mount(OUTPUT_MOUNT);
        let mut found = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                match entry.metadata() {
                    Ok(it) if it.is_dir() => folders.push(path),
                    Ok(it) if it.is_file() => {
                        if let Some(path) = path.strip_prefix(&root).ok().and_then(Path::to_str) {
                            found.push(OutputFile {
                                path: path.to_owned(),
                                size: it.len(),
                            });
                        }
                    }
                    _ => {}
                }
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        found.truncate(MAX_OUTPUTS);
        found
    }

    /// Bytes in it, all files together.
    pub(super) fn size(&self) -> u64 {
        let mut size = 0;
        let mut folders = vec![self.0.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                match entry.metadata() {
                    Ok(it) if it.is_dir() => folders.push(entry.path()),
                    Ok(it) => size += it.len(),
                    Err(_) => {}
                }
            }
        }
        size
    }

    /// Takes it away.
    pub(super) fn erase(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Takes it away, where one that stays behind does no harm.
    pub(super) fn remove(&self) {
        if let Err(error) = self.erase() {
            tracing::warn!(folder = %self.0.display(), %error, "a turn's folder stays behind");
        }
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> io::Result<T> {
        Ok(serde_json::from_slice(&fs::read(self.0.join(name))?)?)
    }

    /// Writes a file whole or not at all, durable.
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        write_whole(&self.0.join(name), bytes)
    }
}
