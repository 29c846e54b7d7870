//! How a worker ended, from the launcher's report: for the kernel, and in words for the agent's log.

use aion_abi::{
    code::Code,
    kernel_event::{KernelEvent, KernelEventKind},
};
use aion_api::ResolvedViolations;
use aion_kernel::Exit;
use aion_sandbox::{
    exit::NOT_EXECUTED,
    protocol::{ExitStatus, Exited},
};

use super::launch::failure;

/// What the kernel is told. `own_code`: the program of an image was to take the worker's place, or it is one that runs elsewhere. From then on a code is
/// that program's own, and it has no way to send a note: where there is one, the worker itself ended.
/// `rules`: those of its policies.
pub(super) fn exit(exited: &Exited, own_code: bool, rules: Option<&ResolvedViolations>) -> Exit {
    if let Some(event) = &exited.violation {
        let why = violation(event, rules);
        return Exit::AgainstPolicy(failure(Code::ProgramFailed.as_str(), why));
    }
    if let (ExitStatus::Code(NOT_EXECUTED), true, Some(why)) =
        (&exited.status, own_code, &exited.note)
    {
        // It never ran, and whoever asked is told why not.
        return Exit::StartFailed(failure(Code::ProgramFailed.as_str(), why.as_str()));
    }
    let own = match exited.status {
        ExitStatus::Code(0) => Exit::Code(0),
        ExitStatus::Code(code) if own_code && exited.note.is_none() => Exit::Program(code),
        ExitStatus::Code(code) => Exit::Code(code),
        ExitStatus::Signal(signal) => Exit::Signal(signal),
        ExitStatus::Unknown => Exit::Lost,
        ExitStatus::Evicted => Exit::Evicted,
    };
    // What was refused may have been a child's, and the program have failed for want of it. One that coped ended well,
    // and one with a note before there was a program.
    match own {
        Exit::Program(_) | Exit::Signal(_) if exited.oom == Some(true) => Exit::OutOfMemory,
        Exit::Program(_) | Exit::Signal(_) if exited.process_refused == Some(true) => {
            Exit::OutOfProcesses
        }
        own => own,
    }
}

/// Who ended it and what for.
fn violation(event: &KernelEvent, rules: Option<&ResolvedViolations>) -> String {
    let rule = rules.and_then(|rules| aion_policy::about(rules, event.kind));
    let policy = rule.map_or("its policy", |rule| rule.policy.as_str());
    let named = |deed: &str, what: &str, beside: &str| match event.text.is_empty() {
        true => format!("{deed} {what}{beside}"),
        false => format!("{deed} {}{beside}", event.text),
    };
    let deed = match event.kind {
        KernelEventKind::Open => named("opened", "a file", ", which it was not shown"),
        KernelEventKind::Connect => {
            named("connected to", "an address", ", which it was not granted")
        }
        _ => named("executed", "another program", ""),
    };
    format!("the program was ended by {policy}: it {deed}")
}

/// A line for the log.
pub(super) fn told(exit: &Exit, exited: &Exited) -> String {
    let how = match exit {
        Exit::Code(code) => match aion_sandbox::exit::describe(*code) {
            Some((_, sentence)) => sentence.to_owned(),
            None => format!("exit code {code}"),
        },
        Exit::Program(code) => format!("the program exited with code {code}"),
        Exit::Signal(signal) => format!("signal {signal}"),
        Exit::OutOfMemory => with_code("it used more memory than it may", exited.status),
        Exit::OutOfProcesses => with_code(
            "it was refused a process or thread, having as many as it may",
            exited.status,
        ),
        Exit::StartFailed(failure) | Exit::AgainstPolicy(failure) => failure.detail.to_string(),
        Exit::Lost => "gone without a trace".to_owned(),
        Exit::Evicted => "its launcher was stopped".to_owned(),
    };
    // A process of its own may have been ended or refused so, and the worker have ended as it does.
    let memory = match (exit, exited.oom) {
        (Exit::OutOfMemory, _) | (_, None | Some(false)) => "",
        (_, Some(true)) => ", out of memory",
    };
    let processes = match (exit, exited.process_refused) {
        (Exit::OutOfProcesses, _) | (_, None | Some(false)) => "",
        (_, Some(true)) => ", refused a process or thread",
    };
    let note = exited.note.as_deref().filter(|note| *note != how);
    let note = note.unwrap_or_default();
    let mark = if note.is_empty() { "" } else { ": " };
    format!("the worker ended: {how}{memory}{processes}{mark}{note}")
}

