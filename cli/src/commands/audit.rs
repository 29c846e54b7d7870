//! `aionctl audit`.

use std::collections::BTreeSet;

use aion_abi::{
    audit::{Audit, Entry, Missing, State},
    page::{MAX_ROWS, Part},
};
use clap::Args;
use jiff::tz::TimeZone;
use serde_json::json;

use super::form::How;
use crate::{
    context::Context,
    failure::Failure,
    render::{
        age,
        screen::Tone,
        table::{Field, table},
    },
};

/// Show the syscalls that an agent made, allowed and refused
#[derive(Debug, Args)]
#[command(after_help = "\
From the node's journal, newest first, of the agent's turns that are kept (50 of each agent, 30 days at most), as far back as the journal reaches. Arguments and answers of syscalls are not in it, nor what a driver said when it failed.

Examples:
  aionctl audit librarian
  aionctl audit librarian --limit 500 -o json | jq '.items[] | select(.state == \"refused\")'
  aionctl audit --turn 12")]
pub(crate) struct AuditArgs {
    /// The agent
    #[arg(required_unless_present = "turn")]
    agent: Option<String>,
    /// Of this turn alone; in a cluster with its agent
    #[arg(long, value_name = "TURN")]
    turn: Option<u64>,
    /// So many at most
    #[arg(long, value_name = "SYSCALLS", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    #[command(flatten)]
    how: How,
}

pub(crate) async fn run(context: &Context, args: AuditArgs) -> Result<(), Failure> {
    let (items, missing) = read(context, &args).await?;
    if args.how.is_json() {
        return context.print_json(&json!({"items": items, "missing": missing}));
    }
    for why in missing {
        context.warn(match why {
            Missing::Older => {
                "the node's journal does not reach back to where the oldest of the turns began"
            }
            Missing::Unreadable => {
                "a part of the node's journal cannot be read: syscalls may be missing"
            }
        });
    }
    if items.is_empty() {
        context.note("no syscall is recorded");
        return Ok(());
    }
    let zone = TimeZone::system();
    let rows: Vec<_> = items.iter().map(|it| row(it, &zone)).collect();
    let headings = ["when", "turn", "syscall", "state", "took", "why"];
    context.print(&table(&context.screen, &headings, &rows))
}

/// As many as are wanted, page by page; and why there may be others.
async fn read(
    context: &Context,
    args: &AuditArgs,
) -> Result<(Vec<Entry>, BTreeSet<Missing>), Failure> {
    let node = match &args.agent {
        Some(agent) => context.first_node_of(agent).await?.node,
        None => context.node()?,
    };
    let agent = args.agent.as_deref().unwrap_or_default();
    let wanted = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let mut part = Part {
        limit: Some(args.limit.min(MAX_ROWS)),
        after: None,
    };
    let (mut all, mut lacking) = (Vec::new(), BTreeSet::new());
    loop {
        let Audit {
            items,
            next,
            missing,
        } = match args.turn {
            Some(turn) => node.audit_of_turn(turn, &part).await?,
            None => node.audit((&context.namespace, agent), &part).await?,
        };
        all.extend(items);
        lacking.extend(missing);
        part.after = next;
        if part.after.is_none() || all.len() >= wanted {
            all.truncate(wanted);
            return Ok((all, lacking));
        }
    }
}

fn row(it: &Entry, zone: &TimeZone) -> Vec<Field> {
    let state = match it.state {
        State::Refused => Field::toned("refused", Tone::Bad),
        State::Running => Field::plain("running"),
        State::Done => Field::plain("done"),
        State::Failed => Field::toned("failed", Tone::Warn),
        State::Unknown => Field::toned("unknown", Tone::Warn),
    };
    let why = match (&it.code, &it.because) {
        (Some(code), Some(because)) => format!("{code}: {because}"),
        (Some(code), None) => code.to_string(),
        (None, _) => String::new(),
    };
    vec![
        Field::plain(age::clock(it.at_ms, zone)),
        Field::plain(it.turn.to_string()),
        Field::plain(&it.capability),
        state,
        Field::plain(it.elapsed_ms.map(age::duration).unwrap_or_default()),
        Field::plain(why),
    ]
}

#[cfg(test)]
mod tests {
    use aion_abi::{code::Code, date::UnixMillis};

    use super::*;

    #[test]
    fn a_refusal_stands_out_and_says_why() {
        let refused = Entry {
            at_ms: UnixMillis(0),
            call: 1,
            turn: 2,
            capability: "tool.call:mail.send".into(),
            state: State::Refused,
            code: Some(Code::Denied),
            because: Some("no rule allows it".into()),
            elapsed_ms: None,
            tokens: 0,
        };
        let row = row(&refused, &TimeZone::UTC);
        assert_eq!(row[3], Field::toned("refused", Tone::Bad));
        assert_eq!(row[5], Field::plain("denied: no rule allows it"));
    }
}
