//! Stable error codes. A client may match on them; text may change, codes do not.
//!
//! The table gives each code its HTTP status and a remedy that holds wherever the code appears; a
//! [`Problem`](crate::problem::Problem) may carry a more exact one.

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $status:literal, $remedy:literal;)*) => {
        /// Why a call was not answered. Written in kebab-case on the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
        #[serde(rename_all = "kebab-case")]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// Every code, for tests and for documentation.
            pub const ALL: &[Code] = &[$(Code::$variant,)*];

            /// The code as it stands on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $text,)* }
            }

            /// The HTTP status a reply with this code has.
            pub fn status(self) -> u16 {
                match self { $(Code::$variant => $status,)* }
            }

            /// What a person can do about it.
            pub fn remedy(self) -> &'static str {
                match self { $(Code::$variant => $remedy,)* }
            }
        }
    };
}

codes! {
    /// The signature is missing, malformed, or of another key.
    BadSignature = "bad-signature", 401, "sign the canonical request with the key of this run of the instance";
    /// The counter was used before.
    Replayed = "replayed", 401, "use a higher counter for every request, retries included";
    /// The timestamp is too old or ahead, or an earlier daemon may have taken it.
    Stale = "stale", 401, "sign the request again with the current time of the machine, and a new counter";
    /// No such syscall.
    UnknownSyscall = "unknown-syscall", 404, "see docs/syscalls.md for the families and verbs this node answers";
    /// The body or a header does not have the form the syscall takes.
    BadRequest = "bad-request", 400, "compare the request with the shape in docs/syscalls.md";
    /// The body is larger than the syscall takes.
    TooLarge = "too-large", 413, "send less at a time: read and write files in parts";
    /// No grant covers the call.
    Denied = "denied", 403, "ask for it under spec.permissions, and have a policy that grants it: aionctl explain shows both";
    /// A guardrail of a device does not let it pass.
    Guarded = "guarded", 403, "the detail says which guardrail, and what it wants: do what it asks, or try when it lets it pass";
    /// The grant says that a person must agree first, and nobody is asked: too many calls wait already, the turn asked too often, or its standing approval ended meanwhile.
    ApprovalRequired = "approval-required", 403, "answer what waits: aionctl approvals; or move the capability from permissions.ask to permissions.allow if it needs no approval";
    /// A person was asked and said no.
    ApprovalDenied = "approval-denied", 403, "go on without it: the same call is refused for as long as the turn lasts";
    /// A person was asked, and nobody answered in time.
    ApprovalExpired = "approval-expired", 403, "ask again when somebody is there to answer: aionctl approvals";
    /// Somebody answered before, or the time was over.
    AlreadyAnswered = "already-answered", 409, "see the answer: aionctl approvals --all";
    /// The agent that is called stands above in the chain of callers already, or the two would wait for each other.
    AgentCycle = "agent-cycle", 409, "answer without it: an agent that is asked cannot ask back";
    /// As many turns stand above the one that is called, or were begun by its caller, as may.
    TooManyTurns = "too-many-turns", 409, "do the rest in this turn, or ask for more at a time";
    /// A quota is used up.
    QuotaExceeded = "quota-exceeded", 429, "wait for retryAfterMs, or raise the limit in the agent or its policy";
    /// The node has as much waiting work as it takes.
    Overloaded = "overloaded", 503, "retry after retryAfterMs";
    /// The node agent is being stopped, most often to be replaced.
    Restarting = "restarting", 503, "retry after retryAfterMs: turns that were taken go on when the node agent is back";
    /// The idempotency key was used with another body.
    IdempotencyMismatch = "idempotency-mismatch", 422, "use a new idempotency key for a new request";
    /// The call's deadline passed.
    DeadlineExceeded = "deadline-exceeded", 504, "give the call more time with aion-deadline-ms, or ask for less";
    /// The caller cancelled, or its connection closed.
    Cancelled = "cancelled", 499, "nothing to do: the call was given up by its caller";
    /// The daemon died while the effect was under way, or its answer was lost: it may or may not have happened.
    OutcomeUnknown = "outcome-unknown", 500, "look whether the effect happened before doing it again";
    /// What the call names does not exist.
    NotFound = "not-found", 404, "check the name: list what there is first";
    /// What the call is to make is there already.
    AlreadyExists = "already-exists", 409, "choose another name, or replace what is there";
    /// A file is not what it was when an earlier part of it was read.
    Changed = "changed", 412, "read the file again from its start";
    /// The instance is not running, is being replaced, or was removed.
    NotRunning = "not-running", 409, "start a new turn: this run of the instance has ended";
    /// `OFFLINE_MODE` keeps every packet on this machine.
    Offline = "offline", 403, "use something on this machine, or start the node without OFFLINE_MODE";
    /// Nothing answers at the address of a model, tool or store.
    Unreachable = "unreachable", 502, "start the service, or correct its address in the ModelEndpoint or Tool";
    /// A model, tool or store answered with an error of its own.
    UpstreamFailed = "upstream-failed", 502, "the detail is what the service said: mend it there";
    /// The disk is full or a store cannot be written.
    StorageFull = "storage-full", 507, "free space on the node's state directory, then retry";
    /// The agent's own program ended with a fault, or went beyond its bounds.
    ProgramFailed = "program-failed", 500, "see the agent's log: aionctl logs AGENT; the program's author can mend it";
    /// A tool used more memory or processes than it may, and ended: what it was called for may or may not have happened.
    OutOfBounds = "out-of-bounds", 507, "ask the tool for less at a time, and look whether the effect happened before doing it again; it is started anew by the next call";
    /// The agent says itself that it cannot answer, and why.
    Unanswered = "unanswered", 422, "the message is the agent's own: change what it names, then ask again";
    /// It is not clear which agent is asked, where none was named.
    Undecided = "undecided", 422, "name the agent: aionctl get agents lists them";
    /// A part of the node failed in a way it should not.
    Internal = "internal", 500, "this is a fault of AION-OS: report it with what the node's log says at this time";
}

impl Code {
    /// Whether it passes by itself, and says that nothing was done: the same request is worth another try, signed anew,
    /// under the same idempotency key, and after the pause that the refusal names.
    pub fn passes(self) -> bool {
        matches!(self, Self::Overloaded | Self::Restarting | Self::Stale)
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_form_is_the_same_for_serde_and_display() {
        for &code in Code::ALL {
            assert_eq!(
                serde_json::to_value(code).ok(),
                Some(serde_json::Value::from(code.as_str()))
            );
            assert!((400..=599).contains(&code.status()));
            assert!(!code.remedy().is_empty());
        }
    }
}
