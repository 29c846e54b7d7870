//! `aionctl approvals`.

mod places;
mod told;

use aion_abi::{
    approval::{Answer, Scope, Verdict},
    date::UnixMillis,
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use self::places::{Id, Listed};
use super::form::How;
use crate::{
    context::Context,
    failure::{Failure, Status},
    render::screen::{Tone, exact},
};

/// List what agents want approved, and approve or deny it
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
A call that an agent lists under permissions.ask waits until a person approves or denies it. Meanwhile its turn has no process; it goes on when somebody has answered.

Examples:
  aionctl approvals                              what waits, and standing approvals
  aionctl approvals show 3                       the whole request
  aionctl approvals approve 3                    this call, once
  aionctl approvals approve 3 --turn             and others of its kind, until the turn ends
  aionctl approvals approve 3 --always 8h        and in every turn of the agent, for 8 hours
  aionctl approvals deny 3
  aionctl approvals revoke 3                     end a standing approval
  aionctl --cluster approvals --agent clerk      in a cluster, name the agent
  aionctl --cluster approvals approve node-a/3 --agent clerk
                                                 and the node: each numbers its own"
)]
pub(crate) struct ApprovalsArgs {
    #[command(subcommand)]
    command: Option<ApprovalsCommand>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    of: Of,
    /// Also list those that were answered
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
struct Of {
    /// Only approvals of this agent; needed in a cluster
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
}

#[derive(Debug, Subcommand)]
enum ApprovalsCommand {
    /// Show an approval with its whole request
    Show {
        /// The approval's number; in a cluster NODE/NUMBER
        id: Id,
        #[command(flatten)]
        of: Of,
    },
    /// Approve a call: it is made
    Approve {
        /// The approval's number; in a cluster NODE/NUMBER
        id: Id,
        /// Also approve calls of its kind, with any arguments, until the turn ends
        #[arg(long, conflicts_with = "always")]
        turn: bool,
        /// Also approve calls of its kind in every turn of the agent, for this long: 30m, 8h, 7d
        #[arg(long, value_name = "TIME", value_parser = milliseconds)]
        always: Option<u64>,
        #[command(flatten)]
        of: Of,
    },
    /// Deny a call: it is refused
    Deny {
        /// The approval's number; in a cluster NODE/NUMBER
        id: Id,
        #[command(flatten)]
        of: Of,
    },
    /// End a standing approval
    Revoke {
        /// The approval's number; in a cluster NODE/NUMBER
        id: Id,
        #[command(flatten)]
        of: Of,
    },
}

pub(crate) async fn run(context: &Context, args: ApprovalsArgs) -> Result<(), Failure> {
    match args.command {
        None => list(context, &args.list).await,
        Some(ApprovalsCommand::Show { id, of }) => {
            let agent = of.agent.as_deref();
            let place = places::of(context, agent, &id).await?;
            let it = place.one(context, agent, id.number).await?;
            context.print(&told::whole(&id, &it))
        }
        Some(ApprovalsCommand::Approve {
            id,
            turn,
            always,
            of,
        }) => {
            let (scope, until_ms) = match (turn, always) {
                (true, _) => (Scope::Turn, None),
                (false, None) => (Scope::Once, None),
                (false, Some(ms)) => (Scope::Until, Some(today().plus(ms))),
            };
            say(context, &id, &of, (Verdict::Approve, scope, until_ms)).await
        }
        Some(ApprovalsCommand::Deny { id, of }) => {
            say(context, &id, &of, (Verdict::Deny, Scope::Once, None)).await
        }
        Some(ApprovalsCommand::Revoke { id, of }) => revoke(context, &id, &of).await,
    }
}

async fn list(context: &Context, args: &List) -> Result<(), Failure> {
    let mut listed = places::list(context, args.of.agent.as_deref()).await?;
    if !args.all {
        for place in &mut listed {
            place.all.items.retain(|it| it.answered.is_none());
        }
    }
    if args.how.is_json() {
        return context.print_json(&whole(&listed)?);
    }
    if listed.iter().all(|place| place.all.items.is_empty()) {
        context.note("nothing waits for approval");
    } else {
        context.print(&told::asked(context, &listed))?;
    }
    if listed.iter().any(|place| !place.all.standing.is_empty()) {
        let title = context.screen.paint("standing approvals", Tone::Strong);
        let words = told::standing(context, &listed);
        context.print(&format!("\n{title}\n{words}"))?;
    }
    Ok(())
}

/// What all nodes tell, as one; in a cluster each has its node beside it.
fn whole(listed: &[Listed]) -> Result<Value, Failure> {
    let (mut items, mut standing) = (Vec::new(), Vec::new());
    for place in listed {
        let all = serde_json::to_value(&place.all)
            .map_err(|why| Failure::new(format!("cannot write the approvals: {why}")))?;
        for (from, to) in [("items", &mut items), ("standing", &mut standing)] {
            for it in all[from].as_array().into_iter().flatten() {
                let mut it = it.clone();
                if let Some(node) = &place.node {
                    it["node"] = json!(node);
                }
                to.push(it);
            }
        }
    }
    Ok(json!({"items": items, "standing": standing}))
}

/// Answers what the node has under this number; should that be something else by then, the node says so.
async fn say(
    context: &Context,
    id: &Id,
    of: &Of,
    (verdict, scope, until_ms): (Verdict, Scope, Option<UnixMillis>),
) -> Result<(), Failure> {
    let agent = of.agent.as_deref();
    let place = places::of(context, agent, id).await?;
    let asked = place.one(context, agent, id.number).await?;
    let answer = Answer {
        turn: asked.turn,
        digest: asked.digest,
        verdict,
        scope,
        until_ms,
    };
    let (namespace, agent) = named(&asked.agent);
    let answered = place
        .node
        .answer_approval(namespace, agent, id.number, &answer);
    let answered = answered.await?;
    let word = match verdict {
        Verdict::Approve => "approved",
        Verdict::Deny => "denied",
    };
    context.print(&format!(
        "approval {id} {word}: {} {}, turn {}\n{}\n",
        exact(&answered.agent),
        exact(&answered.capability),
        answered.turn,
        told::in_a_row(id, &answered),
    ))
}

async fn revoke(context: &Context, id: &Id, of: &Of) -> Result<(), Failure> {
    let place = places::of(context, of.agent.as_deref(), id).await?;
    let node = place.node.clone();
    let listed = place.list(context, of.agent.as_deref()).await?;
    let mut words = listed.all.standing.iter();
    let word = words.find(|it| it.approval == id.number).ok_or_else(|| {
        Failure::new(format!("there is no standing approval {id}"))
            .remedy("see those that stand: aionctl approvals")
            .status(Status::NotFound)
    })?;
    let (namespace, agent) = named(&word.agent);
    node.revoke_word(namespace, agent, id.number).await?;
    context.print(&format!(
        "standing approval {id} is revoked: {} {}\n",
        exact(&word.agent),
        exact(&word.capability)
    ))
}

/// `namespace/agent`, in two.
fn named(agent: &str) -> (&str, &str) {
    agent.split_once('/').unwrap_or(("", agent))
}

fn today() -> UnixMillis {
    UnixMillis(u64::try_from(crate::clock::now().as_millisecond()).unwrap_or_default())
}

/// `90s`, `30m`, `8h`, `7d`.
pub(super) fn milliseconds(text: &str) -> Result<u64, String> {
    let wrong = || "say it as 90s, 30m, 8h or 7d".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let number = text.strip_suffix(unit).unwrap_or_default();
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let ms = number.checked_mul(seconds * 1_000);
    ms.filter(|ms| *ms > 0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        assert_eq!(milliseconds("90s"), Ok(90_000));
        assert_eq!(milliseconds("8h"), Ok(28_800_000));
        for wrong in [
            "",
            "8",
            "h",
            "0m",
            "-1h",
            "8w",
            "18446744073709551615d",
            "8 h",
        ] {
            assert!(milliseconds(wrong).is_err(), "{wrong}");
        }
    }
}
