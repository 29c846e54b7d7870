//! `aionctl local`: the node on this machine, its two programs and how they are.

mod settings;
mod start;
mod status;
mod stop;

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Subcommand};

use crate::{context::Context, failure::Failure, home::Home, process::Program};

/// Start, stop or look at the node on this machine
#[derive(Debug, Subcommand)]
#[command(after_help = "\
The node is two programs that run in the background: aion-node (the daemon: kernel, memory, models, tools) and aion-launcher (starts and confines the agents' workers). As root every layer of the sandbox can be had; as an ordinary user those that need no privileges.

Examples:
  aionctl local start
  aionctl local status
  aionctl local stop")]
pub(crate) enum LocalCommand {
    /// Start what does not run yet, and wait until it answers
    Start(StartArgs),
    /// Let turns under way end, then stop
    Stop(StopArgs),
    /// Say what runs, which layers of the sandbox are enforced, and how many agents are ready
    Status(StatusArgs),
    /// Become a program, away from the terminal
    #[command(hide = true)]
    Become {
        program: PathBuf,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// Of `local start`.
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// How long to wait for an answer
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
}

/// Of `local stop`.
#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    /// How long turns under way may take
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// After that time, end what still runs; the journal knows what was done
    #[arg(long)]
    force: bool,
}

/// Of `local status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(context: &Context, command: LocalCommand) -> Result<(), Failure> {
    match command {
        LocalCommand::Start(args) => start::run(context, args).await,
        LocalCommand::Stop(args) => stop::run(context, args).await,
        LocalCommand::Status(args) => status::run(context, args).await,
        LocalCommand::Become { program, arguments } => {
            let why = crate::process::become_program(&program, &arguments);
            Err(Failure::io("start the program", &program, &why))
        }
    }
}

/// The daemon.
fn node(home: &Home) -> Program {
    program(home, "aion-node")
}

/// The launcher.
fn launcher(home: &Home) -> Program {
    program(home, "aion-launcher")
}

fn program(home: &Home, name: &'static str) -> Program {
    Program {
        name,
        pid_file: home.run().join(format!("{name}.pid")),
        log: home.logs().join(format!("{name}.log")),
    }
}
