//! Why the kernel does not do what it was asked.
//!
//! The daemon maps each to an error code of the syscall protocol with a remedy;
//! here is the data for it.

use serde::{Deserialize, Serialize};

use crate::{ids::CallId, name::Name, outcome::CancelCause};

/// A request that was not admitted, or left its queue without being started. It had no effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "refusal", rename_all = "kebab-case")]
pub enum Refusal {
    /// No rule allows it, or one denies it.
    Denied {
        /// Origin of the rule that denies; `None`: no rule allows it.
        rule: Option<Name>,
    },
    /// A person would have to approve.
    ApprovalRequired {
        /// Origin of the rule.
        rule: Name,
    },
    /// A quota is used up.
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
    Overloaded {
        /// What is full.
        queue: Queue,
        /// An estimate, in milliseconds.
        retry_after_ms: u64,
    },
    /// The key was used with another request.
    IdempotencyMismatch {
        /// The call that has it.
        recorded: CallId,
    },
    /// No such instance, or it is being removed.
    NoSuchInstance,
    /// The turn is not running.
    TurnNotRunning,
    /// The daemon is stopping.
    Draining,
    /// Its deadline passed while it waited.
    DeadlineExceeded,
    /// Cancelled while it waited.
    Cancelled {
        /// By whom.
        by: CancelCause,
    },
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
}