/// A bound that was met, and what the program did then.
fn with_code(bound: &str, status: ExitStatus) -> String {
    match status {
        ExitStatus::Code(code) => format!("{bound}, and exited with code {code}"),
        _ => bound.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use aion_sandbox::{exit as codes, protocol::WorkerId};

    use super::*;

    fn ended(status: ExitStatus, oom: Option<bool>, note: Option<&str>) -> Exited {
        let id = WorkerId {
            instance: "a".into(),
            incarnation: 1,
        };
        Exited {
            oom,
            process_refused: Some(false),
            note: note.map(str::to_owned),
            ..Exited::of(id, status)
        }
    }

    #[test]
    fn the_code_of_an_images_program_is_its_own_and_the_workers_has_a_note() {
        let internal = ended(ExitStatus::Code(codes::INTERNAL), None, None);
        assert_eq!(exit(&internal, true, None), Exit::Program(codes::INTERNAL));
        assert_eq!(exit(&internal, false, None), Exit::Code(codes::INTERNAL));
        let noted = ended(ExitStatus::Code(codes::BOOT), None, Some("not there"));
        assert_eq!(exit(&noted, true, None), Exit::Code(codes::BOOT));
        assert!(told(&exit(&noted, true, None), &noted).ends_with(": not there"));
        assert_eq!(
            exit(&ended(ExitStatus::Code(0), None, None), true, None),
            Exit::Code(0)
        );
    }

    #[test]
    fn why_a_program_was_not_executed_is_kept_with_its_end() {
        let why = "the program /app/main is not in the image";
        let noted = ended(ExitStatus::Code(NOT_EXECUTED), None, Some(why));
        let exit = exit(&noted, true, None);
        assert_eq!(exit, Exit::StartFailed(failure("program-failed", why)));
        assert_eq!(told(&exit, &noted), format!("the worker ended: {why}"));
        // Without its word the code may be the program's own.
        let unheard = ended(ExitStatus::Code(NOT_EXECUTED), None, None);
        assert_eq!(
            super::exit(&unheard, true, None),
            Exit::Program(NOT_EXECUTED)
        );
    }

    #[test]
    fn what_broke_a_rule_is_told_with_the_policy_and_the_deed() {
        use aion_abi::{date::UnixMillis, kernel_event::OnViolation};
        let rules: ResolvedViolations = serde_json::from_value(serde_json::json!({
            "exec": {"action": "kill", "policy": "AgentPolicy/strict"},
        }))
        .unwrap_or_default();
        let killed = |text: &str| Exited {
            violation: Some(KernelEvent {
                at_ms: UnixMillis(1),
                kind: KernelEventKind::Exec,
                pid: 5,
                process: "sh".into(),
                call: None,
                result: 0,
                violation: Some(OnViolation::Kill),
                text: text.into(),
            }),
            // It ran out of memory, too; the rule is why it was ended.
            ..ended(ExitStatus::Signal(9), Some(true), None)
        };
        let why = |text| match super::exit(&killed(text), true, Some(&rules)) {
            Exit::AgainstPolicy(failure) => failure.detail.to_string(),
            other => format!("{other:?}"),
        };
        let ended_by = "the program was ended by AgentPolicy/strict: it executed";
        assert_eq!(why("/bin/sh"), format!("{ended_by} /bin/sh"));
        assert_eq!(why(""), format!("{ended_by} another program"));
    }

    #[test]
    fn what_ran_out_of_memory_is_told_so() {
        let killed = ended(ExitStatus::Signal(9), Some(true), None);
        assert_eq!(exit(&killed, false, None), Exit::OutOfMemory);
        assert_eq!(
            told(&Exit::OutOfMemory, &killed),
            "the worker ended: it used more memory than it may"
        );
        let plain = ended(ExitStatus::Signal(9), Some(false), None);
        assert_eq!(exit(&plain, false, None), Exit::Signal(9));
        let child = ended(ExitStatus::Code(1), Some(true), None);
        assert_eq!(exit(&child, true, None), Exit::OutOfMemory);
        assert_eq!(
            told(&Exit::OutOfMemory, &child),
            "the worker ended: it used more memory than it may, and exited with code 1"
        );
        let coped = ended(ExitStatus::Code(0), Some(true), None);
        assert_eq!(exit(&coped, true, None), Exit::Code(0));
        assert_eq!(
            told(&Exit::Code(0), &coped),
            "the worker ended: the turn ended, out of memory"
        );
        // The worker's own words tell more than what the kernel counted.
        let noted = ended(ExitStatus::Code(codes::BOOT), Some(true), Some("not there"));
        assert_eq!(exit(&noted, true, None), Exit::Code(codes::BOOT));
    }

    #[test]
    fn what_failed_after_it_was_refused_a_process_is_told_so() {
        let refused = |status| Exited {
            process_refused: Some(true),
            ..ended(status, Some(false), None)
        };
        for status in [ExitStatus::Code(101), ExitStatus::Signal(6)] {
            assert_eq!(exit(&refused(status), true, None), Exit::OutOfProcesses);
        }
        assert_eq!(
            told(&Exit::OutOfProcesses, &refused(ExitStatus::Code(101))),
            "the worker ended: it was refused a process or thread, having as many as it may, and exited with code 101"
        );
        assert_eq!(
            exit(&refused(ExitStatus::Code(0)), true, None),
            Exit::Code(0)
        );
        // Memory goes before it: whoever was killed for it made none either.
        let both = Exited {
            oom: Some(true),
            ..refused(ExitStatus::Signal(9))
        };
        assert_eq!(exit(&both, true, None), Exit::OutOfMemory);
    }
}
