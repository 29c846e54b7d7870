//! `aionctl trace`.

use clap::Args;
use jiff::tz::TimeZone;

use super::form::Followed;
use crate::{context::Context, failure::Failure, render::kernel};

/// Follow what an agent's processes do
#[derive(Debug, Args)]
#[command(after_help = "\
Programs, files outside what the agent is shown, connections, refused calls, and ends by a signal or for want of memory, with
the turn that they belong to: the last ones, and those to come, until Ctrl-C. Lost events are reported with their number.

Examples:
  aionctl trace analyst --kernel
  aionctl trace analyst --kernel -o json | jq .event.text")]
pub(crate) struct TraceArgs {
    /// The agent
    agent: String,
    /// In the kernel of the machine
    #[arg(long, required = true)]
    kernel: bool,
    #[command(flatten)]
    how: Followed,
}

pub(crate) async fn run(context: &Context, args: TraceArgs) -> Result<(), Failure> {
    let node = context.node_of(&args.agent).await?.node;
    let mut traces = node.kernel_events(&context.namespace, &args.agent).await?;
    let zone = TimeZone::system();
    while let Some(trace) = traces.next().await? {
        if args.how.is_json() {
            context.print_json_line(&trace)?;
            continue;
        }
        let line = kernel::line(&context.screen, &trace, &zone);
        context.print(&format!("{line}\n"))?;
    }
    Ok(())
}
