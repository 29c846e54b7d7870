//! How a turn ended, in the words of its caller: the kernel's outcome and the program's last word, joined.

use aion_abi::{code::Code, problem::Problem};
use aion_kernel::{CancelCause, Exit, TurnOutcome};
use aion_sandbox::exit;

use super::live::Last;

/// Why the turn is not ok; `None` where it is.
pub(super) fn problem(outcome: &TurnOutcome, last: Option<&Last>) -> Option<Problem> {
    // The program's own reason tells more than the exit code that follows from it.
    if let Some(Last::Failed(problem)) = last {
        return Some(problem.clone());
    }
    let problem = match outcome {
        // The answer was given; how the process ended after it, nobody saw.
        TurnOutcome::WorkerLost | TurnOutcome::WorkerFailed { exit: Exit::Lost }
            if last.is_some() =>
        {
            return None;
        }
        TurnOutcome::Completed => match last {
            Some(_) => return None,
            None => Problem::new(Code::Internal, "the program ended without an answer")
                .remedy("see the agent's log: aionctl logs AGENT"),
        },
        TurnOutcome::WorkerFailed { exit } => failed(exit),
        TurnOutcome::SandboxIncomplete { missing } => {
            let missing: Vec<&str> = missing.iter().map(|it| it.as_str()).collect();
            Problem::new(
                Code::NotRunning,
                format!(
                    "layers of the sandbox that are required are missing: {}",
                    missing.join(", ")
                ),
            )
            .remedy("aionctl why shows what would bring them; or have policy require fewer")
        }
        TurnOutcome::StartTimeout => {
            Problem::new(Code::NotRunning, "the worker was not ready in time")
                .remedy("see whether the launcher answers: aionctl local status")
        }
        TurnOutcome::DeadlineExceeded => {
            Problem::new(Code::DeadlineExceeded, "the turn took longer than it may")
                .remedy("ask for less, or raise limits.turnSeconds of the agent")
        }
        TurnOutcome::Cancelled { by } => Problem::new(
            Code::Cancelled,
            match by {
                CancelCause::Request => "the turn was cancelled on request",
                CancelCause::Disconnect => "the turn's caller went away",
                CancelCause::InstanceRemoved => "the instance was removed or replaced",
                CancelCause::Withdrawn => "the agent's program is let in no longer",
                CancelCause::TurnEnded => "the turn had ended",
            },
        )
        .remedy("ask again"),
        TurnOutcome::WorkerLost => Problem::new(
            Code::OutcomeUnknown,
            "the worker was gone when the daemon came back",
        ),
    };
    Some(problem)
}

fn failed(exit: &Exit) -> Problem {
    let log = "see the agent's log: aionctl logs AGENT";
    match exit {
        Exit::Code(exit::DEADLINE) => {
            Problem::new(Code::DeadlineExceeded, "the turn took longer than it may")
                .remedy("ask for less, or raise limits.turnSeconds of the agent")
        }
        Exit::Code(code) => match exit::describe(*code) {
            Some((word, sentence)) => {
                Problem::new(Code::Internal, format!("{sentence} ({word})")).remedy(log)
            }
            None => Problem::new(
                Code::Internal,
                format!("the worker exited with code {code}"),
            )
            .remedy(log),
        },
        Exit::Signal(signal) => Problem::new(
            Code::Internal,
            format!("the worker was ended by signal {signal}"),
        )
        .remedy(
            "raise the agent's memory if it ran out of it; else see its log: aionctl logs AGENT",
        ),
        Exit::StartFailed(failure) => Problem::new(
            Code::NotRunning,
            format!("the worker was not started: {}", failure.detail),
        )
        .remedy("aionctl why AGENT shows what the node can and cannot do"),
        Exit::Lost => Problem::new(Code::OutcomeUnknown, "the worker is gone without a trace"),
    }
}
