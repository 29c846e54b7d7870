//! `aionctl`: what a person says to AION-OS, on one machine or in a cluster.
//!
//! `args` is the command line, `commands` has a file for each command, `client` speaks to a node, `cluster` to the
//! Kubernetes API, `render` makes text. Nothing here decides what an agent may do: that is `aion-policy` and `aion-resolve`, which this binary only
//! asks.

mod args;
mod client;
mod clock;
#[cfg(feature = "kubernetes")]
mod cluster;
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
use render::screen::Screen;

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
    let screen = Screen::of_process(cli.global.color);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(async {
            let context = Context::find(screen, &cli.global).await?;
            commands::run(&context, cli.command).await
        }),
        Err(why) => Err(failure::Failure::new(format!(
            "cannot start the event loop: {why}"
        ))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if failure.status != Status::Interrupted {
                eprint!("{}", render::message::failure(&screen, &failure));
            }
            ExitCode::from(failure.status as u8)
        }
    }
}
