//! Approvals: what a person is asked before a call is done, and what the person's word covers.
//!
//! When somebody is asked is in `calls::asking`, what an answer does in `calls::answering`, how facts change the rows in
//! `apply::approvals`. The arguments stay outside: a row names their digest, so the word is for these and no others.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    body::{Body, BodyDigest},
    ids::{AccountId, ApprovalId, CallId, Date, InstanceUid, TurnId},
    name::{IdempotencyKey, Name},
    spec::{GrantRule, Profile},
    syscall::Kind,
};

/// Approvals that are kept after they count for no call any more: for whoever answers late.
pub(crate) const CLOSED: usize = 128;
/// Words that stand for one agent.
pub(crate) const STANDING: usize = 64;
/// Words that stand for all of them.
pub(crate) const ALL_STANDING: usize = 1_024;

/// Questions of one turn, those that were answered included.
pub(crate) const PER_TURN: u32 = 128;

/// For how much a person's yes counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "for", rename_all = "kebab-case")]
pub enum Scope {
    /// This call.
    Once,
    /// Calls of this syscall on this target, and of its point, until the turn ends.
    Turn,
    /// The same of every turn of the agent, until a date or until its revision or its grants change.
    Until {
        /// Until when.
        date: Date,
    },
}

/// What became of a question to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "word", rename_all = "kebab-case")]
pub enum Word {
    /// A person said yes.
    Approved {
        /// To what.
        scope: Scope,
    },
    /// A person said no: to this call, for as long as its turn lasts.
    Denied,
    /// Nobody said anything in time.
    Expired,
    /// Nobody waits for the word any more: its turn ended, or its caller gave up.
    Withdrawn,
}

/// Why a person's answer does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unheard {
    /// Nobody asks that.
    #[error("there is no such approval, or it is no longer kept")]
    Unknown,
    /// Somebody was first, or the time was over.
    #[error("it was answered before")]
    Answered(Answered),
    /// To more than a question of a tool's server, which is no call.
    #[error("it is a question of a tool's server: a yes to it counts once")]
    Once,
    /// A date that has passed.
    #[error("the date until which it is to count has passed")]
    Past,
    /// As many words stand for this agent, or on the node, as may.
    #[error("there are as many standing approvals as may be, for this agent or on this node")]
    TooMany,
}

/// A word, whose it is, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// What.
    pub word: Word,
    /// Who said it, as the shell knows; none where nobody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Name>,
    /// When.
    pub at: Date,
}

/// A call that a person is asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRow {
    /// Whose turn.
    pub turn: TurnId,
    /// Whose instance.
    pub instance: InstanceUid,
    /// The agent's tenant.
    pub tenant: Name,
    /// The agent.
    pub agent: Name,
    /// The agent's account.
    pub(crate) account: AccountId,
    /// Which syscall.
    pub kind: Kind,
    /// As called.
    pub target: Option<Name>,
    /// The property or command of the device, of a call that has an aim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<Name>,
    /// Its key.
    pub(crate) key: Option<IdempotencyKey>,
    /// The running call whose driver asks: then the word is for this question, and a right to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<CallId>,
    /// What is asked for: the request's body, or the question's.
    pub body: Body,
    /// The rule that asks.
    pub rule: Name,
    /// Since when.
    pub asked_at: Date,
    /// By when somebody has to answer.
    pub until: Date,
    /// The word, once there is one.
    pub answered: Option<Answered>,
    /// The approval whose wider yes covers this one too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covered_by: Option<ApprovalId>,
    /// The call that the word was for was begun.
    pub(crate) used: bool,
}

/// A yes that counts beyond its turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingWord {
    /// The agent's tenant.
    pub tenant: Name,
    /// The agent.
    pub agent: Name,
    pub(crate) account: AccountId,
    /// Which syscall.
    pub kind: Kind,
    /// On which target.
    pub target: Option<Name>,
    /// On which of its points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<Name>,
    /// Until when.
    pub until: Date,
    /// Who gave it.
    pub by: Option<Name>,
    /// When.
    pub given_at: Date,
    /// The revision that it was given to, which is what runs: it does not count for another.
    #[serde(default)]
    pub(crate) revision: Name,
    /// The grants under which it was given: under others it does not count.
    pub(crate) grants: Arc<Vec<GrantRule>>,
}

impl StandingWord {
    /// Whether it was given to what this profile lets run, and under its grants.
    pub(crate) fn is_of(&self, profile: &Profile) -> bool {
        self.revision == profile.revision && self.grants == profile.grants
    }

    /// What it lets pass.
    pub(crate) fn right(&self) -> Right<'_> {
        Right {
            kind: self.kind,
            target: self.target.as_ref(),
            point: self.point.as_ref(),
        }
    }
}

/// What a word for more than one call is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Right<'a> {
    pub(crate) kind: Kind,
    pub(crate) target: Option<&'a Name>,
    /// Of the aim: who may ring a bell may not open its door.
    pub(crate) point: Option<&'a Name>,
}

/// What a call is compared by with the words that there are.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) turn: TurnId,
    pub(crate) kind: Kind,
    pub(crate) target: Option<&'a Name>,
    /// See [`crate::Aim::point`].
    pub(crate) point: Option<&'a Name>,
    pub(crate) key: Option<&'a IdempotencyKey>,
    pub(crate) digest: BodyDigest,
}

impl<'a> Request<'a> {
    pub(crate) fn right(self) -> Right<'a> {
        Right {
            kind: self.kind,
            target: self.target,
            point: self.point,
        }
    }
}

/// What words say of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Yes,
    No { by: Option<Name> },
    TooLate,
}

impl ApprovalRow {
    /// Whether nobody has answered yet.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.answered.is_none()
    }

    /// The call.
    pub(crate) fn request(&self) -> Request<'_> {
        Request {
            turn: self.turn,
            kind: self.kind,
            target: self.target.as_ref(),
            point: self.point.as_ref(),
            key: self.key.as_ref(),
            digest: self.body.digest,
        }
    }

    /// Whether it says nothing of any call that may still come.
    pub(crate) fn is_spent(&self) -> bool {
        if self.within.is_some() {
            return !self.is_pending();
        }
        match self.answered.as_ref().map(|it| it.word) {
            None
            | Some(
                Word::Denied
                | Word::Approved {
                    scope: Scope::Turn, ..
                },
            ) => false,
            Some(Word::Approved { .. }) => self.used,
            Some(Word::Expired) => self.key.is_none(),
            Some(Word::Withdrawn) => true,
        }
    }

    /// Whether it was asked for this very call: the same step of the turn, with the same body.
    pub(crate) fn is_of(&self, it: Request<'_>) -> bool {
        self.within.is_none()
            && self.turn == it.turn
            && self.request().right() == it.right()
            && self.key.as_ref() == it.key
            && self.body.digest == it.digest
    }

    pub(crate) fn says(&self, it: Request<'_>) -> Option<Said> {
        let answered = self.answered.as_ref().filter(|_| self.within.is_none())?;
        let same_right = self.request().right() == it.right();
        match answered.word {
            Word::Approved { scope: Scope::Turn } if same_right => Some(Said::Yes),
            Word::Approved { .. } if self.is_of(it) && !self.used => Some(Said::Yes),
            Word::Denied if same_right && self.body.digest == it.digest => Some(Said::No {
                by: answered.by.clone(),
            }),
            Word::Expired if self.is_of(it) && it.key.is_some() => Some(Said::TooLate),
            _ => None,
        }
    }
}
