//! `aion-compiler`: makes of one WASM module what a worker of this machine runs. A workspace of its own: in one
//! with the worker, cargo would link the code generator into both. What may not enter: running a module.
//!
//! Started by the launcher and confined like a worker, before it reads a byte: it has no socket, no file and
//! no network. The module comes in on its own descriptor, the answer goes to standard output
//! ([`aion_engine::answer`]). Exit codes are those of [`aion_sandbox::exit`].

mod compile;

use std::io::{self, Write};
use std::process::ExitCode;

use aion_engine::answer::{Head, MAX_ARTIFACT, MAX_REFUSAL};
use aion_sandbox::{Held, exit, hold};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("the module cannot be read: {0}")]
    Module(#[source] io::Error),
    #[error("nobody takes the answer: {0}")]
    Answer(#[source] io::Error),
}

fn main() -> ExitCode {
    // Before anything else, on the only thread: see [`hold`].
    let held = match hold() {
        Ok(held) => held,
        Err(error) => {
            eprintln!("{error}");
            return code(error.exit_code());
        }
    };
    match run(&held) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => code(exit::GUEST_INVALID),
        Err(failed) => {
            eprintln!("{failed}");
            held.note(&failed.to_string());
            code(exit::FAILED)
        }
    }
}

/// Whether there is an artifact.
fn run(held: &Held) -> Result<bool, Failed> {
    let module = held.read_module().map_err(Failed::Module)?;
    let (head, body) = match compile::compile(&module) {
        Ok(artifact) if artifact.len() as u64 <= MAX_ARTIFACT => {
            (Head::Artifact(artifact.len() as u64), artifact)
        }
        Ok(artifact) => refusal(format!(
            "compiled, the module has {} bytes, and {MAX_ARTIFACT} are the most",
            artifact.len()
        )),
        Err(why) => refusal(why),
    };
    let mut out = io::stdout().lock();
    out.write_all(&head.to_bytes())
        .and_then(|()| out.write_all(&body))
        .and_then(|()| out.flush())
        .map_err(Failed::Answer)?;
    Ok(matches!(head, Head::Artifact(_)))
}

fn refusal(why: String) -> (Head, Vec<u8>) {
    let end = why.floor_char_boundary(MAX_REFUSAL as usize);
    let text = why.as_bytes()[..end].to_vec();
    (Head::Refused(text.len() as u64), text)
}

fn code(code: i32) -> ExitCode {
    // Codes are below 128 by their table; another would be a fault of ours.
    ExitCode::from(u8::try_from(code).unwrap_or(exit::INTERNAL as u8))
}
