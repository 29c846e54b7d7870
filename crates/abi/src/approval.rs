//! Approvals as the admin interface tells them: what a person is asked, what was said, and for how long it counts.
//!
//! | method and path | body → answer |
//! |---|---|
//! | `GET /api/v1/approvals` · `/api/v1/namespaces/{ns}/agents/{agent}/approvals` | → [`Approvals`] |
//! | `GET /api/v1/namespaces/{ns}/approvals` | → [`Approvals`] of the namespace; of those that were answered as many requests are shown as fit into [`MAX_SHOWN_TOGETHER`] |
//! | `GET /api/v1/approvals/{approval}` · `…/agents/{agent}/approvals/{approval}` | → [`Approval`] |
//! | `POST …/agents/{agent}/approvals/{approval}` | [`Answer`] → [`Approval`]; the second answer is `already-answered`, one to something else than was shown `changed` |
//! | `DELETE …/agents/{agent}/approvals/{approval}` · `/api/v1/approvals/{approval}` | takes a word back that counts beyond its turn |

use serde::{Deserialize, Serialize};

use crate::date::UnixMillis;

/// The most of a request that is shown, in bytes.
pub const MAX_SHOWN: usize = 16 * 1024;

/// The most of requests that is shown in the list of a namespace, in bytes: of all that wait, and of those that were answered
/// while there is room.
pub const MAX_SHOWN_TOGETHER: usize = 1 << 20;

/// What is asked, and what was said for longer than a turn.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Approvals {
    /// Those that wait, oldest first, then the last that were answered.
    pub items: Vec<Approval>,
    /// Words that count until a date.
    pub standing: Vec<Standing>,
}

/// A call that a person is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// Its number.
    pub approval: u64,
    /// The turn that waits for it.
    pub turn: u64,
    /// `namespace/agent`.
    pub agent: String,
    /// `family.verb` and its target, e.g. `tool.call:mail.send`; `tool.ask:mail.send` where the tool's server asks while that runs,
    /// `device.command:front-door.unlock` of a device.
    pub capability: String,
    /// A tool's server asks this while a call runs: a yes is told to it, and makes no call.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub question: bool,
    /// The rule that asks, or who does.
    pub rule: String,
    /// Since when.
    pub asked_at_ms: UnixMillis,
    /// By when somebody has to answer.
    pub until_ms: UnixMillis,
    /// The request, while nobody has answered. What is done is this, byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<Shown>,
    /// SHA-256 of the request, in hexadecimal.
    pub digest: String,
    /// What was said; none while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<Answered>,
}

/// A request as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// Its text, up to [`MAX_SHOWN`].
    pub text: String,
    /// Its length in bytes.
    pub size: u64,
    /// There is more of it than is shown, or something in it is no text.
    #[serde(default)]
    pub cut: bool,
}

/// A word, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Answered {
    /// What became of it.
    pub word: Word,
    /// For how much, where it is a yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// Until when, for [`Scope::Until`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<UnixMillis>,
    /// Who said it, as the node knows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When.
    pub at_ms: UnixMillis,
}

/// What became of an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Word {
    /// A person said yes.
    Approved,
    /// A person said no.
    Denied,
    /// Nobody answered in time.
    Expired,
    /// Nobody waits for it any more.
    Withdrawn,
}

impl Word {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// For how much a yes counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// For this call.
    #[default]
    Once,
    /// For this syscall on this target, whatever the arguments, until the turn ends.
    Turn,
    /// The same in every turn of the agent, until a date.
    Until,
}

/// What a person says, and to what: numbers are a node's own, so another node has another approval of the same number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "ApprovalAnswer"))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answer {
    /// [`Approval::turn`] of what was shown.
    pub turn: u64,
    /// [`Approval::digest`] of what was shown: the word is for nothing else.
    pub digest: String,
    /// Yes or no.
    pub verdict: Verdict,
    /// For how much, of a yes.
    #[serde(default)]
    pub scope: Scope,
    /// Until when, for [`Scope::Until`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<UnixMillis>,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Yes.
    Approve,
    /// No.
    Deny,
}

/// A word that counts until a date, or until the agent's grants are others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// The approval that it was given for.
    pub approval: u64,
    /// `namespace/agent`.
    pub agent: String,
    /// `family.verb` and its target.
    pub capability: String,
    /// Until when.
    pub until_ms: UnixMillis,
    /// Who gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When.
    pub given_at_ms: UnixMillis,
}
