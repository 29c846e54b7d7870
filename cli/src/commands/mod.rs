//! One file a command: its arguments, what it asks of the node, what it prints.

pub(crate) mod apply;
pub(crate) mod ask;
pub(crate) mod bundle;
pub(crate) mod completion;
pub(crate) mod delete;
pub(crate) mod describe;
pub(crate) mod explain;
pub(crate) mod get;
pub(crate) mod kind;
pub(crate) mod local;
pub(crate) mod logs;
pub(crate) mod manifests;
pub(crate) mod mount;
pub(crate) mod run;
mod shown;
pub(crate) mod turn;
pub(crate) mod version;
mod wait;
pub(crate) mod why;

use crate::{args::Command, context::Context, failure::Failure};

/// Runs one command to its end.
pub(crate) async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Local(command) => local::run(context, command).await,
        Command::Apply(args) => apply::run(context, args).await,
        Command::Get(args) => get::run(context, args).await,
        Command::Describe(args) => describe::run(context, args).await,
        Command::Delete(args) => delete::run(context, args).await,
        Command::Ask(args) => ask::run(context, args).await,
        Command::Run(args) => self::run::run(context, args).await,
        Command::Logs(args) => logs::run(context, args).await,
        Command::Why(args) => why::run(context, args).await,
        Command::Explain(args) => explain::run(context, args).await,
        Command::Mount(command) => mount::run(context, command).await,
        Command::Bundle(command) => bundle::run(context, command).await,
        Command::Completion(args) => completion::run(context, args),
        Command::Version(args) => version::run(context, args).await,
    }
}
