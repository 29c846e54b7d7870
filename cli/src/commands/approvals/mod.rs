//! `aionctl approvals`.

use aion_abi::{
    approval::{Answer, Approval, Approvals, Scope, Standing, Verdict, Word},
    date::UnixMillis,
};
use aion_client::Node;
use clap::{Args, Subcommand, ValueEnum};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::Value;

use crate::{
    context::Context,
    failure::Failure,
    render::{
        age,
        screen::{Tone, tame},
        table::{Field, table},
    },
};

/// How much of a request stands in a row.
const IN_A_ROW: usize = 100;

/// What agents ask people, and the answers
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
An agent whose permissions.ask names what it does waits for a person's word before it does that. Its turn has no process meanwhile, and goes on when somebody has answered.

Examples:
  aionctl approvals                              what waits, and which words stand
  aionctl approvals show 3                       the whole request
  aionctl approvals approve 3                    this call, once
  aionctl approvals approve 3 --turn             and others of its kind, until the turn ends
  aionctl approvals approve 3 --always 8h        and in every turn of the agent, for 8 hours
  aionctl approvals deny 3
  aionctl approvals revoke 3                     a word that stands counts no longer
  aionctl --cluster approvals --agent clerk      in a cluster the agent is named"
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
    /// With those that were answered
    #[arg(long)]
    all: bool,
    /// How to print: table, or json
    #[arg(
        short,
        long,
        value_enum,
        default_value_t,
        value_name = "FORM",
        hide_possible_values = true
    )]
    output: Form,
}

#[derive(Debug, Args)]
struct Of {
    /// Of this agent; needed in a cluster
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    #[default]
    Table,
    Json,
}

#[derive(Debug, Subcommand)]
enum ApprovalsCommand {
    /// Show what an agent asks, whole
    Show {
        /// The approval's number
        id: u64,
        #[command(flatten)]
        of: Of,
    },
    /// Say yes
    Approve {
        /// The approval's number
        id: u64,
        /// To calls of its kind, whatever they are given, until the turn ends
        #[arg(long, conflicts_with = "always")]
        turn: bool,
        /// To calls of its kind in every turn of the agent, for so long: 30m, 8h, 7d
        #[arg(long, value_name = "TIME", value_parser = milliseconds)]
        always: Option<u64>,
        #[command(flatten)]
        of: Of,
    },
    /// Say no
    Deny {
        /// The approval's number
        id: u64,
        #[command(flatten)]
        of: Of,
    },
    /// Take a word back that stands
    Revoke {
        /// The number of the approval that it was given for
        id: u64,
        #[command(flatten)]
        of: Of,
    },
}

pub(crate) async fn run(context: &Context, args: ApprovalsArgs) -> Result<(), Failure> {
    match args.command {
        None => list(context, &args.list).await,
        Some(ApprovalsCommand::Show { id, of }) => {
            let (_, all) = all_of(context, &of).await?;
            context.print(&whole(&one(&all, id)?))
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
            let answer = Answer {
                verdict: Verdict::Approve,
                scope,
                until_ms,
            };
            say(context, id, &of, &answer).await
        }
        Some(ApprovalsCommand::Deny { id, of }) => {
            let answer = Answer {
                verdict: Verdict::Deny,
                scope: Scope::Once,
                until_ms: None,
            };
            say(context, id, &of, &answer).await
        }
        Some(ApprovalsCommand::Revoke { id, of }) => {
            let (node, all) = all_of(context, &of).await?;
            let word = all.standing.iter().find(|it| it.approval == id);
            let word = word.ok_or_else(|| {
                Failure::new(format!("no word stands that was given for approval {id}"))
                    .remedy("aionctl approvals lists those that stand")
                    .status(crate::failure::Status::NotFound)
            })?;
            let (namespace, agent) = named(&word.agent);
            node.revoke_word(namespace, agent, id).await?;
            context.print(&format!(
                "the word for approval {id} counts no longer: {} {}\n",
                tame(&word.agent),
                tame(&word.capability)
            ))
        }
    }
}

