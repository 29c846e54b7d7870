//! Why the kernel does not do what it was asked.
//!
//! The daemon maps each to an error code of the syscall protocol with a remedy;
//! here is the data for it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    guard::Breach,
    ids::{ApprovalId, CallId, TurnId},
    name::Name,
    outcome::CancelCause,
};

/// A request that was not admitted, or left its queue without being started. It had no effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "refusal", rename_all = "kebab-case")]
pub enum Refusal {
    /// No rule allows it, or one denies it.
    #[error("{}", denied(rule.as_ref()))]
    Denied {
        /// Origin of the rule that denies; `None`: no rule allows it.
        rule: Option<Name>,
    },
    /// A guardrail of the device does not let it pass.
    #[error("{}", guarded(rule.as_ref(), why, reason.as_ref()))]
    Guarded {
        /// What the guardrail is called; `None`: it is not known what guards the device.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<Name>,
        /// Why not.
        why: Breach,
        /// Why the guardrail is there, by whoever wrote it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Name>,
    },
    /// A person would have to approve, and nobody is asked.
    #[error("{rule} asks for a person's approval, and {why}")]
    ApprovalRequired {
        /// Origin of the rule.
        rule: Name,
        /// Why nobody is.
        #[serde(default, skip_serializing_if = "Unasked::is_too_many")]
        why: Unasked,
    },
    /// A person said no.
    #[error("{rule} asks for a person's approval, and {} said no", somebody(by.as_ref()))]
    ApprovalDenied {
        /// Origin of the rule.
        rule: Name,
        /// Who.
        by: Option<Name>,
    },
    /// Nobody said yes or no in time.
    #[error("{rule} asks for a person's approval, and nobody answered in time")]
    ApprovalExpired {
        /// Origin of the rule.
        rule: Name,
    },
    /// Its turn is set aside until a person has answered: then it runs again, and makes the call anew.
    #[error("its turn waits for the answer to approval {approval}")]
    ApprovalPending {
        /// Which.
        approval: ApprovalId,
    },
    /// A quota is used up.
    #[error("the {level}'s quota of {limit} {quota} is used up")]
    QuotaExceeded {
        /// Whose quota.
        level: Level,
        /// Which one.
        quota: QuotaKind,
        /// The bound.
        limit: u64,
        /// When it can fit again, in milliseconds; `None`: it never fits, the request is larger
        /// than the bound.
        retry_after_ms: Option<u64>,
    },
    /// Too much waits already.
    #[error("{}", full(*queue))]
    Overloaded {
        /// What is full.
        queue: Queue,
        /// An estimate, in milliseconds.
        retry_after_ms: u64,
    },
    /// The key was used with another request.
    #[error("call {recorded} used this idempotency key with another request")]
    IdempotencyMismatch {
        /// The call that has it.
        recorded: CallId,
    },
    /// The agent stands above in the chain of callers, or works on turns that wait for the one that asks.
    #[error("{}: {path}", cycle(*waits))]
    AgentCycle {
        /// The chain, to the agent that stands in it already.
        path: Name,
        /// It is one of turns that would wait for each other, and passes with them.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        waits: bool,
    },
    /// A turn of the agent was to be begun, and nobody takes it.
    #[error("agent {agent} is not ready: no instance of it can take a turn on this node")]
    NobodyReady {
        /// Whose.
        agent: Name,
    },
    /// As many turns are above it, or were begun by its turn, as may.
    #[error("{bound}: {limit} are the most")]
    TooManyTurns {
        /// Which bound.
        bound: TurnBound,
        /// The bound.
        limit: u32,
    },
    /// The turn is not one that the caller began.
    #[error("turn {turn} is not one that this turn began")]
    NotItsTurn {
        /// Which.
        turn: TurnId,
    },
    /// No such instance, or it is being removed.
    #[error("the instance is not here, or is being removed")]
    NoSuchInstance,
    /// The turn is not running.
    #[error("the turn is not running")]
    TurnNotRunning,
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Draining,
    /// Its deadline passed while it waited.
    #[error("the deadline passed while the call waited")]
    DeadlineExceeded,
    /// Cancelled while it waited.
    #[error("cancelled while it waited: {by}")]
    Cancelled {
        /// By whom.
        by: CancelCause,
    },
}

/// Why nobody is asked about a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unasked {
    /// As many calls wait for a word as may.
    #[default]
    TooManyWait,
    /// Its turn has asked as often as it may.
    TurnAskedEnough,
    /// The word for it ended while the call waited for its start.
    WordEnded,
}

