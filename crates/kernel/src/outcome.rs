//! How calls and turns end, and what they used.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{body::Body, name::Name};

/// What a call used: tokens of a model, bytes of a connection; zero for everything else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read.
    #[serde(rename = "in")]
    pub input_tokens: u64,
    /// Tokens written.
    #[serde(rename = "out")]
    pub output_tokens: u64,
    /// Bytes that an agent sent to a host.
    #[serde(rename = "sent", skip_serializing_if = "is_zero", default)]
    pub sent_bytes: u64,
    /// Bytes that it received from there.
    #[serde(rename = "received", skip_serializing_if = "is_zero", default)]
    pub received_bytes: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Usage {
    /// Tokens, read and written.
    #[must_use]
    pub fn total(self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }

    /// Bytes, sent and received.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.sent_bytes.saturating_add(self.received_bytes)
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.sent_bytes = self.sent_bytes.saturating_add(other.sent_bytes);
        self.received_bytes = self.received_bytes.saturating_add(other.received_bytes);
    }
}

/// The terminal outcome of a call whose driver was started. There is exactly one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// The driver did it.
    Ok {
        /// The answer's body. Needed where the call had an idempotency key: the shell
        /// finds the bytes again by this digest.
        body: Option<Body>,
    },
    /// The driver could not.
    Failed(Failure),
    /// Stopped on request; the driver says that nothing was done.
    Cancelled {
        /// Who asked.
        by: CancelCause,
    },
    /// Stopped at its deadline; the driver says that nothing was done.
    DeadlineExceeded,
    /// Nobody knows whether it was done: the daemon or the driver went away first.
    #[serde(rename = "outcome-unknown")]
    Unknown,
    /// A call that a crash interrupted and that changed nothing, a completion of a model
    /// included. Its key is free again: a retry runs.
    Interrupted,
}

/// Why a driver failed. The code is the syscall protocol's; the kernel only carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Stable kebab-case code.
    pub code: Name,
    /// What happened, for people, without secrets. Recorded up to [`Failure::MAX_DETAIL`].
    pub detail: Name,
}

impl Failure {
    /// The longest text of a failure that is recorded, in bytes.
    pub const MAX_DETAIL: usize = 512;
    /// Codes of a driver that kept to a rule or a bound: it could have done it, and did not.
    pub const REFUSALS: [&str; 3] = ["denied", "offline", "overloaded"];

    pub(crate) fn is_refusal(&self) -> bool {
        Self::REFUSALS.contains(&self.code.as_str())
    }

    pub(crate) fn shortened(self) -> Self {
        Self {
            detail: self.detail.shortened(Self::MAX_DETAIL),
            ..self
        }
    }
}

/// Who stopped a call or a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CancelCause {
    /// The caller asked.
    Request,
    /// The caller's connection closed.
    Disconnect,
    /// The turn ended around it.
    TurnEnded,
    /// The instance was removed.
    InstanceRemoved,
    /// The instance's program is let in no longer.
    Withdrawn,
    /// The turn that called it ended, or gave it up.
    CallerEnded,
}

impl fmt::Display for CancelCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "the caller asked for it",
            Self::Disconnect => "the caller's connection closed",
            Self::TurnEnded => "its turn ended",
            Self::InstanceRemoved => "its instance was removed",
            Self::Withdrawn => "its program is let in no longer",
            Self::CallerEnded => "the turn that called it ended or gave it up",
        })
    }
}

/// What a driver tells of a call that it no longer works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// Done.
    Ok {
        /// See [`Outcome::Ok`].
        body: Option<Body>,
    },
    /// Not done.
    Failed(Failure),
    /// Stopped because it was told to, and nothing was done.
    Stopped,
    /// Stopped midway; it may or may not have been done.
    Unknown,
}

/// How a worker process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// Exit code, of those that workers have.
    Code(i32),
    /// Exit code of a program that took the worker's place, and is not 0: what it means is the program's own.
    Program(i32),
    /// Signal number.
    Signal(i32),
    /// Ended by the operating system: it used more memory than it may.
    OutOfMemory,
    /// Failed after it was refused a process or a thread, having as many as it may.
    OutOfProcesses,
    /// Ended by the operating system for a breach of a rule of its policy.
    AgainstPolicy(Failure),
    /// Never began; the launcher says why.
    StartFailed(Failure),
    /// Gone without a trace.
    Lost,
    /// Ended with its launcher, which was stopped: nothing that the agent did.
    Evicted,
}

/// How a turn ended. There is exactly one for every queued turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum TurnOutcome {
    /// The worker ended with code 0.
    Completed,
    /// The worker ended otherwise.
    WorkerFailed {
        /// How.
        exit: Exit,
    },
    /// A required layer was not enforced; no instruction of the agent ran.
    SandboxIncomplete {
        /// The layers that are missing.
        missing: Vec<Name>,
    },
    /// The worker was not ready in time.
    StartTimeout,
    /// The turn took longer than its agent may.
    DeadlineExceeded,
    /// Stopped.
    Cancelled {
        /// By whom.
        by: CancelCause,
    },
    /// After a restart of the daemon its worker was gone.
    WorkerLost,
}
