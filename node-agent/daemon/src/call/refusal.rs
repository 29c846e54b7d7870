//! The kernel's refusals and outcomes as problems of the syscall protocol: a code, what happened, what to
//! do.

use aion_abi::{code::Code, problem::Problem};
use aion_kernel::{CancelCause, Failure, Level, Outcome, QuotaKind, Refusal};

/// When what a stopping node agent refused is worth another try: it is replaced in seconds.
const AGAIN_MS: u64 = 2_000;

/// What to do where the budget of an API key is used up: its agent's is another.
const OF_KEY: &str = "wait for retryAfterMs, or ask the node's owner for a larger budget (aionctl key create --tokens-per-hour N)";

/// The problem that a refusal is answered with.
pub(crate) fn problem(refusal: &Refusal) -> Problem {
    let code = match refusal {
        Refusal::Denied { .. } => Code::Denied,
        Refusal::Guarded { .. } => Code::Guarded,
        Refusal::ApprovalRequired { .. } => Code::ApprovalRequired,
        Refusal::ApprovalDenied { .. } => Code::ApprovalDenied,
        Refusal::ApprovalExpired { .. } => Code::ApprovalExpired,
        Refusal::ApprovalPending { .. } => Code::Cancelled,
        Refusal::QuotaExceeded { .. } => Code::QuotaExceeded,
        Refusal::Overloaded { .. } => Code::Overloaded,
        Refusal::IdempotencyMismatch { .. } => Code::IdempotencyMismatch,
        Refusal::AgentCycle { .. } => Code::AgentCycle,
        Refusal::TooManyTurns { .. } => Code::TooManyTurns,
        Refusal::NotItsTurn { .. } => Code::NotFound,
        Refusal::NobodyReady { .. } => Code::Unreachable,
        Refusal::NoSuchInstance | Refusal::TurnNotRunning => Code::NotRunning,
        Refusal::Draining => Code::Restarting,
        Refusal::DeadlineExceeded => Code::DeadlineExceeded,
        Refusal::Cancelled { .. } => Code::Cancelled,
    };
    let problem = Problem::new(code, refusal.to_string());
    match refusal {
        Refusal::QuotaExceeded {
            level: Level::Key,
            retry_after_ms: Some(after),
            ..
        } => problem.remedy(OF_KEY).retry_after_ms(*after),
        Refusal::QuotaExceeded {
            retry_after_ms: Some(after),
            ..
        }
        | Refusal::Overloaded {
            retry_after_ms: after,
            ..
        } => problem.retry_after_ms(*after),
        Refusal::QuotaExceeded {
            level: Level::Key,
            retry_after_ms: None,
            ..
        } => problem.remedy(
            "ask for fewer tokens at once (maxTokens, max_tokens), or by a key with a larger budget",
        ),
        Refusal::QuotaExceeded {
            retry_after_ms: None,
            quota,
            ..
        } => problem.remedy(match quota {
            QuotaKind::Tokens => "ask for fewer tokens at once (maxTokens), or raise tokensPerHour",
            _ => "raise the limit in the agent or its policy: this call never fits under it",
        }),
        Refusal::NobodyReady { agent } => problem.remedy(format!(
            "aionctl why {agent} says what is missing; in a cluster, place it on the node of the agent that asks it (nodeSelector)"
        )),
        Refusal::AgentCycle { waits: true, .. } => problem.remedy(
            "ask again once one of these turns has ended, or let only one of the agents ask the other",
        ),
        Refusal::Draining => restarting(),
        Refusal::NotItsTurn { .. } => {
            problem.remedy("name a turn that agent.spawn gave to this turn")
        }
        _ => problem,
    }
}

/// Nothing was taken, and something soon is again.
pub(crate) fn restarting() -> Problem {
    Problem::new(Code::Restarting, "the node agent is being stopped").retry_after_ms(AGAIN_MS)
}

/// The problem of a call that was started and did not end well.
pub(crate) fn ended(outcome: &Outcome) -> Problem {
    match outcome {
        Outcome::Failed(failure) => failed(failure),
        Outcome::Cancelled { by } => Problem::new(Code::Cancelled, cancelled_by(*by)),
        Outcome::DeadlineExceeded => Problem::new(
            Code::DeadlineExceeded,
            "the call's deadline passed while it ran",
        ),
        Outcome::Unknown => Problem::new(
            Code::OutcomeUnknown,
            "the daemon or the driver went away while the call ran",
        ),
        Outcome::Interrupted => Problem::new(
            Code::Cancelled,
            "the daemon stopped while the call ran; it changed nothing",
        )
        .remedy("make the call again"),
        Outcome::Ok { .. } => Problem::new(Code::Internal, "the answer was lost on its way"),
    }
}

fn cancelled_by(cause: CancelCause) -> &'static str {
    match cause {
        CancelCause::Request => "the call was cancelled on request",
        CancelCause::Disconnect => "the caller's connection closed",
        CancelCause::TurnEnded => "the turn ended around the call",
        CancelCause::InstanceRemoved => "the instance was removed",
        CancelCause::Withdrawn => "the program is let in no longer",
        CancelCause::CallerEnded => "the turn that called this one ended or gave it up",
    }
}

pub(crate) fn failed(failure: &Failure) -> Problem {
    let code = Code::ALL
        .iter()
        .copied()
        .find(|code| code.as_str() == failure.code.as_str())
        .unwrap_or(Code::Internal);
    Problem::new(code, failure.detail.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_knows_the_codes_by_which_a_driver_refuses() {
        let codes = [Code::Denied, Code::Offline, Code::Overloaded].map(Code::as_str);
        assert_eq!(Failure::REFUSALS, codes);
    }
}
