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
            None => Problem::new(Code::ProgramFailed, "the program ended without an answer")
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
                CancelCause::CallerEnded => "the turn that called it ended or gave it up",
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
                let whose = match exit::is_of_the_program(*code) {
                    true => Code::ProgramFailed,
                    false => Code::Internal,
                };
                Problem::new(whose, format!("{sentence} ({word})")).remedy(log)
            }
            None => Problem::new(
                Code::Internal,
                format!("the worker exited with code {code}"),
            )
            .remedy(log),
        },
        Exit::Program(code) => Problem::new(
            Code::ProgramFailed,
            format!("the program exited with code {code}"),
        )
        .remedy(log),
        Exit::OutOfMemory => Problem::new(
            Code::ProgramFailed,
            "the program used more memory than it may",
        )
        .remedy("ask for less at a time, or raise limits.memoryMiB of the agent"),
        Exit::OutOfProcesses => Problem::new(
            Code::ProgramFailed,
            "the program failed, and was refused a process or thread before: it had as many as it may",
        )
        .remedy("start fewer at a time, or raise limits.pids of the agent"),
        // Where there is no group to say it, running out of memory looks like this, too.
        Exit::Signal(signal) => Problem::new(
            Code::ProgramFailed,
            format!("the worker was ended by signal {signal}"),
        )
        .remedy(
            "raise the agent's memory if it ran out of it; else see its log: aionctl logs AGENT",
        ),
        Exit::AgainstPolicy(failure) => {
            Problem::new(Code::ProgramFailed, failure.detail.to_string()).remedy(
                "have the program do without it, or let it through under onViolation of the policy; aionctl why AGENT shows what led to it",
            )
        }
        Exit::StartFailed(failure) if failure.code.as_str() == Code::ProgramFailed.as_str() => {
            Problem::new(
                Code::ProgramFailed,
                format!("the program cannot be executed: {}", failure.detail),
            )
            .remedy("correct the image's ENTRYPOINT or CMD, or build it for this machine")
        }
        Exit::StartFailed(failure) => Problem::new(
            Code::NotRunning,
            format!("the worker was not started: {}", failure.detail),
        )
        .remedy("aionctl why AGENT shows what the node can and cannot do"),
        Exit::Lost => Problem::new(Code::OutcomeUnknown, "the worker is gone without a trace"),
        Exit::Evicted => Problem::new(
            Code::OutcomeUnknown,
            "the node agent was replaced during the turn, which cannot run again: what it did is not recorded by its steps",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asked_is_told_why_a_program_was_not_executed() {
        let failure = |code: &str| {
            let (code, detail) = (
                code.into(),
                "the program /app/main is not in the image".into(),
            );
            let exit = Exit::StartFailed(aion_kernel::Failure { code, detail });
            problem(&TurnOutcome::WorkerFailed { exit }, None).map(|it| (it.code, it.detail))
        };
        let told = "the program cannot be executed: the program /app/main is not in the image";
        assert_eq!(
            failure("program-failed"),
            Some((Code::ProgramFailed, told.to_owned()))
        );
        let code = failure("not-running").map(|(code, _)| code);
        assert_eq!(code, Some(Code::NotRunning));
    }

    #[test]
    fn what_a_program_did_is_not_told_as_a_fault_of_the_node() {
        let ended = |exit| problem(&TurnOutcome::WorkerFailed { exit }, None).map(|it| it.code);
        for code in [
            exit::GUEST_EXIT,
            exit::GUEST_TRAP,
            exit::GUEST_MEMORY,
            exit::GUEST_INVALID,
            exit::FAILED,
        ] {
            assert_eq!(ended(Exit::Code(code)), Some(Code::ProgramFailed), "{code}");
        }
        for exit in [
            Exit::Signal(9),
            Exit::OutOfMemory,
            Exit::OutOfProcesses,
            Exit::Program(exit::INTERNAL),
        ] {
            assert_eq!(ended(exit), Some(Code::ProgramFailed));
        }
        let silent = problem(&TurnOutcome::Completed, None);
        assert_eq!(silent.map(|it| it.code), Some(Code::ProgramFailed));
        assert_eq!(ended(Exit::Code(exit::INTERNAL)), Some(Code::Internal));
        assert_eq!(ended(Exit::Code(exit::BOOT)), Some(Code::Internal));
    }
}
