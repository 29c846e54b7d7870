//! `aionctl key`.

use std::collections::BTreeMap;

use aion_abi::{
    date::UnixMillis,
    key::{Door, Key, MAX_TOKENS, NewKey, Right, Scope},
};
use clap::{ArgGroup, Args, Subcommand};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_json::{Value, json};

use super::{approvals::milliseconds, form::How};
use crate::{
    context::Context,
    failure::Failure,
    render::{
        age,
        screen::{Tone, exact},
        table::{Field, table},
    },
};

/// Until when a key counts where nobody says so.
const USUAL_DAYS: u64 = 90;
const DAY_MS: u64 = 24 * 3_600_000;

/// Make, show and revoke keys for programs that ask through the gateway
#[derive(Debug, Subcommand)]
#[command(after_help = "\
A key is for agents of one namespace (--namespace) and for nothing else of this node. It is shown once, when it is made, and sent as Authorization: Bearer KEY or x-api-key: KEY. A program sees the turns that it began with its key, and no others.

Examples:
  aionctl key create editor --agent librarian --agent jarvis
  aionctl key create ci --label team=build --expires 7d --requests-per-minute 60
  aionctl key create guest --agent jarvis --tokens-per-hour 20000
  aionctl key create phone --agent '*' --door openai --expires 2027-01-31
  OPENAI_API_KEY=$(aionctl key create notebook --agent jarvis)
  aionctl key list
  aionctl key revoke editor                 it is refused from now on")]
pub(crate) enum KeyCommand {
    /// Make a key, and print it, only this once
    Create(Create),
    /// List the keys, and when each was used last
    List {
        #[command(flatten)]
        how: How,
    },
    /// Show what a key is for
    Show {
        /// The key's name
        name: String,
        #[command(flatten)]
        how: How,
    },
    /// Revoke a key: it is refused from now on
    Revoke {
        /// The key's name
        name: String,
    },
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("whom").args(["agents", "label"]).required(true).multiple(true))]
pub(crate) struct Create {
    /// The key's name
    name: String,
    /// An agent that the key is for, or '*' for all of the namespace
    #[arg(long = "agent", value_name = "AGENT")]
    agents: Vec<String>,
    /// Also for agents that have this label (all of them, where several are given)
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    label: Vec<(String, String)>,
    /// A protocol that the key is for: rest, openai, mcp or a2a [default: all]
    #[arg(long = "door", value_name = "PROTOCOL", value_parser = door)]
    doors: Vec<Door>,
    /// What it may do besides asking: approve (answer approvals of its agents), serve (be their program, with all their rights and models), memory (see what they remember, and have them forget, except in pools that agents share)
    #[arg(long, value_name = "RIGHT", value_parser = right)]
    may: Vec<Right>,
    /// How long it is valid (12h, 90d), or until which date (2027-01-31, or with a time) [default: 90d]
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
    /// At most so many requests in a minute
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    requests_per_minute: Option<u32>,
    /// At most so many tokens of models in any 60 minutes, for all that the key begins: by its agents and by those that they ask [default: what its agents may]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MAX_TOKENS))]
    tokens_per_hour: Option<u64>,
    #[command(flatten)]
    how: How,
}

pub(crate) async fn run(context: &Context, command: KeyCommand) -> Result<(), Failure> {
    match command {
        KeyCommand::Create(args) => create(context, args).await,
        KeyCommand::List { how } => {
            let keys = context.node()?.keys().await?;
            if how.is_json() {
                return context.print_json(&json!(keys));
            }
            if keys.items.is_empty() {
                context.note("there are no keys yet: aionctl key create NAME --agent AGENT");
                return Ok(());
            }
            context.print(&listed(context, &keys.items))
        }
        KeyCommand::Show { name, how } => {
            let key = context.node()?.key(&name).await?;
            match how.is_json() {
                true => context.print_json(&json!(key)),
                false => context.print(&whole(&key)),
            }
        }
        KeyCommand::Revoke { name } => {
            let was = context.node()?.revoke_key(&name).await?;
            let name = exact(&was.made.name);
            context.print(&format!("the key {name} is revoked\n"))
        }
    }
}

async fn create(context: &Context, args: Create) -> Result<(), Failure> {
    let expires_ms = until(args.expires.as_deref(), today()).map_err(Failure::usage)?;
    let wanted = NewKey {
        name: args.name,
        scope: Scope {
            namespace: context.namespace.clone(),
            agents: args.agents,
            labels: args.label.into_iter().collect::<BTreeMap<_, _>>(),
        },
        doors: args.doors,
        may: args.may,
        expires_ms,
        requests_per_minute: args.requests_per_minute,
        tokens_per_hour: args.tokens_per_hour,
    };
    let made = context.node()?.make_key(&wanted).await?;
    let zone = TimeZone::system();
    let until = age::clock(made.key.made.expires_ms, &zone);
    let usual = match args.expires {
        None => format!(", {USUAL_DAYS} days from now (--expires says otherwise)"),
        Some(_) => String::new(),
    };
    let name = exact(&made.key.made.name);
    context.note(&format!(
        "the key {name} is valid until {until}{usual}; it is shown only this once"
    ));
    match args.how.is_json() {
        true => context.print_json(&Value::from_iter([
            ("secret", json!(made.secret)),
            ("key", json!(made.key)),
        ])),
        false => context.print(&format!("{}\n", made.secret)),
    }
}

