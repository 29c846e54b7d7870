//! `aionctl usage`.

use aion_abi::{
    page::{MAX_ROWS, Part},
    usage::{Usage, UsageOf, UsageOfKey},
};
use clap::Args;
use serde_json::json;

use super::form::How;
use crate::{
    context::Context,
    failure::Failure,
    render::{
        age,
        screen::{Tone, exact},
        table::{Field, table},
    },
};

/// Show what agents used of their quotas
#[derive(Debug, Args)]
#[command(after_help = "\
Calls of the last minute and tokens of the last hour, with their quotas, and totals since the agent came to this node; CPU time of its kept turns. NAMESPACE/* is all agents of a namespace together. Below are API keys with a budget, whichever agents were asked with them.

Examples:
  aionctl usage
  aionctl usage -o json | jq '.items[] | {agent, tokens}'")]
pub(crate) struct UsageArgs {
    #[command(flatten)]
    how: How,
}

pub(crate) async fn run(context: &Context, args: UsageArgs) -> Result<(), Failure> {
    let node = context.node()?;
    let mut part = Part {
        limit: Some(MAX_ROWS),
        after: None,
    };
    let mut all = Usage::default();
    loop {
        let page = node.usage(None, &part).await?;
        all.items.extend(page.items);
        all.keys.extend(page.keys);
        // A namespace may be on two pages.
        let last = all.tenants.last().map(|it| it.namespace.clone());
        let mut tenants = page.tenants;
        tenants.retain(|it| Some(&it.namespace) != last.as_ref());
        all.tenants.extend(tenants);
        part.after = page.next;
        if part.after.is_none() {
            break;
        }
    }
    if args.how.is_json() {
        return context.print_json(&json!(all));
    }
    if all.items.is_empty() {
        context.note("no agent is on this node");
    } else {
        context.print(&agents(context, &all))?;
    }
    if all.keys.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = all.keys.iter().map(key).collect();
    let headings = ["key with a budget", "tokens/h"];
    context.print(&format!("\n{}", table(&context.screen, &headings, &rows)))
}

fn agents(context: &Context, all: &Usage) -> String {
    let headings = [
        "agent",
        "calls/min",
        "tokens/h",
        "calls",
        "tokens",
        "network",
        "cpu",
    ];
    let rows: Vec<_> = all.items.iter().chain(&all.tenants).map(row).collect();
    table(&context.screen, &headings, &rows)
}

/// One that has no name any more is told by its id.
fn key(used: &UsageOfKey) -> Vec<Field> {
    let name = used.name.as_deref().unwrap_or(&used.id);
    vec![
        Field::plain(exact(name)),
        of(used.tokens_in_hour, used.tokens_per_hour),
    ]
}

fn row(used: &UsageOf) -> Vec<Field> {
    let name = match (&*used.namespace, used.agent.as_deref()) {
        ("default", Some(agent)) => agent.to_owned(),
        (namespace, agent) => format!("{namespace}/{}", agent.unwrap_or("*")),
    };
    vec![
        Field::plain(name),
        of(used.calls_in_minute, used.calls_per_minute),
        of(used.tokens_in_hour, used.tokens_per_hour),
        Field::plain(used.calls.to_string()),
        Field::plain(used.tokens.to_string()),
        Field::plain(age::size(used.bytes)),
        Field::plain(age::duration(used.cpu_ms)),
    ]
}

/// So many, of how many.
fn of(used: u64, bound: Option<u64>) -> Field {
    match bound {
        Some(bound) if used >= bound => Field::toned(format!("{used} of {bound}"), Tone::Bad),
        Some(bound) => Field::plain(format!("{used} of {bound}")),
        None => Field::plain(used.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_up_stands_out() {
        assert_eq!(of(3, None), Field::plain("3"));
        assert_eq!(of(3, Some(4)), Field::plain("3 of 4"));
        assert_eq!(of(4, Some(4)), Field::toned("4 of 4", Tone::Bad));
    }

    #[test]
    fn a_namespace_is_told_from_its_agents() {
        let name = |namespace: &str, agent: Option<&str>| {
            let used = UsageOf {
                namespace: namespace.into(),
                agent: agent.map(str::to_owned),
                ..UsageOf::default()
            };
            row(&used)[0].text.clone()
        };
        assert_eq!(name("default", Some("jarvis")), "jarvis");
        assert_eq!(name("office", Some("jarvis")), "office/jarvis");
        assert_eq!(name("default", None), "default/*");
    }
}
