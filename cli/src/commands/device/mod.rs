//! `aionctl device`.

mod hand;
mod history;
mod import;
mod look;
mod proposals;
mod simulate;
mod watch;

use clap::Subcommand;

use super::form::How;
use crate::{context::Context, failure::Failure};

use hand::{CommandArgs, SetArgs};
use history::HistoryArgs;
use import::ImportArgs;
use proposals::{ApproveArgs, ProposalsArgs, RejectArgs};
use simulate::SimulateArgs;
use watch::WatchArgs;

/// Devices: what they are, say and were; set and command them; play some
#[derive(Debug, Subcommand)]
#[command(after_help = "\
What a node heard of them; in a cluster set and command alone. Whether they are set up as they should be, aionctl get devices and aionctl describe device say.

Examples:
  aionctl device list
  aionctl device describe heater
  aionctl device history heater temperature --hours 6
  aionctl device watch heater
  aionctl device set heater target 21
  aionctl device simulate house
  aionctl device list -o json | jq '.items[] | select(.reach != \"online\") | .name'")]
pub(crate) enum DeviceCommand {
    /// List devices with what they say now
    List {
        #[command(flatten)]
        how: How,
    },
    /// Show all of one device
    Describe {
        /// The device
        device: String,
        #[command(flatten)]
        how: How,
    },
    /// Show what a property was
    History(HistoryArgs),
    Watch(WatchArgs),
    Set(SetArgs),
    Command(CommandArgs),
    Simulate(SimulateArgs),
    /// List devices that announce themselves, and what they would be; nothing is admitted by itself
    #[command(after_help = "\
Examples:
  aionctl device proposals
  aionctl device proposals kitchen-lamp          what is announced, and what could not be mapped
  aionctl device proposals kitchen-lamp -o yaml  what would be applied")]
    Proposals(ProposalsArgs),
    /// Admit a device that announces itself: its DeviceModel and Device are applied
    #[command(after_help = "\
It replaces nothing: where there is a Device or a DeviceModel of the name, say another with --as.

Examples:
  aionctl device approve kitchen-lamp
  aionctl device approve 0x0017880104e45542 --as kitchen-lamp")]
    Approve(ApproveArgs),
    /// Have a device that announces itself not be proposed again
    Reject(RejectArgs),
    ImportTd(ImportArgs),
}

pub(crate) async fn run(context: &Context, command: DeviceCommand) -> Result<(), Failure> {
    match command {
        DeviceCommand::List { how } => look::list(context, &how).await,
        DeviceCommand::Describe { device, how } => look::describe(context, &device, &how).await,
        DeviceCommand::History(args) => history::run(context, &args).await,
        DeviceCommand::Watch(args) => watch::run(context, &args).await,
        DeviceCommand::Set(args) => hand::set(context, args).await,
        DeviceCommand::Command(args) => hand::command(context, args).await,
        DeviceCommand::Simulate(args) => simulate::run(context, &args).await,
        DeviceCommand::Proposals(args) => proposals::list(context, &args).await,
        DeviceCommand::Approve(args) => proposals::approve(context, &args).await,
        DeviceCommand::Reject(args) => proposals::reject(context, &args).await,
        DeviceCommand::ImportTd(args) => import::run(context, &args),
    }
}