fn listed(context: &Context, keys: &[Key]) -> String {
    let headings = ["name", "namespace", "agents", "tokens/h", "used", "until"];
    let (zone, now) = (TimeZone::system(), today());
    let rows: Vec<_> = keys
        .iter()
        .map(|it| {
            let until = age::clock(it.made.expires_ms, &zone);
            vec![
                Field::plain(exact(&it.made.name)),
                Field::plain(exact(&it.made.scope.namespace)),
                Field::plain(exact(&agents(&it.made.scope))),
                Field::plain(bound(it.made.tokens_per_hour)),
                Field::plain(used(it, &zone)),
                match it.made.expires_ms <= now {
                    true => Field::toned(format!("expired {until}"), Tone::Warn),
                    false => Field::plain(until),
                },
            ]
        })
        .collect();
    table(&context.screen, &headings, &rows)
}

fn whole(key: &Key) -> String {
    let zone = TimeZone::system();
    let NewKey { scope, .. } = &key.made;
    let doors = words(key.made.doors.iter().map(|it| it.as_str()), "all");
    let may = words(key.made.may.iter().map(|it| it.as_str()), "ask");
    let rate = bound(key.made.requests_per_minute.map(u64::from));
    let tokens = bound(key.made.tokens_per_hour);
    [
        format!("name       {}", exact(&key.made.name)),
        format!("id         {}", exact(&key.id)),
        format!("namespace  {}", exact(&scope.namespace)),
        format!("agents     {}", exact(&agents(scope))),
        format!("doors      {doors}"),
        format!("may        {may}"),
        format!("a minute   {rate}"),
        format!("tokens/h   {tokens}"),
        format!("made       {}", age::clock(key.created_ms, &zone)),
        format!("used       {}", used(key, &zone)),
        format!("until      {}", age::clock(key.made.expires_ms, &zone)),
        String::new(),
    ]
    .join("\n")
}

fn bound(most: Option<u64>) -> String {
    most.map_or_else(|| "no bound".to_owned(), |it| it.to_string())
}

fn words<'a>(all: impl Iterator<Item = &'a str>, none: &str) -> String {
    let all: Vec<_> = all.collect();
    match all.is_empty() {
        true => none.to_owned(),
        false => all.join(", "),
    }
}

fn agents(scope: &Scope) -> String {
    let labels = scope
        .labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"));
    let labels: Vec<_> = labels.collect();
    let mut all = scope.agents.clone();
    if !labels.is_empty() {
        all.push(labels.join(" and "));
    }
    all.join(", ")
}

fn used(key: &Key, zone: &TimeZone) -> String {
    key.used_ms
        .map_or_else(|| "never".to_owned(), |at| age::clock(at, zone))
}

fn today() -> UnixMillis {
    UnixMillis(u64::try_from(crate::clock::now().as_millisecond()).unwrap_or_default())
}

/// A time from now on, or a date: then it counts until that day begins, in UTC.
fn until(text: Option<&str>, now: UnixMillis) -> Result<UnixMillis, String> {
    let Some(text) = text else {
        return Ok(now.plus(USUAL_DAYS * DAY_MS));
    };
    if let Ok(ms) = milliseconds(text) {
        return Ok(now.plus(ms));
    }
    let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok();
    let at = text
        .parse::<Timestamp>()
        .ok()
        .or_else(|| Some(day()?.timestamp()));
    let at = at.and_then(|it| u64::try_from(it.as_millisecond()).ok());
    at.map(UnixMillis).ok_or_else(|| {
        format!("{text} is not a time: say 12h, 90d, 2027-01-31 or 2027-01-31T12:00:00Z")
    })
}

fn label(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let (key, value) = pair.ok_or_else(|| "say it as KEY=VALUE".to_owned())?;
    Ok((key.to_owned(), value.to_owned()))
}

fn door(text: &str) -> Result<Door, String> {
    let mut all = Door::ALL.into_iter();
    all.find(|it| it.as_str() == text)
        .ok_or_else(|| "say rest, openai, mcp or a2a".to_owned())
}

fn right(text: &str) -> Result<Right, String> {
    let mut all = Right::ALL.into_iter();
    all.find(|it| it.as_str() == text)
        .ok_or_else(|| "say approve, serve or memory".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_counts_for_a_time_or_until_a_date() {
        let now = UnixMillis(1_000);
        let until = |text| until(text, now);
        assert_eq!(until(None), Ok(UnixMillis(1_000 + 90 * DAY_MS)));
        assert_eq!(until(Some("12h")), Ok(UnixMillis(43_201_000)));
        assert_eq!(until(Some("1970-01-03")), Ok(UnixMillis(2 * DAY_MS)));
        assert_eq!(until(Some("1970-01-01T00:01:00Z")), Ok(UnixMillis(60_000)));
        for wrong in ["", "soon", "0d", "2027-13-01", "1960-01-01"] {
            assert!(until(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
