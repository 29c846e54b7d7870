//! `aionctl device`.

mod history;
mod look;
mod simulate;

use clap::Subcommand;

use super::form::How;
use crate::{context::Context, failure::Failure};

use history::HistoryArgs;
use simulate::SimulateArgs;

/// Look at devices: what they are, what they say, and what they were
#[derive(Debug, Subcommand)]
#[command(after_help = "\
What a node heard of them. Whether they are set up as they should be, aionctl get devices and aionctl describe device say.

Examples:
  aionctl device list
  aionctl device describe heater
  aionctl device history heater temperature --hours 6
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
    Simulate(SimulateArgs),
}

pub(crate) async fn run(context: &Context, command: DeviceCommand) -> Result<(), Failure> {
    match command {
        DeviceCommand::List { how } => look::list(context, &how).await,
        DeviceCommand::Describe { device, how } => look::describe(context, &device, &how).await,
        DeviceCommand::History(args) => history::run(context, &args).await,
        DeviceCommand::Simulate(args) => simulate::run(context, &args).await,
    }
}
