//! What a program that runs elsewhere, for an agent of runtime `external`, says to the node and is told.
//!
//! It registers, waits for turns, and says what it holds before its lease is over. Below
//! `/api/v1/namespaces/{ns}/agents/{agent}/programs`:
//!
//! | method and path | body → answer |
//! |---|---|
//! | `POST` | [`Registration`] → [`Registered`] |
//! | `POST /{program}/turn` | [`Holding`] → [`Given`]: a turn, once there is one, or none within [`WAIT_MS`] |
//! | `POST /{program}/heartbeat` | [`Holding`] → [`Told`] |
//! | `POST /{program}/begin` | [`Begin`] → [`Begun`]: a turn that the program asks itself, and nobody else is given |
//! | `POST /{program}/end` | [`End`] → `{}` |
//! | `DELETE /{program}` | it goes: nothing is given to it any more, and what it holds is lost |
//! | `POST /{program}/turns/{turn}/{incarnation}/v1/…` | a signed syscall, as over the socket of a worker: what is signed is the path from `/v1` on |

use serde::{Deserialize, Serialize};

use crate::boot::Boot;

/// How long a program is taken to be there after it was heard, in milliseconds. What it held is lost then.
pub const LEASE_MS: u64 = 30_000;
/// How long a question for a turn waits, in milliseconds.
pub const WAIT_MS: u64 = 15_000;
/// How long after a turn was given a program may not name it before its answer counts as lost on the way, in milliseconds.
pub const UNHEARD_MS: u64 = 10_000;

/// A run of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Run {
    /// The turn.
    pub turn: u64,
    /// Which run of its instance.
    pub incarnation: u32,
}

/// A program comes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Registration {
    /// What it is called, for people: a host, a version. At most 128 bytes.
    #[serde(default)]
    pub name: String,
    /// What it is to be called: 32 hex digits of its own choice, which nobody can guess. One that comes again is the same
    /// program. Left out, the node makes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// What it held when it lost its node and works on still.
    #[serde(default)]
    pub holds: Vec<Run>,
    /// It is given only the turns that it begins itself, and whoever asks the agent is not answered by it: the agent is not
    /// ready because of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own: bool,
}

/// It is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Registered {
    /// What it is called from now on. Whoever has it speaks for it.
    pub program: String,
    /// It is to be heard within this, in milliseconds.
    pub lease_ms: u64,
    /// What it held and is not waited for any more: to be left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<Run>,
}

/// What it works on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Holding {
    /// All of it.
    #[serde(default)]
    pub holds: Vec<Run>,
}

/// What it is to leave.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// Those of what it holds that have ended without it: cancelled, out of time, somebody else's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<Run>,
}

/// A turn for it, if there is one.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Given {
    /// Everything about it, with its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<Boot>,
    /// As in [`Told`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<Run>,
}

/// It begins a turn of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Begin {
    /// What it is about, as the turn's question.
    pub input: String,
}

/// It waits for the program, as a [`Given`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Begun {
    /// The turn.
    pub turn: u64,
}

/// It is done with a turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct End {
    /// Which.
    pub run: Run,
    /// As a program's exit status: 0 is well.
    pub code: i32,
}
