//! `aion-worker`: one confined process that runs one turn of one program, or becomes a tool or the program of an image.
//!
//! It shuts itself in before it reads anything, waits at its gate, reads the boot document, runs, and ends.
//! What may not enter: a resource, a configuration file, a second turn. Everything with an effect is a
//! syscall. Exit codes are those of [`aion_sandbox::exit`].

mod declarative;
mod process;
mod steps;
mod syscalls;
mod tool;
mod turn;
mod wasm;

use std::process::ExitCode;
use std::rc::Rc;

use aion_sandbox::plan::What;
use aion_sandbox::{Held, exit, hold};
use tokio::runtime;

fn main() -> ExitCode {
    // Before anything else, on the only thread: see [`hold`].
    let mut held = match hold() {
        Ok(held) => held,
        Err(error) => {
            eprintln!("{error}");
            return code(error.exit_code());
        }
    };
    let (why, ended) = match held.shown().cloned() {
        Some(What::Machine { program }) => {
            let failed = tool::become_it(&held, &program);
            (failed.to_string(), exit::BOOT)
        }
        Some(What::Image { .. }) => {
            let failed = process::become_it(&mut held);
            (failed.to_string(), failed.code())
        }
        None => match run(&mut held) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(ended) => (ended.to_string(), ended.code()),
        },
    };
    eprintln!("{why}");
    held.note(&why);
    code(ended)
}

fn run(held: &mut Held) -> Result<(), turn::Ended> {
    let boot = turn::read_boot(held)?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(turn::Ended::Runtime)?;
    turn::run(&boot, held, Rc::new(runtime))
}

fn code(code: i32) -> ExitCode {
    // Codes are below 128 by their table; another would be a fault of ours.
    ExitCode::from(u8::try_from(code).unwrap_or(exit::INTERNAL as u8))
}
