//! Exit codes of a worker: distinct, stable, and what each means in words. The
//! daemon turns them into a turn's outcome; nothing else in the tree gives them
//! a meaning.

/// The turn ended and its last message was delivered.
pub const DONE: i32 = 0;
/// Started wrongly: unknown argument or a descriptor that is not there.
pub const USAGE: i32 = 64;
/// A fault of the worker itself (a panic).
pub const INTERNAL: i32 = 70;
/// It could not confine itself.
pub const SANDBOX: i32 = 71;
/// The gate closed without opening: the daemon gave the start up.
pub const GATE_CLOSED: i32 = 72;
/// The boot document cannot be read or is not valid.
pub const BOOT: i32 = 73;
/// The daemon stayed unreachable until the turn's deadline.
pub const DAEMON_LOST: i32 = 74;
/// The turn's deadline passed.
pub const DEADLINE: i32 = 75;
/// It was asked to stop before the turn ended.
pub const STOPPED: i32 = 76;
/// The program ended without an answer; the reason is in the log.
pub const FAILED: i32 = 77;
/// The WASM module is not valid or needs an import that there is not.
pub const GUEST_INVALID: i32 = 80;
/// The guest trapped.
pub const GUEST_TRAP: i32 = 81;
/// The guest asked for more memory than it may have.
pub const GUEST_MEMORY: i32 = 83;
/// The guest exited with a code other than 0.
pub const GUEST_EXIT: i32 = 84;
/// The compiled module is not of this engine or this machine; it is to be made
/// anew.
pub const ARTIFACT: i32 = 85;

/// The program of an image could not be executed. A program that was executed ends with codes of its own, which
/// mean nothing here: only its worker leaves a note.
pub const NOT_EXECUTED: i32 = 86;

/// Whether the code tells of what the program did, and not of a fault of the node.
pub fn is_of_the_program(code: i32) -> bool {
    matches!(
        code,
        FAILED | GUEST_INVALID | GUEST_TRAP | GUEST_MEMORY | GUEST_EXIT | NOT_EXECUTED
    )
}

/// A stable word for the code (for reasons and metrics) and a sentence.
/// `None` for a code that no worker uses.
pub fn describe(code: i32) -> Option<(&'static str, &'static str)> {
    Some(match code {
        DONE => ("done", "the turn ended"),
        USAGE => ("usage", "the worker was started wrongly"),
        INTERNAL => ("internal", "the worker had a fault of its own"),
        SANDBOX => ("sandbox", "the worker could not confine itself"),
        GATE_CLOSED => (
            "gate-closed",
            "the start was given up before the gate opened",
        ),
        BOOT => ("boot", "the boot document could not be read"),
        DAEMON_LOST => (
            "daemon-lost",
            "the daemon stayed unreachable until the deadline",
        ),
        DEADLINE => ("deadline", "the turn's deadline passed"),
        STOPPED => ("stopped", "the worker was asked to stop"),
        FAILED => ("failed", "the program ended without an answer"),
        GUEST_INVALID => (
            "guest-invalid",
            "the module is not valid or needs an unknown import",
        ),
        GUEST_TRAP => ("guest-trap", "the guest trapped"),
        GUEST_MEMORY => (
            "guest-memory",
            "the guest asked for more memory than it may have",
        ),
        GUEST_EXIT => ("guest-exit", "the guest ended with an error"),
        ARTIFACT => (
            "artifact",
            "the compiled module does not fit this engine and machine; the next turn compiles it anew",
        ),
        NOT_EXECUTED => (
            "not-executed",
            "the program of the image could not be executed",
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_word_of_its_own() {
        let mut words: Vec<_> = (0..=255)
            .filter_map(describe)
            .map(|(word, _)| word)
            .collect();
        let count = words.len();
        assert!(count > 0);
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), count);
    }
}
