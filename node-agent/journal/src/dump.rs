//! Reading a journal for people and for checks, without its lock and without changing it.

use std::{fs, path::Path};

use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    JournalError, Lsn,
    frame::{self, Kind, Parsed},
    segment,
};

/// One fact.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// Position of the batch that it was written in.
    pub lsn: Lsn,
    /// The fact, as it stands in the journal.
    pub fact: Box<RawValue>,
}

/// Gives every fact of the journal in `dir` to `each`, oldest first, until that says stop (`false`) or a
/// damaged place is met. Returns what is wrong there.
///
/// # Errors
/// Where a segment cannot be read.
pub fn dump(
    dir: &Path,
    mut each: impl FnMut(Entry) -> bool,
) -> Result<Option<String>, JournalError> {
    for found in segment::list(dir)? {
        let bytes = fs::read(&found.path).map_err(JournalError::io("read", &found.path))?;
        let mut at = 0;
        loop {
            match frame::parse(&bytes[at..]) {
                Parsed::End => break,
                Parsed::Damaged(what) => {
                    return Ok(Some(format!(
                        "{what}, at byte {at} of {}; a daemon that is writing leaves such an end for a moment",
                        found.path.display()
                    )));
                }
                Parsed::Frame {
                    kind,
                    payload,
                    size,
                } => {
                    if kind == Kind::Facts {
                        let lsn = Lsn(found.base.0 + at as u64);
                        for line in lines(payload) {
                            let fact = match serde_json::from_slice(line) {
                                Ok(fact) => fact,
                                Err(error) => {
                                    return Ok(Some(format!("a fact is not JSON: {error}")));
                                }
                            };
                            if !each(Entry { lsn, fact }) {
                                return Ok(None);
                            }
                        }
                    }
                    at += size;
                }
            }
        }
    }
    Ok(None)
}

fn lines(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    payload
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
}
