//! Snapshots: the kernel's state at a position, so that older segments can go.
//!
//! A snapshot is written beside, synced, then renamed; it is whole or not there. Two are kept: should the
//! newer one not read back, the older one and the segments behind it still lead to the same state.

use std::{
    fs,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use super::{
    JournalError, Lsn,
    frame::{self, Kind, Parsed},
    segment::{numbered, sync_dir},
};

const EXTENSION: &str = "snap";
const KEPT: usize = 2;

/// Writes the snapshot of the state before `at`, and forgets all but the newest few.
///
/// # Errors
/// Where it cannot be written; the older snapshots stay.
pub(super) fn write(dir: &Path, at: Lsn, state: &[u8]) -> Result<(), JournalError> {
    let mut bytes = Vec::with_capacity(state.len() + frame::HEADER);
    frame::push(&mut bytes, Kind::Snapshot, &[state]);
    let path = dir.join(format!("{:016x}.{EXTENSION}", at.0));
    let beside = path.with_extension("tmp");
    let written = File::create(&beside)
        .and_then(|mut file| {
            file.write_all(&bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&beside, &path))
        .and_then(|()| sync_dir(dir));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written.map_err(JournalError::io("write", path))?;
    let mut all = numbered(dir, EXTENSION)?;
    all.sort();
    for (_, old) in all.iter().rev().skip(KEPT) {
        let _ = fs::remove_file(old);
    }
    Ok(())
}

/// The positions of the snapshots of `dir`, newest first, with their paths.
pub(super) fn list(dir: &Path) -> Result<Vec<(Lsn, PathBuf)>, JournalError> {
    let mut all = numbered(dir, EXTENSION)?;
    all.sort();
    all.reverse();
    Ok(all)
}

/// The state that a snapshot holds.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    match frame::parse(&bytes) {
        Parsed::Frame {
            kind: Kind::Snapshot,
            payload,
            ..
        } => Ok(payload.to_vec()),
        Parsed::Damaged(what) => Err(what.to_owned()),
        _ => Err("it is not a snapshot".to_owned()),
    }
}
