//! How a worker ended, from the launcher's report: for the kernel, and in words for the agent's log.

use aion_abi::code::Code;
use aion_kernel::Exit;
use aion_sandbox::{
    exit::NOT_EXECUTED,
    protocol::{ExitStatus, Exited},
};

use super::launch::failure;

/// What the kernel is told. `of_image`: the program of an image was to take the worker's place. From then on a code is
/// that program's own, and it has no way to send a note: where there is one, the worker itself ended.
pub(super) fn exit(exited: &Exited, of_image: bool) -> Exit {
    if let (ExitStatus::Code(NOT_EXECUTED), true, Some(why)) =
        (&exited.status, of_image, &exited.note)
    {
        // It never ran, and whoever asked is told why not.
        return Exit::StartFailed(failure(Code::ProgramFailed.as_str(), why.as_str()));
    }
    match exited.status {
        ExitStatus::Code(0) => Exit::Code(0),
        ExitStatus::Code(code) if of_image && exited.note.is_none() => Exit::Program(code),
        ExitStatus::Code(code) => Exit::Code(code),
        ExitStatus::Signal(_) if exited.oom == Some(true) => Exit::OutOfMemory,
        ExitStatus::Signal(signal) => Exit::Signal(signal),
        ExitStatus::Unknown => Exit::Lost,
        ExitStatus::Evicted => Exit::Evicted,
    }
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
        Exit::OutOfMemory => "it used more memory than it may".to_owned(),
        Exit::StartFailed(failure) => failure.detail.to_string(),
        Exit::Lost => "gone without a trace".to_owned(),
        Exit::Evicted => "its launcher was stopped".to_owned(),
    };
    // A process of its own may have been ended so, and the worker by its own code.
    let memory = match (exit, exited.oom) {
        (Exit::OutOfMemory, _) | (_, None | Some(false)) => "",
        (_, Some(true)) => ", out of memory",
    };
    let note = exited.note.as_deref().filter(|note| *note != how);
    let note = note.unwrap_or_default();
    let mark = if note.is_empty() { "" } else { ": " };
    format!("the worker ended: {how}{memory}{mark}{note}")
}

#[cfg(test)]
mod tests {
    use aion_sandbox::{exit as codes, protocol::WorkerId};

    use super::*;

    fn ended(status: ExitStatus, oom: Option<bool>, note: Option<&str>) -> Exited {
        Exited {
            id: WorkerId {
                instance: "a".into(),
                incarnation: 1,
            },
            status,
            oom,
            cpu_us: None,
            peak_memory_bytes: None,
            note: note.map(str::to_owned),
        }
    }

    #[test]
    fn the_code_of_an_images_program_is_its_own_and_the_workers_has_a_note() {
        let internal = ended(ExitStatus::Code(codes::INTERNAL), None, None);
        assert_eq!(exit(&internal, true), Exit::Program(codes::INTERNAL));
        assert_eq!(exit(&internal, false), Exit::Code(codes::INTERNAL));
        let noted = ended(ExitStatus::Code(codes::BOOT), None, Some("not there"));
        assert_eq!(exit(&noted, true), Exit::Code(codes::BOOT));
        assert!(told(&exit(&noted, true), &noted).ends_with(": not there"));
        assert_eq!(
            exit(&ended(ExitStatus::Code(0), None, None), true),
            Exit::Code(0)
        );
    }

    #[test]
    fn why_a_program_was_not_executed_is_kept_with_its_end() {
        let why = "the program /app/main is not in the image";
        let noted = ended(ExitStatus::Code(NOT_EXECUTED), None, Some(why));
        let exit = exit(&noted, true);
        assert_eq!(exit, Exit::StartFailed(failure("program-failed", why)));
        assert_eq!(told(&exit, &noted), format!("the worker ended: {why}"));
        // Without its word the code may be the program's own.
        let unheard = ended(ExitStatus::Code(NOT_EXECUTED), None, None);
        assert_eq!(super::exit(&unheard, true), Exit::Program(NOT_EXECUTED));
    }

    #[test]
    fn what_ran_out_of_memory_is_told_so() {
        let killed = ended(ExitStatus::Signal(9), Some(true), None);
        assert_eq!(exit(&killed, false), Exit::OutOfMemory);
        assert_eq!(
            told(&Exit::OutOfMemory, &killed),
            "the worker ended: it used more memory than it may"
        );
        let plain = ended(ExitStatus::Signal(9), Some(false), None);
        assert_eq!(exit(&plain, false), Exit::Signal(9));
        let child = ended(ExitStatus::Code(1), Some(true), None);
        let text = told(&exit(&child, true), &child);
        assert_eq!(
            text,
            "the worker ended: the program exited with code 1, out of memory"
        );
    }
}
