//! The folder of one turn.
//!
//! ```text
//! <input's digest>/
//!     asked.json       what was asked, of whom; written first and never again
//!     instance.json    the instance as it was started, for a daemon that finds the worker running
//!     input/ output/   the turn's mounts
//!     failure.json     why the program failed, where it said so
//!     events.jsonl     what its caller sees, as it comes; the first line is durable before anything is started
//!     record.json      the turn as it is kept, once it has ended
//! ```
//!
//! One that is erased is called `.erasing-…` first: what is left of it after a crash is no turn's.

use std::{
    fs,
    fs::File,
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use aion_abi::{
    admin::{INPUT_MOUNT, OUTPUT_MOUNT, OutputFile, TurnEvent, TurnRecord},
    canonical::body_digest,
    date::UnixMillis,
    problem::Problem,
};
use aion_kernel::{Body, BodyDigest, TurnId};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::{asked::Asked, kept::Ended};
use crate::{
    files::{sync_folder, write_whole},
    instance::Instance,
};

const EVENTS: &str = "events.jsonl";
/// What the name of a folder begins with that is being erased.
pub(super) const ERASING: &str = ".erasing-";
/// The most output files that are named in an outcome.
const MAX_OUTPUTS: usize = 256;

/// The name of a turn's folder: half of its input's digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Name([u8; 16]);

impl Name {
    pub(super) fn of(input: BodyDigest) -> Self {
        Self(std::array::from_fn(|at| input.0[at]))
    }

    /// The name that `text` is, if it is one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut name = [0; 16];
        hex::decode_to_slice(text, &mut name).ok()?;
        (hex::encode(name) == text).then_some(Self(name))
    }

    pub(super) fn folder(self, root: &Path) -> TurnFolder {
        TurnFolder {
            path: root.join(hex::encode(self.0)),
            name: self,
        }
    }
}

/// A record, and what its retention goes by.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Weighed<'a> {
    #[serde(flatten)]
    record: &'a TurnRecord,
    ended_at_ms: u64,
    bytes: u64,
    nonce: Option<Uuid>,
}

/// What a start reads of a record. One of an earlier build lacks what its retention goes by.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    turn: u64,
    agent: Arc<str>,
    ended_at_ms: Option<u64>,
    bytes: Option<u64>,
    nonce: Option<Uuid>,
    #[serde(default)]
    outcome: HeadOutcome,
}

#[derive(Default, Deserialize)]
struct HeadOutcome {
    #[serde(default)]
    resources: HeadResources,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeadResources {
    #[serde(default)]
    cpu_ms: u64,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnFolder {
    path: PathBuf,
    name: Name,
}

impl TurnFolder {
    /// Makes the folder of a new turn, durable, with `move_in` moving its files in. Gives what the kernel
    /// is told of its input.
    pub(super) fn make(
        root: &Path,
        asked: &Asked,
        move_in: impl FnOnce(&Path) -> io::Result<()>,
    ) -> io::Result<(Self, Body)> {
        let json = serde_json::to_vec(asked)?;
        let body = Body {
            digest: BodyDigest(body_digest(&json)),
            size: json.len() as u64,
        };
        let folder = Name::of(body.digest).folder(root);
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(folder.mount(INPUT_MOUNT))?;
        builder.create(folder.mount(OUTPUT_MOUNT))?;
        let input = folder.mount(INPUT_MOUNT);
        let made = move_in(&input)
            .and_then(|()| sync_folder(&input))
            // Its name becomes durable with that of the question.
            .and_then(|()| folder.event_file())
            .and_then(|_| folder.write("asked.json", &json))
            .and_then(|()| sync_folder(root));
        if let Err(error) = made {
            folder.remove();
            return Err(error);
        }
        Ok((folder, body))
    }

    /// The folder behind one of the turn's mounts.
    pub(crate) fn mount(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether it was not taken away.
    pub(super) fn is_there(&self) -> io::Result<bool> {
        fs::exists(&self.path)
    }

    pub(super) fn name(&self) -> Name {
        self.name
    }

    /// Whether a question was written down.
    pub(super) fn was_asked(&self) -> io::Result<bool> {
        self.has("asked.json")
    }

    /// Whether the turn was started, or said something, whatever its events tell.
    pub(super) fn has_traces(&self) -> io::Result<bool> {
        Ok(self.has("instance.json")? || self.has("failure.json")?)
    }

    fn has(&self, name: &str) -> io::Result<bool> {
        fs::exists(self.path.join(name))
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

    pub(super) fn keep_record(
        &self,
        record: &TurnRecord,
        Ended {
            at_ms: ended_at_ms,
            bytes,
            nonce,
            ..
        }: &Ended,
    ) -> io::Result<()> {
        let weighed = Weighed {
            record,
            ended_at_ms: *ended_at_ms,
            bytes: *bytes,
            nonce: *nonce,
        };
        self.write("record.json", &serde_json::to_vec(&weighed)?)
    }

    /// The turn as the table of ended ones has it; `None` where there is no record.
    pub(super) fn ended(&self) -> io::Result<Option<(TurnId, Ended)>> {
        let head: Head = match self.read("record.json") {
            Ok(head) => head,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let ended = Ended {
            folder: self.name,
            agent: head.agent,
            at_ms: match head.ended_at_ms {
                Some(at_ms) => at_ms,
                None => self.asked()?.at().0,
            },
            bytes: head.bytes.unwrap_or_else(|| self.size()),
            nonce: head.nonce,
            cpu_ms: head.outcome.resources.cpu_ms,
        };
        Ok(Some((TurnId(head.turn), ended)))
    }

    /// The date at which its events were written last.
    pub(super) fn last_heard(&self) -> Option<UnixMillis> {
        let modified = fs::metadata(self.path.join(EVENTS)).and_then(|it| it.modified());
        modified.ok().map(UnixMillis::from)
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

    /// The program runs again, and may not fail.
    pub(super) fn forget_failure(&self) -> io::Result<()> {
        crate::files::remove_if_there(&self.path.join("failure.json"))
    }

    /// The events so far; a line that a crash cut off is not an event.
    pub(super) fn events(&self) -> io::Result<Vec<TurnEvent>> {
        let text = match fs::read(self.path.join(EVENTS)) {
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
        let path = self.path.join(EVENTS);
        // What a crash cut off must not become part of the next line.
        let good = match fs::read(&path) {
            Ok(text) => text
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |at| at + 1),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
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
        let mut folders = vec![self.path.clone()];
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

    /// Takes it away for good.
    pub(super) fn erase(&self) -> io::Result<()> {
        let Some(root) = self.path.parent() else {
            return Ok(());
        };
        let leaving = root.join(format!("{ERASING}{}", hex::encode(self.name.0)));
        erase_leaving(&leaving)?;
        match fs::rename(&self.path, &leaving) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            renamed => renamed?,
        }
        sync_folder(root)?;
        erase_leaving(&leaving)
    }

    /// Takes it away, where one that stays behind does no harm.
    pub(super) fn remove(&self) {
        if let Err(error) = self.erase() {
            tracing::warn!(folder = %self.path.display(), %error, "a turn's folder stays behind");
        }
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> io::Result<T> {
        Ok(serde_json::from_slice(&fs::read(self.path.join(name))?)?)
    }

    /// Writes a file whole or not at all, durable.
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        write_whole(&self.path.join(name), bytes)
    }
}

/// Removes what an erasure left, also one that a crash cut short.
pub(super) fn erase_leaving(leaving: &Path) -> io::Result<()> {
    match fs::remove_dir_all(leaving) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
