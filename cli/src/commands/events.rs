//! `aionctl events`.

use aion_abi::event::{Filter, Item, Kind};
use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;

use super::form::Followed;
use crate::{context::Context, failure::Failure, render::event};

/// Follow what happens on a node
#[derive(Debug, Args)]
#[command(after_help = "\
How agents stand, turns from queue to answer, syscalls as they end (without what was given to them), how much waits, and what workers
write, until Ctrl-C. What was not told is said, with its number where that is known.

Examples:
  aionctl events
  aionctl events librarian --kind turn,syscall
  aionctl events --kind turn -o json | jq 'select(.event.state == \"ended\")'")]
pub(crate) struct EventsArgs {
    /// Only this agent's
    agent: Option<String>,
    /// Only these: agent, turn, syscall, queue, log; with commas between
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        value_name = "KINDS",
        hide_possible_values = true
    )]
    kind: Vec<Wanted>,
    #[command(flatten)]
    how: Followed,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Wanted {
    Agent,
    Turn,
    Syscall,
    Queue,
    Log,
}

impl Wanted {
    fn kind(self) -> Kind {
        match self {
            Self::Agent => Kind::Agent,
            Self::Turn => Kind::Turn,
            Self::Syscall => Kind::Syscall,
            Self::Queue => Kind::Queue,
            Self::Log => Kind::Log,
        }
    }
}

pub(crate) async fn run(context: &Context, args: EventsArgs) -> Result<(), Failure> {
    let node = match &args.agent {
        Some(agent) => context.node_of(agent).await?.node,
        None => context.node()?,
    };
    let agent = args.agent.iter();
    let filter = Filter {
        kinds: args.kind.iter().map(|it| it.kind()).collect(),
        agents: agent
            .map(|agent| format!("{}/{agent}", context.namespace))
            .collect(),
        namespace: None,
    };
    let mut events = node.events(None, true).await?;
    let zone = TimeZone::system();
    while let Some(told) = events.next().await? {
        let is_wanted = match &told.what {
            Item::Event(event) => filter.wants(event),
            Item::Listening {} => false,
            Item::Missed(_) | Item::Away {} => true,
        };
        if !is_wanted {
            continue;
        }
        if args.how.is_json() {
            context.print_json_line(&told)?;
            continue;
        }
        let line = event::line(&context.screen, &told.what, &zone);
        context.print(&format!("{line}\n"))?;
    }
    Err(Failure::new("the node is being stopped"))
}