async fn list(context: &Context, args: &List) -> Result<(), Failure> {
    let (_, mut all) = all_of(context, &args.of).await?;
    if !args.all {
        all.items.retain(|it| it.answered.is_none());
    }
    if args.output == Form::Json {
        let whole = serde_json::to_value(&all)
            .map_err(|why| Failure::new(format!("cannot write the approvals: {why}")))?;
        return context.print_json(&whole);
    }
    if all.items.is_empty() {
        context.note("nobody waits for a word");
    } else {
        context.print(&asked(context, &all.items))?;
    }
    if !all.standing.is_empty() {
        let title = context.screen.paint("words that stand", Tone::Strong);
        context.print(&format!("\n{title}\n{}", standing(context, &all.standing)))?;
    }
    Ok(())
}

/// The node that is asked, and what it says.
async fn all_of(context: &Context, of: &Of) -> Result<(Node, Approvals), Failure> {
    if let Some(agent) = &of.agent {
        let node = context.node_of(agent).await?.node;
        let all = node.approvals_of(&context.namespace, agent).await?;
        return Ok((node, all));
    }
    #[cfg(feature = "kubernetes")]
    if context.cluster().is_some() {
        return Err(Failure::usage("in a cluster an agent is named")
            .remedy("aionctl --cluster approvals --agent AGENT"));
    }
    let node = context.node()?;
    let all = node.approvals().await?;
    Ok((node, all))
}

fn one(all: &Approvals, id: u64) -> Result<Approval, Failure> {
    let found = all.items.iter().find(|it| it.approval == id);
    found.cloned().ok_or_else(|| {
        Failure::new(format!("there is no approval {id}"))
            .remedy("aionctl approvals lists those that wait")
            .status(crate::failure::Status::NotFound)
    })
}

async fn say(context: &Context, id: u64, of: &Of, answer: &Answer) -> Result<(), Failure> {
    let (node, all) = all_of(context, of).await?;
    let asked = one(&all, id)?;
    let (namespace, agent) = named(&asked.agent);
    let told = node.answer_approval(namespace, agent, id, answer).await?;
    let word = match answer.verdict {
        Verdict::Approve => "approved",
        Verdict::Deny => "denied",
    };
    context.print(&format!(
        "approval {id} {word}: {} {}, turn {}\n",
        tame(&told.agent),
        tame(&told.capability),
        told.turn
    ))
}

/// `namespace/agent`, in two.
fn named(agent: &str) -> (&str, &str) {
    agent.split_once('/').unwrap_or(("", agent))
}

fn asked(context: &Context, items: &[Approval]) -> String {
    let headings = ["id", "agent", "turn", "wants", "asked", "state", "request"];
    let now = crate::clock::now();
    let rows: Vec<_> = items
        .iter()
        .map(|it| {
            vec![
                Field::plain(it.approval.to_string()),
                Field::plain(tame(&it.agent)),
                Field::plain(it.turn.to_string()),
                Field::plain(tame(&it.capability)),
                Field::plain(ago(it.asked_at_ms, now)),
                state(it),
                Field::plain(in_a_row(it)),
            ]
        })
        .collect();
    table(&context.screen, &headings, &rows)
}

fn state(it: &Approval) -> Field {
    match it.answered.as_ref().map(|answered| answered.word) {
        None => Field::toned("waits", Tone::Warn),
        Some(word @ Word::Approved) => Field::toned(word.as_str(), Tone::Good),
        Some(word) => Field::plain(word.as_str()),
    }
}

