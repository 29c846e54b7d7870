//! From the boot document to the end of the turn, and how an end is told: to the caller as the last
//! `agent.message`, to the launcher as an exit code.

use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use aion_abi::boot::{Boot, Program};
use aion_abi::code::Code;
use aion_abi::problem::Problem;
use aion_abi::syscall::Syscall;
use aion_abi::syscall::agent::{MessageKind, MessageRequest, MessageResponse};
use aion_sandbox::Held;
use aion_sandbox::exit;
use thiserror::Error;
use tokio::runtime::Runtime;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout};

use crate::syscalls::Syscalls;
use crate::syscalls::client::Client;
use crate::{declarative, steps, wasm};

/// Told a little before the kernel ends the turn, so that the reason still gets out.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Why a turn ended without an answer.
#[derive(Debug, Error)]
pub(crate) enum Ended {
    /// The boot document could not be read.
    #[error("the boot document cannot be read: {0}")]
    BootUnreadable(#[source] io::Error),
    /// The boot document is not of this version.
    #[error("the boot document is not valid: {0}")]
    BootInvalid(#[source] serde_json::Error),
    /// The program is an image's, and the sandbox is not.
    #[error("the boot document has the program of an image, and there is no image")]
    NoImage,
    /// No runtime.
    #[error("the runtime cannot be made: {0}")]
    Runtime(#[source] io::Error),
    /// The turn took longer than it may.
    #[error("the turn took longer than its {0} ms")]
    Deadline(u64),
    /// A refusal ended it.
    #[error("{0}")]
    Refused(#[source] Problem),
    /// A guest ended badly.
    #[error("{0}")]
    Guest(#[source] wasm::Ended),
}

impl Ended {
    /// The exit code that says this.
    pub(crate) fn code(&self) -> i32 {
        match self {
            Self::BootUnreadable(_) | Self::BootInvalid(_) | Self::NoImage => exit::BOOT,
            Self::Runtime(_) => exit::INTERNAL,
            Self::Deadline(_) => exit::DEADLINE,
            // What the daemon says of something else that is away has the number of a call.
            Self::Refused(problem)
                if problem.code == Code::Unreachable && problem.call.is_none() =>
            {
                exit::DAEMON_LOST
            }
            Self::Refused(_) => exit::FAILED,
            Self::Guest(ended) => ended.code(),
        }
    }
}

/// Reads the boot document from its descriptor.
pub(crate) fn read_boot(held: &Held) -> Result<Boot, Ended> {
    let bytes = zeroize::Zeroizing::new(held.read_boot().map_err(Ended::BootUnreadable)?);
    serde_json::from_slice(&bytes).map_err(Ended::BootInvalid)
}

/// Runs the turn and tells its end.
pub(crate) fn run(boot: &Boot, held: &mut Held, runtime: Rc<Runtime>) -> Result<(), Ended> {
    let time = Duration::from_millis(boot.turn_ms);
    let (began, told_by) = (Instant::now(), time.saturating_sub(LAST_WORDS));
    let socket = held.socket().map(Path::to_owned).unwrap_or_default();
    let client = Client::new(socket, boot.key.clone(), boot.turn, began + time);
    let client = Rc::new(client);
    let (problem, ended) = match &boot.program {
        Program::Declarative(program) => {
            let work =
                async { timeout(told_by, declarative::run(program, &boot.input, &*client)).await };
            match over(runtime.block_on(work), boot.turn_ms) {
                None => return Ok(()),
                Some((problem, ended)) => (Some(problem), ended),
            }
        }
        Program::Steps(program) => {
            let work = async { timeout(told_by, steps::run(program, &boot.input, &*client)).await };
            match over(runtime.block_on(work), boot.turn_ms) {
                None => return Ok(()),
                Some((problem, ended)) => (Some(problem), ended),
            }
        }
        Program::Process(_) | Program::External {} => return Err(Ended::NoImage),
        Program::Wasm(program) => {
            let until = (began + told_by).into_std();
            let artifact = held.take_module();
            let (client, runtime) = (Rc::clone(&client), Rc::clone(&runtime));
            match wasm::run(boot, program, artifact, client, runtime, until) {
                Ok(()) => return Ok(()),
                Err(wasm::Failed { ended, told }) => {
                    ((!told).then(|| ended.problem()), Ended::Guest(ended))
                }
            }
        }
    };
    if let Some(problem) = problem {
        let request = MessageRequest {
            text: problem.detail.clone(),
            kind: MessageKind::Failed,
            problem: Some(problem),
            steps: Vec::new(),
        };
        // Best effort: where the daemon does not hear it, the exit code tells.
        let told = client.call::<_, MessageResponse>(Syscall::AgentMessage, &request);
        let _ = runtime.block_on(told);
    }
    Err(ended)
}

/// Why work that was given a time ended without an answer, if it did.
fn over(outcome: Result<Result<(), Problem>, Elapsed>, turn_ms: u64) -> Option<(Problem, Ended)> {
    let problem = match outcome {
        Ok(Ok(())) => return None,
        Ok(Err(problem)) => problem,
        Err(_) => Problem::new(
            Code::DeadlineExceeded,
            format!("the turn took longer than its {turn_ms} ms"),
        )
        .remedy("ask for less at a time, or raise spec.limits.turnSeconds"),
    };
    let ended = match problem.code {
        Code::DeadlineExceeded => Ended::Deadline(turn_ms),
        _ => Ended::Refused(problem.clone()),
    };
    Some((problem, ended))
}
