//! `aionctl device simulate`: devices without devices. They speak MQTT to a real broker as their model says, so that a node, its
//! guardrails and its agents can be tried, tested and measured. A node may not enter: none is asked.

mod broker;
mod faults;
mod fleet;
mod house;
mod outbox;
mod play;
mod told;
mod wire;

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::super::form::How;
use crate::{context::Context, failure::Failure};

use broker::Broker;
use faults::Faults;
use play::{Life, Play};
use told::Telling;
use wire::Pace;

/// Play devices at a broker of MQTT: a house, or so many of a model
#[derive(Debug, Args)]
#[command(after_help = "\
The house is agents/homekeeper/house.yaml: a front door, a kitchen window, a heater, two lamps, a lock, a meter and a sensor of motion. --yaml prints it, for the broker that is named.
A line DEVICE PROPERTY VALUE on standard input has a device say something.
The broker retains what they say. At the end they say that they are away, and what it retains of them is taken back, unless --keep is given: what nobody plays any more is no device. A broker that is away then retains it, and so does one whose simulator was killed.
A second Ctrl-C ends at once.

Faults, each of so many in a hundred (10 unless said):
  silent      devices that say and hear nothing
  flap        devices that are there and away again
  wrong       messages that cannot be read
  duplicate   messages that are said twice
  late        what was told is confirmed when nobody waits for it any more
  noconfirm   what was told is done, and not confirmed

Examples:
  aionctl device simulate house
  aionctl device simulate house --yaml | aionctl apply -f -
  aionctl device simulate --model lamp.yaml --count 1000 --rate 500
  aionctl device simulate --model lamp.yaml --count 1000 --yaml | aionctl apply -f lamp.yaml -f -
  aionctl device simulate house --faults late=50,wrong,noconfirm=20")]
pub(crate) struct SimulateArgs {
    /// The house that ships with aionctl
    #[arg(value_name = "house", value_parser = ["house"], required_unless_present = "model", conflicts_with = "model")]
    house: Option<String>,
    /// A file with a DeviceModel, of which devices are played
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// How many devices of the model
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000), requires = "model")]
    count: u32,
    /// Messages a second of all devices of the model together; 0 for none by themselves
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=10_000), requires = "model")]
    rate: u32,
    /// What goes wrong, and how often, such as silent,late=50
    #[arg(long, value_name = "LIST", default_value = "")]
    faults: Faults,
    /// The same number makes the same things go wrong
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// The broker, mqtt://HOST:PORT, and the only address that is dialled
    #[arg(long, value_name = "URL", default_value = "mqtt://127.0.0.1:1883")]
    broker: String,
    /// End after so many seconds
    #[arg(long = "for", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    lasts: Option<u64>,
    /// Leave at the broker what it retains of them
    #[arg(long)]
    keep: bool,
    /// Print the resources that fit these devices, and play nothing
    #[arg(long)]
    yaml: bool,
    #[command(flatten)]
    how: How,
}

pub(super) async fn run(context: &Context, args: &SimulateArgs) -> Result<(), Failure> {
    let broker = Broker::parse(&args.broker)
        .map_err(|why| Failure::usage(format!("{} is no broker: {why}", args.broker)))?;
    let (fleet, life) = match &args.model {
        Some(file) => {
            let (count, namespace) = (args.count as usize, &context.namespace);
            let fleet = fleet::of_model(file, count, namespace, &args.broker)?;
            (fleet, Life::Wandering)
        }
        None => (fleet::house(&context.namespace, &args.broker)?, Life::House),
    };
    if args.yaml {
        return context.print(&fleet.yaml);
    }
    let mut play = Play::new(fleet.twins, life, args.faults, args.seed);
    let mut telling = Telling {
        context,
        broker: &args.broker,
        devices: play.len(),
        each: life == Life::House,
        json: args.how.is_json(),
    };
    let pace = Pace {
        rate: match life {
            Life::Wandering => args.rate,
            Life::House => 0,
        },
        lasts: args.lasts.map(Duration::from_secs),
        keep: args.keep,
    };
    wire::play(&broker, &mut play, &pace, &mut telling).await?;
    telling.ended(&play.counts)
}