impl Unasked {
    fn is_too_many(&self) -> bool {
        *self == Self::TooManyWait
    }
}

/// A bound of turns that call turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TurnBound {
    /// Callers above a turn.
    Depth,
    /// Turns that one turn began.
    Begun,
}

/// A level of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// All tenants on this node.
    Cluster,
    /// One tenant.
    Tenant,
    /// One agent of a tenant.
    Agent,
    /// An agent that called the turn; of a refusal alone, no account is of it.
    Caller,
    /// One API key, for the turns that were begun by it.
    Key,
}

/// A quantity of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuotaKind {
    /// Calls in a minute.
    Rate,
    /// Calls at the same time.
    Concurrency,
    /// Model tokens in an hour.
    Tokens,
}

/// A bounded queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Queue {
    /// Turns of one instance.
    InstanceTurns,
    /// Turns of one tenant.
    TenantTurns,
    /// A tenant's calls on one resource.
    TenantCalls,
    /// Calls on one resource.
    ResourceCalls,
    /// Turns that wait for others, and lend their workers' slots.
    LentSlots,
    /// Keys with a budget that were used in the last hour.
    Payers,
}

fn full(queue: Queue) -> String {
    match queue {
        Queue::Payers => format!("{queue} were used in the last hour, as many as are counted"),
        _ => format!("as many {queue} wait as may"),
    }
}

fn cycle(waits: bool) -> &'static str {
    match waits {
        true => "turns would wait for each other",
        false => "the chain of callers would be a cycle",
    }
}

fn somebody(by: Option<&Name>) -> &str {
    by.map_or("somebody", Name::as_str)
}

fn denied(rule: Option<&Name>) -> String {
    rule.map_or_else(
        || String::from("no rule allows it"),
        |rule| format!("{rule} denies it"),
    )
}

fn guarded(rule: Option<&Name>, why: &Breach, reason: Option<&Name>) -> String {
    let rule = rule.map(|rule| format!("guardrail {rule} does not let it pass: "));
    let reason = reason.map(|reason| format!(" (it is there since: {reason})"));
    let (rule, reason) = (rule.unwrap_or_default(), reason.unwrap_or_default());
    format!("{rule}{why}{reason}")
}

impl fmt::Display for Unasked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooManyWait => "too many calls wait for one already",
            Self::TurnAskedEnough => "its turn has asked as often as it may",
            Self::WordEnded => "the one that it had ended while the call waited",
        })
    }
}

impl fmt::Display for TurnBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Depth => "too many turns would stand above the one that is called",
            Self::Begun => "the turn began as many others as it may",
        })
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cluster => "node",
            Self::Tenant => "tenant",
            Self::Agent => "agent",
            Self::Caller => "calling agent",
            Self::Key => "key",
        })
    }
}

impl fmt::Display for QuotaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rate => "calls a minute",
            Self::Concurrency => "calls at the same time",
            Self::Tokens => "model tokens an hour",
        })
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InstanceTurns => "turns of this instance",
            Self::TenantTurns => "turns of this tenant",
            Self::TenantCalls => "calls of this tenant on this resource",
            Self::ResourceCalls => "calls on this resource",
            Self::LentSlots => "turns for other agents",
            Self::Payers => "keys with a budget",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::Measure;

    #[test]
    fn a_refusal_reads_as_a_sentence() {
        let quota = |level, quota| Refusal::QuotaExceeded {
            level,
            quota,
            limit: 60,
            retry_after_ms: None,
        };
        let overloaded = Refusal::Overloaded {
            queue: Queue::TenantCalls,
            retry_after_ms: 5,
        };
        for (refusal, text) in [
            (Refusal::Denied { rule: None }, "no rule allows it"),
            (
                Refusal::Guarded {
                    rule: Some("not-too-warm".into()),
                    why: Breach::Above {
                        value: Measure(25_500_000),
                        maximum: Measure(22_000_000),
                    },
                    reason: Some("the wood would crack".into()),
                },
                "guardrail not-too-warm does not let it pass: 25.5 is more than 22, the most that is written \
                 (it is there since: the wood would crack)",
            ),
            (
                quota(Level::Agent, QuotaKind::Rate),
                "the agent's quota of 60 calls a minute is used up",
            ),
            (
                overloaded,
                "as many calls of this tenant on this resource wait as may",
            ),
            (
                Refusal::Cancelled {
                    by: CancelCause::Disconnect,
                },
                "cancelled while it waited: the caller's connection closed",
            ),
        ] {
            assert_eq!(refusal.to_string(), text);
        }
    }
}
