//! `aionctl trigger`.

use aion_abi::trigger::{TriggerState, Triggers};
use clap::Subcommand;
use jiff::tz::TimeZone;

use super::form::How;
use crate::{
    context::Context,
    failure::Failure,
    render::{
        age::clock,
        table::{Field, table},
    },
};

/// Show what starts turns of agents, and start one by hand
#[derive(Debug, Subcommand)]
#[command(after_help = "\
An agent's triggers start turns on their own: by a schedule, for a signed delivery, or when a turn of another agent has ended.

Examples:
  aionctl trigger list
  aionctl trigger list librarian -o json
  aionctl trigger fire librarian morning        start its turn now")]
pub(crate) enum TriggerCommand {
    /// List triggers: what each did last, and when it is due
    List {
        /// Of this agent alone
        agent: Option<String>,
        #[command(flatten)]
        how: How,
    },
    /// Start a turn of a trigger now, within its budget
    Fire {
        /// The agent
        agent: String,
        /// The trigger's name
        trigger: String,
    },
}

pub(crate) async fn run(context: &Context, command: TriggerCommand) -> Result<(), Failure> {
    match command {
        TriggerCommand::List { agent, how } => list(context, agent.as_deref(), &how).await,
        TriggerCommand::Fire { agent, trigger } => {
            let asked = context.first_node_of(&agent).await?;
            let fired = asked
                .node
                .fire(&context.namespace, &agent, &trigger)
                .await?;
            context.print(&match fired.turn {
                Some(turn) => format!("turn {turn} was started: aionctl why {agent}\n"),
                None => "it waits; for what: aionctl trigger list\n".to_owned(),
            })
        }
    }
}

/// The triggers of an agent.
pub(super) async fn of_agent(context: &Context, agent: &str) -> Result<Triggers, Failure> {
    let asked = context.first_node_of(agent).await?;
    Ok(asked.node.triggers_of(&context.namespace, agent).await?)
}

async fn list(context: &Context, agent: Option<&str>, how: &How) -> Result<(), Failure> {
    let triggers = match agent {
        Some(agent) => of_agent(context, agent).await?,
        None => context.node()?.triggers().await?,
    };
    if how.is_json() {
        let value = serde_json::to_value(&triggers)
            .map_err(|why| Failure::new(format!("cannot write the answer: {why}")))?;
        return context.print_json(&value);
    }
    if triggers.items.is_empty() {
        context.note("there are no triggers: see spec.triggers of an Agent");
        return Ok(());
    }
    let zone = TimeZone::system();
    let rows: Vec<_> = triggers.items.iter().map(|it| row(it, &zone)).collect();
    let headings = ["agent", "trigger", "when", "last", "next", "left out"];
    context.print(&table(&context.screen, &headings, &rows))
}

fn row(state: &TriggerState, zone: &TimeZone) -> Vec<Field> {
    let texts = [
        state.agent.clone(),
        state.name.clone(),
        state.when.clone(),
        last(state, zone),
        next(state, zone),
        left_out(state, zone),
    ];
    texts.into_iter().map(Field::plain).collect()
}

fn last(state: &TriggerState, zone: &TimeZone) -> String {
    state.last.as_ref().map_or_else(
        || "-".to_owned(),
        |run| {
            let running = if state.running { ", under way" } else { "" };
            format!("{}, turn {}{running}", clock(run.at_ms, zone), run.turn)
        },
    )
}

fn next(state: &TriggerState, zone: &TimeZone) -> String {
    match (state.next_at_ms, state.waiting) {
        (_, waiting) if waiting > 0 => format!("{waiting} waiting"),
        (Some(at), _) => clock(at, zone),
        (None, _) => "-".to_owned(),
    }
}

fn left_out(state: &TriggerState, zone: &TimeZone) -> String {
    state.skipped.as_ref().map_or_else(
        || "-".to_owned(),
        |skip| format!("{}: {}", clock(skip.at_ms, zone), skip.why),
    )
}

/// A trigger in a line, for `describe`.
pub(super) fn line(state: &TriggerState) -> String {
    let zone = TimeZone::system();
    let mut line = format!(
        "{}: {}; last {}",
        state.name,
        state.when,
        last(state, &zone)
    );
    line += &format!("; next {}", next(state, &zone));
    if state.skipped.is_some() {
        line += &format!("; left out {}", left_out(state, &zone));
    }
    line
}
