//! What a start of the daemon makes of the folders that the one before left.
//!
//! | the folder | becomes |
//! |---|---|
//! | of a turn that the kernel has | a turn that waits or runs |
//! | with a record | a turn that is kept |
//! | of a turn that ended, by the journal or by its events | kept: its record is made now |
//! | of a turn that the kernel was never told of | nothing: it goes |
//! | being erased | nothing: it goes |
//! | that cannot be read, or is none of ours | left as it is, said aloud |
//!
//! A folder goes for what is in it, never for what is missing because of an error.

use std::{collections::HashMap, fs, io, path::Path, sync::Arc};

use aion_kernel::{BodyDigest, Millis, TurnId};

use super::{
    TurnFolder,
    folder::{ERASING, Name, erase_leaving},
    live::Live,
    table::Table,
};
use crate::shell::TurnEnd;

/// What the kernel and its journal know of turns, by their input.
#[derive(Debug, Default)]
pub struct Known {
    /// Those that wait or run.
    pub waiting: Vec<(BodyDigest, TurnId)>,
    /// Those that ended lately.
    pub ended: Vec<(BodyDigest, TurnEnd)>,
}

/// The turns in `root`; `now` is the kernel's.
pub(super) fn read(root: &Path, known: Known, now: Millis) -> io::Result<Table> {
    let mut start = Start {
        now,
        waiting: by_name(known.waiting),
        ended: by_name(known.ended),
        table: Table::default(),
    };
    for entry in fs::read_dir(root)? {
        let path = entry?.path();
        if !path.ends_with("uploads")
            && let Err(error) = start.judge(root, &path)
        {
            tracing::error!(folder = %path.display(), %error, "a turn's folder is left as it is");
        }
    }
    for turn in start.waiting.values() {
        tracing::error!(%turn, "a turn that the kernel has cannot go on: its folder is not there, or cannot be read");
    }
    Ok(start.table)
}

fn by_name<T>(known: Vec<(BodyDigest, T)>) -> HashMap<Name, T> {
    let named = known.into_iter();
    named.map(|(input, it)| (Name::of(input), it)).collect()
}

struct Start {
    now: Millis,
    waiting: HashMap<Name, TurnId>,
    ended: HashMap<Name, TurnEnd>,
    table: Table,
}

impl Start {
    fn judge(&mut self, root: &Path, path: &Path) -> io::Result<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(ERASING) {
            return erase_leaving(path);
        }
        let Some(name) = Name::parse(&name) else {
            return Err(io::Error::other("its name is not that of a turn's folder"));
        };
        let folder = name.folder(root);
        if let Some(&turn) = self.waiting.get(&name) {
            let live = Arc::new(Live::open(folder)?);
            self.waiting.remove(&name);
            self.table.live.insert(turn, Arc::clone(&live));
            return live.begin(turn);
        }
        if let Some((turn, ended)) = folder.ended()? {
            self.table.kept.insert(turn, ended);
            return Ok(());
        }
        self.without_record(name, folder)
    }

    fn without_record(&mut self, name: Name, folder: TurnFolder) -> io::Result<()> {
        // The kernel is told of a turn when its question is on the disk.
        if !folder.was_asked()? {
            folder.remove();
            return Ok(());
        }
        let live = Live::open(folder)?;
        let kept = match self.ended.remove(&name) {
            Some(end) => Some((end.turn, live.end(&end))),
            None => live.end_forgotten(self.now),
        };
        match kept {
            Some((turn, Ok(ended))) => {
                tracing::info!(%turn, "the record of a turn that ended as the daemon did was made");
                self.table.kept.insert(turn, ended);
            }
            // For want of room, say: it is tried again.
            Some((turn, Err(error))) => {
                tracing::error!(%turn, %error, "the record of a turn was not kept");
                self.table.live.insert(turn, Arc::new(live));
            }
            None if live.folder.has_traces()? => {
                return Err(io::Error::other("its events are gone"));
            }
            None => live.folder.remove(),
        }
        Ok(())
    }
}
