//! The ledger: what each level of cluster, tenant and agent, and each API key, has used and holds reserved.
//!
//! *Charges* are durable: facts add to an account's windows, see [`Account`].
//! *Reservations* are volatile: they hold room for calls that wait or run, see
//! [`Reservations`], and go when the call ends. A quota is kept when charges and
//! reservations together fit. Who may do what does not enter here.

mod reserve;
mod window;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

pub(crate) use reserve::{Quotas, Reservations};
pub(crate) use window::{Span, Window};

use crate::{
    ids::{AccountId, Date, Millis, TurnId},
    name::Name,
    outcome::{Failure, Usage},
    refusal::{Level, Refusal},
    syscall::Kind,
};

/// How many denials an agent's account remembers.
pub(crate) const DENIALS: usize = 8;

/// What one level has used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its level.
    pub level: Level,
    /// The level above; `None` for the cluster's.
    pub parent: Option<AccountId>,
    /// Tenant's, agent's or key's name; empty for the cluster's.
    pub name: Name,
    /// Profiles, accounts of the level below, or turns of a key that have not ended, that charge to it.
    pub(crate) users: u32,
    /// Calls of the last minute, and refusals other than by a quota.
    pub(crate) calls: Window,
    /// Model tokens of the last hour.
    pub(crate) tokens: Window,
    /// Calls ever charged.
    pub total_calls: u64,
    /// Tokens ever charged.
    pub total_tokens: u64,
    /// Bytes ever charged, sent and received.
    #[serde(default)]
    pub total_bytes: u64,
    /// The last refusals by rule, quota or driver, oldest first; agents' accounts only.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub(crate) denials: VecDeque<Denial>,
}

/// A call that a rule, a quota or its driver refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// When, for people.
    pub at: Date,
    /// In which turn.
    pub turn: TurnId,
    /// Which syscall.
    pub kind: Kind,
    /// As called.
    pub target: Option<Name>,
    /// By whom, and why.
    pub refusal: Denied,
}

impl Denial {
    /// Whether it says nothing new but when, and when to try again.
    fn repeats(&self, other: &Self) -> bool {
        let same = match (&self.refusal, &other.refusal) {
            (
                Denied::Kernel(Refusal::QuotaExceeded { level, quota, .. }),
                Denied::Kernel(Refusal::QuotaExceeded {
                    level: other_level,
                    quota: other_quota,
                    ..
                }),
            ) => (level, quota) == (other_level, other_quota),
            // By how much, and when it can be again, is all that differs.
            (
                Denied::Kernel(Refusal::Guarded { rule, why, .. }),
                Denied::Kernel(Refusal::Guarded {
                    rule: other_rule,
                    why: other_why,
                    ..
                }),
            ) => {
                let same = std::mem::discriminant(why) == std::mem::discriminant(other_why);
                rule == other_rule && same
            }
            // How many there are is all that differs; of a denial the words say what of.
            (Denied::Driver(failure), Denied::Driver(other))
                if failure.code.as_str() == "overloaded" =>
            {
                failure.code == other.code
            }
            (refusal, other) => refusal == other,
        };
        same && (self.turn, self.kind, &self.target) == (other.turn, other.kind, &other.target)
    }
}

/// Who refused a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Denied {
    /// The kernel, before it was started.
    Kernel(Refusal),
    /// Its driver, for what only showed as it was done: where a name leads, what a link is.
    Driver(Failure),
}

impl Account {
    pub(crate) fn new(level: Level, parent: Option<AccountId>, name: Name) -> Self {
        Self {
            level,
            parent,
            name,
            users: 0,
            calls: Window::default(),
            tokens: Window::default(),
            total_calls: 0,
            total_tokens: 0,
            total_bytes: 0,
            denials: VecDeque::new(),
        }
    }

    pub(crate) fn charge_call(&mut self, at: Millis) {
        self.calls.add(Span::MINUTE, at, 1);
        self.total_calls = self.total_calls.saturating_add(1);
    }

    /// A call that was refused weighs, and is not counted.
    pub(crate) fn charge_refusal(&mut self, at: Millis) {
        self.calls.add(Span::MINUTE, at, 1);
    }

    pub(crate) fn charge_usage(&mut self, at: Millis, usage: Usage) {
        self.charge_paid(at, usage);
        self.total_bytes = self.total_bytes.saturating_add(usage.bytes());
        self.total_tokens = self.total_tokens.saturating_add(usage.total());
    }

    /// A turn that it pays for used this: it weighs, and is counted where it was used.
    pub(crate) fn charge_paid(&mut self, at: Millis, usage: Usage) {
        if usage.total() > 0 {
            self.tokens.add(Span::HOUR, at, usage.total());
        }
    }

    /// One that says what an older one of its turn says takes its place: who tries again and again hides nothing.
    pub(crate) fn remember_denial(&mut self, denial: Denial) {
        if let Some(at) = self.denials.iter().position(|it| denial.repeats(it)) {
            self.denials.remove(at);
        } else if self.denials.len() == DENIALS {
            self.denials.pop_front();
        }
        self.denials.push_back(denial);
    }

    /// Calls that weigh against the rate quota now.
    #[must_use]
    pub fn calls_in_window(&self, now: Millis) -> u64 {
        self.calls.sum(Span::MINUTE, now)
    }

    /// Tokens that weigh against the hourly quota now.
    #[must_use]
    pub fn tokens_in_window(&self, now: Millis) -> u64 {
        self.tokens.sum(Span::HOUR, now)
    }
}
