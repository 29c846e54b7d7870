//! Syscalls that were made, as the node's journal has them: of the turns of an agent that are kept, or of one turn. What was
//! given to them and what they answered is not in it, nor the words of what failed, which may repeat it.
//!
//! | method and path | answer |
//! |---|---|
//! | `GET …/agents/{agent}/audit[?limit=&after=]` | → [`Audit`] |
//! | `GET /api/v1/turns/{turn}/audit[?limit=&after=]` | → [`Audit`] |

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{code::Code, date::UnixMillis};

/// Some of the syscalls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    /// Newest first.
    pub items: Vec<Entry>,
    /// Where there may be older ones: the `after` of the next page. An answer looks at a bounded part of the journal, so a page
    /// may have fewer rows than were asked for, also none, and still not be the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Why there may be some that are not told, of this page or behind it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub missing: BTreeSet<Missing>,
}

/// Why syscalls that were made may not be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "AuditMissing"))]
#[serde(rename_all = "camelCase")]
pub enum Missing {
    /// The journal no longer reaches back to where the oldest of the turns began.
    Older,
    /// A part of what was looked at cannot be read.
    Unreadable,
}

/// A syscall.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "AuditedSyscall"))]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When it was started, or refused.
    pub at_ms: UnixMillis,
    /// Its number.
    pub call: u64,
    /// Whose turn.
    pub turn: u64,
    /// `family.verb` and its target, e.g. `tool.call:mail.send`.
    pub capability: String,
    /// What became of it.
    pub state: State,
    /// Why it was refused or did not end well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// The same in words, with the rule or quota, where the kernel refused it or knows how it ended. What a driver said is in the turn's
    /// own record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// How long its driver worked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elapsed_ms: Option<u64>,
    /// Tokens charged.
    #[serde(default)]
    pub tokens: u64,
}

/// What became of a syscall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "AuditedState"))]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It was not allowed, or there was no room for it: nothing was done.
    Refused,
    /// Its driver works.
    Running,
    /// It was allowed and done.
    Done,
    /// It was allowed and did not end well.
    Failed,
    /// It was allowed; how it ended is not known, or its end was not found where it was looked for.
    Unknown,
}

/// A place in a journal: a batch, and which fact of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The batch's position.
    pub batch: u64,
    /// Facts of it that stand before.
    pub fact: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.batch, self.fact)
    }
}

/// Not the text of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("after is not a place in the audit")]
pub struct NotAPlace;

impl FromStr for Place {
    type Err = NotAPlace;

    fn from_str(text: &str) -> Result<Self, NotAPlace> {
        let (batch, fact) = text.split_once('-').ok_or(NotAPlace)?;
        let place = Self {
            batch: u64::from_str_radix(batch, 16).map_err(|_| NotAPlace)?,
            fact: u32::from_str_radix(fact, 16).map_err(|_| NotAPlace)?,
        };
        // One place has one text.
        (place.to_string() == text)
            .then_some(place)
            .ok_or(NotAPlace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back_and_has_one_text() {
        let place = Place {
            batch: 0xab_cdef,
            fact: 17,
        };
        assert_eq!(place.to_string().parse(), Ok(place));
        for wrong in [
            "",
            "1",
            "1-",
            "-1",
            "01-1",
            "1-+1",
            "g-1",
            "1-fffffffff",
            "A-1",
        ] {
            assert_eq!(wrong.parse::<Place>(), Err(NotAPlace), "{wrong}");
        }
    }
}
