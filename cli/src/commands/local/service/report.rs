//! What the supervisor has to tell, kept in a file beside the pid files for `aionctl local status`.

use std::{cell::RefCell, collections::BTreeMap, time::Duration};

use aion_abi::date::UnixMillis;
use aion_folders::Folder;
use serde::{Deserialize, Serialize};

use crate::{clock, home::Home, process::Running};

/// The file.
const NAME: &str = "supervisor.json";

/// What it told last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Told {
    /// The supervisor that wrote it; of one that was killed it stays behind.
    pid: i32,
    /// Since when it watches.
    pub(in super::super) since_ms: UnixMillis,
    pub(in super::super) programs: BTreeMap<String, Kept>,
}

/// Of one program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Kept {
    /// How often it was started again.
    pub(in super::super) restarts: u64,
    /// How often it ended without having stayed; 0 once it stays.
    pub(in super::super) in_a_row: u32,
    /// How it ended last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) last_end: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) last_end_ms: Option<UnixMillis>,
    /// When it is started again, while it does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) next_start_ms: Option<UnixMillis>,
}

/// The file, as the supervisor writes it.
pub(super) struct Report {
    folder: Folder,
    told: RefCell<Told>,
}

impl Report {
    /// With nothing to tell of the `programs` yet; written.
    pub(super) fn begin(folder: Folder, supervisor: &Running, programs: &[&str]) -> Self {
        let nothing = |name: &str| (name.to_owned(), Kept::default());
        let report = Self {
            folder,
            told: RefCell::new(Told {
                pid: supervisor.pid,
                since_ms: after(Duration::ZERO),
                programs: programs.iter().copied().map(nothing).collect(),
            }),
        };
        report.write();
        report
    }

    pub(super) fn change(&self, program: &str, what: impl FnOnce(&mut Kept)) {
        what(
            self.told
                .borrow_mut()
                .programs
                .entry(program.to_owned())
                .or_default(),
        );
        self.write();
    }

    /// There is nothing to tell any more.
    pub(super) fn end(&self) {
        if let Err(why) = self.folder.remove(NAME) {
            eprintln!("the supervisor's report cannot be removed: {why}");
        }
    }

    fn write(&self) {
        let written = serde_json::to_vec(&*self.told.borrow())
            .map_err(|why| why.to_string())
            .and_then(|bytes| {
                let replaced = self.folder.replace_unsynced(NAME, &bytes, 0o600);
                replaced.map_err(|why| why.to_string())
            });
        if let Err(why) = written {
            eprintln!("the supervisor's report cannot be written: {why}");
        }
    }
}

/// What `supervisor` of `home` told last; `None` until it watches.
pub(in super::super) fn told(home: &Home, supervisor: &Running) -> Option<Told> {
    let folder = Folder::open(&home.pids(), home.trust()).ok()?;
    let told: Told = serde_json::from_slice(&folder.read(NAME).ok()??).ok()?;
    (told.pid == supervisor.pid).then_some(told)
}

/// The date so much later, for people.
pub(super) fn after(pause: Duration) -> UnixMillis {
    let now = u64::try_from(clock::now().as_millisecond()).unwrap_or_default();
    UnixMillis(now).plus(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX))
}
