//! `aionctl`: what a person says to AION-OS, on one machine or in a cluster.
//!
//! `args` is the command line, `commands` has a file for each command, `client` speaks to a node, `render` makes
//! text. Nothing here decides what an agent may do: that is `aion-policy` and `aion-resolve`, which this binary only
//! asks.

mod args;
mod client;
mod commands;
mod context;
mod failure;
mod home;
mod process;
mod render;

use std::process::ExitCode;

use clap::Parser;

use args::Cli;
use context::Context;
use failure::Status;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; to write into a closed pipe is not either.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() {
                Status::Usage as u8
            } else {
                0
            });
        }
    };
    let context = Context::new(&cli.global);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(commands::run(&context, cli.command)),
        Err(why) => Err(failure::Failure::new(format!(
            "cannot start the event loop: {why}"
        ))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if failure.status != Status::Interrupted {
                eprint!("{}", render::message::failure(&context.screen, &failure));
            }
            ExitCode::from(failure.status as u8)
        }
    }
}
