//! `aionctl`: what a person says to AION-OS, on one machine or in a cluster.
//!
//! `args` is the command line, `commands` has a file for each command, `aion-client` speaks to a node, `cluster` to
//! the Kubernetes API, `resources` to either, `render` makes text. Nothing here decides what an agent may do: that is `aion-policy` and `aion-resolve`, which this binary only
//! asks.

mod args;
mod asked;
mod clock;
#[cfg(feature = "kubernetes")]
mod cluster;
mod commands;
mod context;
mod failure;
mod global;
mod home;
mod keys;
mod process;
mod render;
mod resources;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Cli, Command};
use context::Context;
use failure::{Failure, Status};
use render::screen::Screen;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are not errors, and neither is writing into a closed pipe.
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
            run(&context, cli.command).await
        }),
        Err(why) => Err(Failure::new(format!("cannot start the event loop: {why}"))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            match failure.status {
                Status::Interrupted => {}
                Status::Incomplete => {
                    eprint!("{}", render::message::warning(&screen, &failure.what));
                }
                _ => eprint!("{}", render::message::failure(&screen, &failure)),
            }
            ExitCode::from(failure.status as u8)
        }
    }
}

/// Runs one command to its end.
async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Local(command) => commands::local::run(context, command).await,
        Command::Apply(args) => commands::apply::run(context, args).await,
        Command::Get(args) => commands::get::run(context, args).await,
        Command::Describe(args) => commands::describe::run(context, args).await,
        Command::Delete(args) => commands::delete::run(context, args).await,
        Command::Ask(args) => commands::ask::run(context, args).await,
        Command::Run(args) => commands::run::run(context, args).await,
        Command::Route(args) => commands::route::run(context, args).await,
        Command::Trigger(command) => commands::trigger::run(context, command).await,
        Command::Approvals(args) => commands::approvals::run(context, args).await,
        Command::Key(command) => commands::key::run(context, command).await,
        Command::Device(command) => commands::device::run(context, command).await,
        Command::Logs(args) => commands::logs::run(context, args).await,
        Command::Memory(command) => commands::memory::run(context, command).await,
        Command::Tools(args) => commands::tools::run(context, args).await,
        Command::Audit(args) => commands::audit::run(context, args).await,
        Command::Usage(args) => commands::usage::run(context, args).await,
        Command::Queues(args) => commands::queues::run(context, args).await,
        Command::Events(args) => commands::events::run(context, args).await,
        Command::Trace(args) => commands::trace::run(context, args).await,
        Command::Why(args) => commands::why::run(context, args).await,
        Command::Explain(args) => commands::explain::run(context, args).await,
        Command::Mount(command) => commands::mount::run(context, command).await,
        Command::Node(command) => commands::node::run(context, command).await,
        Command::Dev(args) => commands::dev::run(context, args).await,
        Command::New(command) => commands::new::run(context, command),
        Command::Bundle(command) => commands::bundle::run(context, command).await,
        Command::Completion(args) => commands::completion::run(context, args, Cli::command()),
        Command::Version(args) => commands::version::run(context, args).await,
    }
}
