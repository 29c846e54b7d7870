//! How a guest ended, in the words that its caller reads.

use aion_abi::code::Code;
use aion_abi::problem::Problem;
use aion_sandbox::exit;
use thiserror::Error;
use wasmtime::Trap;

use super::door::Door;
use super::host::Host;

/// Why a turn has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Ended {
    /// The artifact is not of this engine or this machine.
    #[error("the compiled module cannot be loaded: {0}")]
    Artifact(String),
    /// The module cannot be a guest.
    #[error("the module cannot be run: {0}")]
    Invalid(String),
    /// It exited with another code than 0.
    #[error("the program exited with code {0}")]
    Exit(i32),
    /// It trapped.
    #[error("the program trapped: {0}")]
    Trap(String),
    /// It asked for more memory than it may have, and ended by that.
    #[error("the program ran out of memory: it asked for {wanted_mib} MiB and may have {most_mib}")]
    Memory {
        /// What it asked for.
        wanted_mib: u64,
        /// What it may have.
        most_mib: u64,
    },
    /// The turn's time is over.
    #[error("the turn took longer than it may")]
    Deadline,
    /// A fault of the worker.
    #[error("{0}")]
    Internal(String),
}

/// [`Ended`], and whether the guest told its caller already why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    /// Why.
    pub(crate) ended: Ended,
    /// Its caller knows.
    pub(crate) told: bool,
}

impl From<Ended> for Failed {
    fn from(ended: Ended) -> Self {
        Self { ended, told: false }
    }
}

/// `proc_exit`, on its way out of the guest.
#[derive(Debug, Error)]
#[error("exit with code {0}")]
pub(super) struct Exit(pub(super) i32);

impl Ended {
    /// What `error`, which ended the guest, means; an exit with code 0 is a good end.
    pub(super) fn of<D: Door>(error: &wasmtime::Error, host: &Host<D>) -> Result<(), Self> {
        if let Some(Exit(0)) = error.downcast_ref() {
            return Ok(());
        }
        Err(Self::bad(error, host))
    }

    /// An error before the first instruction: a fault of the worker, unless the guest's own start trapped.
    pub(super) fn of_start(error: wasmtime::Error) -> wasmtime::Error {
        if error.is::<Trap>() || error.is::<Exit>() || error.is::<Self>() {
            return error;
        }
        Self::Internal(format!("the program was not started: {error:#}")).into()
    }

    fn bad<D: Door>(error: &wasmtime::Error, host: &Host<D>) -> Self {
        let own = error.downcast_ref::<Self>();
        if let Some(ended) = own.filter(|it| !matches!(it, Self::Internal(_))) {
            return ended.clone();
        }
        if let Some(Trap::Interrupt) = error.downcast_ref() {
            return Self::Deadline;
        }
        // How a program takes a refused growth is up to its language: most abort.
        if let Some((wanted, most)) = host.refused_memory() {
            let mib = |bytes: u64| bytes.div_ceil(1 << 20);
            return Self::Memory {
                wanted_mib: mib(wanted),
                most_mib: most >> 20,
            };
        }
        if let Some(ended) = own {
            return ended.clone();
        }
        match (error.downcast_ref::<Exit>(), error.downcast_ref::<Trap>()) {
            (Some(Exit(code)), _) => Self::Exit(*code),
            (_, Some(trap)) => {
                // Where it happened is for the log.
                eprintln!("{error:?}");
                let text = trap.to_string();
                Self::Trap(text.trim_start_matches("wasm trap: ").to_owned())
            }
            _ => Self::Trap(error.root_cause().to_string()),
        }
    }

    /// The exit code of the worker that says this.
    pub(crate) fn code(&self) -> i32 {
        match self {
            Self::Artifact(_) => exit::ARTIFACT,
            Self::Invalid(_) => exit::GUEST_INVALID,
            Self::Exit(_) => exit::GUEST_EXIT,
            Self::Trap(_) => exit::GUEST_TRAP,
            Self::Memory { .. } => exit::GUEST_MEMORY,
            Self::Deadline => exit::DEADLINE,
            Self::Internal(_) => exit::INTERNAL,
        }
    }

    /// What the caller is told.
    pub(crate) fn problem(&self) -> Problem {
        let text = self.to_string();
        match self {
            Self::Artifact(_) => Problem::new(Code::Internal, text)
                .remedy("ask again: the node compiles the module anew"),
            Self::Invalid(_) => Problem::new(Code::ProgramFailed, text)
                .remedy("compare its imports and exports with docs/wasm-abi.md"),
            Self::Exit(_) | Self::Trap(_) => Problem::new(Code::ProgramFailed, text),
            Self::Memory { .. } => Problem::new(Code::ProgramFailed, text)
                .remedy("ask for less at a time, or raise spec.limits.memoryMiB"),
            Self::Deadline => Problem::new(Code::DeadlineExceeded, text)
                .remedy("ask for less at a time, or raise spec.limits.turnSeconds"),
            Self::Internal(_) => Problem::new(Code::Internal, text),
        }
    }
}