fn standing(context: &Context, words: &[Standing]) -> String {
    let headings = ["id", "agent", "may", "until", "by"];
    let zone = TimeZone::system();
    let rows: Vec<_> = words
        .iter()
        .map(|it| {
            vec![
                Field::plain(it.approval.to_string()),
                Field::plain(tame(&it.agent)),
                Field::plain(tame(&it.capability)),
                Field::plain(age::clock(it.until_ms, &zone)),
                Field::plain(tame(it.by.as_deref().unwrap_or_default())),
            ]
        })
        .collect();
    table(&context.screen, &headings, &rows)
}

/// The request in a few words: what a tool is given, or the beginning of whatever it is. What is left out is marked.
fn in_a_row(it: &Approval) -> String {
    let Some(shown) = &it.shown else {
        return String::new();
    };
    let parsed = serde_json::from_str::<Value>(&shown.text).ok();
    let arguments = parsed.and_then(|value| value.get("arguments").map(Value::to_string));
    let text = arguments.unwrap_or_else(|| shown.text.clone());
    let line = tame(&text).replace('\n', " ");
    let cut = shown.cut || line.chars().count() > IN_A_ROW;
    let line: String = line.chars().take(IN_A_ROW).collect();
    match cut {
        true => format!("{line}… (cut: aionctl approvals show {})", it.approval),
        false => line,
    }
}

fn whole(it: &Approval) -> String {
    let zone = TimeZone::system();
    let mut lines = vec![
        format!("approval  {}", it.approval),
        format!("agent     {}", tame(&it.agent)),
        format!("turn      {}", it.turn),
        format!("wants     {}", tame(&it.capability)),
        format!("rule      {}", tame(&it.rule)),
        format!("asked     {}", age::clock(it.asked_at_ms, &zone)),
        format!("until     {}", age::clock(it.until_ms, &zone)),
    ];
    if let Some(answered) = &it.answered {
        let by = answered.by.as_deref().unwrap_or("nobody");
        lines.push(format!(
            "word      {} by {}",
            answered.word.as_str(),
            tame(by)
        ));
    }
    lines.push(format!("sha256    {}", it.digest));
    if let Some(shown) = &it.shown {
        lines.push(format!("\n{}", tame(&shown.text)));
        if shown.cut {
            let all = age::size(shown.size);
            lines.push(format!("… (cut, or not all text: the request has {all})"));
        }
    }
    format!("{}\n", lines.join("\n"))
}

fn ago(then: UnixMillis, now: Timestamp) -> String {
    let then = i64::try_from(then.0).ok();
    let then = then.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    then.map_or_else(String::new, |then| age::since(then, now))
}

fn today() -> UnixMillis {
    UnixMillis(u64::try_from(crate::clock::now().as_millisecond()).unwrap_or_default())
}

/// `90s`, `30m`, `8h`, `7d`.
fn milliseconds(text: &str) -> Result<u64, String> {
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
    use aion_abi::approval::Shown;

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

    #[test]
    fn what_does_not_fit_in_a_row_is_marked() {
        let approval = |text: &str, cut| Approval {
            approval: 3,
            turn: 7,
            agent: "home/clerk".into(),
            capability: "tool.call:mail.send".into(),
            rule: "r".into(),
            asked_at_ms: UnixMillis(0),
            until_ms: UnixMillis(0),
            shown: Some(Shown {
                text: text.into(),
                size: text.len() as u64,
                cut,
            }),
            digest: String::new(),
            answered: None,
        };
        let short = r#"{"name":"mail.send","arguments":{"to":"ann"}}"#;
        assert_eq!(in_a_row(&approval(short, false)), r#"{"to":"ann"}"#);
        let long = in_a_row(&approval(&"x".repeat(300), false));
        assert!(long.contains("cut: aionctl approvals show 3"), "{long}");
        assert!(in_a_row(&approval(short, true)).contains("(cut"));
        let hidden = in_a_row(&approval("{\"arguments\":\"a\u{1b}[2Jb\"}", false));
        assert!(!hidden.contains('\u{1b}'), "{hidden}");
    }
}
