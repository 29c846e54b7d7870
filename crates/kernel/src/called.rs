//! Turns that other turns began: who called whom, what of its rights a caller passes on, and how far this may go.
//!
//! Who may call whom is a grant's matter, and when a called turn runs the process table's.

use serde::{Deserialize, Serialize};

use crate::{
    body::{Body, BodyDigest},
    ids::{CallId, InstanceUid, TurnId},
    name::{IdempotencyKey, Name},
    outcome::TurnOutcome,
    spec::TargetPattern,
    syscall::Kind,
};

/// How many turns may stand above one that was called.
pub const MAX_DEPTH: u32 = 8;
/// How many turns one turn may begin.
pub const MAX_BEGUN: usize = 32;

/// What a call has to do with another turn.
#[derive(Clone, Debug, PartialEq)]
pub enum Peer {
    /// It begins one. Under a key that its turn used before, it is the one that was begun then.
    New(Spawn),
    /// It would begin one, and no instance of its agent takes one here. Under such a key it is as above.
    Nobody,
    /// It is about one that its turn began.
    Begun(TurnId),
}

/// A turn that a call begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Spawn {
    /// Of which instance: one of the agent that is the call's target.
    pub instance: InstanceUid,
    /// The input. The shell keeps its bytes until the turn ends.
    pub input: Body,
    /// Give up so many milliseconds after now; what is left to the caller holds too.
    pub deadline_ms: Option<u64>,
    /// What it may do, of what its agent may; `None`: all of that.
    pub delegated: Option<Vec<Delegated>>,
}

/// The turn that a call began or is about, as its driver is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerTurn {
    /// Which.
    pub turn: TurnId,
    /// Of its input, while it has not ended.
    pub input: Option<BodyDigest>,
}

/// A part of what a called turn may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegated {
    /// Which syscall.
    pub kind: Kind,
    /// On which targets.
    pub target: TargetPattern,
}

/// The call that began a turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalledBy {
    /// Whose call.
    pub turn: TurnId,
    /// Which.
    pub call: CallId,
    /// Its key: made again under it, the call finds the turn.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<IdempotencyKey>,
    /// Of its request.
    pub digest: BodyDigest,
    /// See [`Spawn::delegated`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub delegated: Option<Vec<Delegated>>,
}

/// What a turn that was called bears of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Called {
    /// By which turn.
    pub by: TurnId,
    /// By which of its calls.
    pub call: CallId,
    /// How many turns stand above it.
    pub depth: u32,
    /// What its callers let it do, those above first: each of them has to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) narrowed: Vec<Narrowed>,
}

/// What one caller lets a turn do, and whatever that calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Narrowed {
    pub(crate) by: TurnId,
    pub(crate) to: Vec<Delegated>,
}

/// A turn that a turn began, for as long as that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// Which.
    pub turn: TurnId,
    /// By which call.
    pub call: CallId,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) digest: BodyDigest,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<TurnOutcome>,
}

impl Called {
    /// Whether every caller lets this be done. What the agent itself may is another question.
    #[must_use]
    pub fn allows(&self, kind: Kind, target: &str) -> bool {
        self.forbids(kind.right(), Some(&target.into())).is_none()
    }

    /// The caller that does not let this be done, if one does not.
    pub(crate) fn forbids(&self, kind: Kind, target: Option<&Name>) -> Option<TurnId> {
        if !is_narrowed(kind) {
            return None;
        }
        let allows = |it: &Delegated| it.kind == kind && it.target.matches(target);
        let strict = self.narrowed.iter().find(|it| !it.to.iter().any(allows));
        strict.map(|it| it.by)
    }
}

/// Whether a delegation is about such calls. What a turn answers with, and waits with for what it began, is not; nor is
/// its model, which its budget bounds. Of devices what it may have to do with is listed and nothing else.
fn is_narrowed(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::Null
            | Kind::ModelChat
            | Kind::ModelEmbed
            | Kind::ToolList
            | Kind::DeviceList
            | Kind::AgentMessage
            | Kind::AgentCheckpoint
            | Kind::AgentWait
            | Kind::AgentCancel
    )
}

impl Kind {
    /// Whether such a call waits for the end of another turn: it lends its worker's slot, and is not counted among calls
    /// at the same time.
    #[must_use]
    pub const fn waits_for_a_turn(self) -> bool {
        matches!(self, Self::AgentAsk | Self::AgentWait)
    }

    /// Whether such a call begins another turn.
    #[must_use]
    pub const fn begins_a_turn(self) -> bool {
        matches!(self, Self::AgentAsk | Self::AgentSpawn)
    }

    /// What the grant is looked up for: to begin a turn and to ask for its answer is one right.
    pub(crate) const fn right(self) -> Self {
        match self {
            Self::AgentSpawn => Self::AgentAsk,
            Self::DeviceHistory => Self::DeviceRead,
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_above_has_to_let_a_turn_do_it() {
        let to = |target: &str| Delegated {
            kind: Kind::ToolCall,
            target: TargetPattern::parse(target),
        };
        let narrowed = vec![
            Narrowed {
                by: TurnId(1),
                to: vec![to("mail.*"), to("notes.read")],
            },
            Narrowed {
                by: TurnId(2),
                to: vec![to("mail.read")],
            },
        ];
        let called = Called {
            by: TurnId(2),
            call: CallId(9),
            depth: 2,
            narrowed,
        };
        let forbids = |kind, target: &str| called.forbids(kind, Some(&target.into()));
        assert_eq!(forbids(Kind::ToolCall, "mail.read"), None);
        assert_eq!(forbids(Kind::ToolCall, "mail.send"), Some(TurnId(2)));
        assert_eq!(forbids(Kind::ToolCall, "clock.now"), Some(TurnId(1)));
        assert_eq!(forbids(Kind::AgentSpawn, "other"), Some(TurnId(1)));
        assert_eq!(forbids(Kind::ModelChat, "local"), None);
        assert_eq!(forbids(Kind::AgentMessage, ""), None);
    }
}
