//! `aionctl tools`.

use aion_abi::{
    page::{MAX_ROWS, Part},
    tools::{Access, Source, Tool, Tools},
};
use clap::Args;
use serde_json::json;

use super::form::How;
use crate::{
    context::Context,
    failure::Failure,
    render::{
        screen::Tone,
        table::{Field, table},
    },
};

/// Show the tools that an agent has
#[derive(Debug, Args)]
#[command(after_help = "\
The operations that the agent may use, as the tools' servers describe them, and whether a person is asked before one is called. With -o json also the schemas of their arguments.

Examples:
  aionctl tools librarian
  aionctl tools librarian -o json | jq '.items[] | {name, access}'")]
pub(crate) struct ToolsArgs {
    /// The agent
    agent: String,
    #[command(flatten)]
    how: How,
}

pub(crate) async fn run(context: &Context, args: ToolsArgs) -> Result<(), Failure> {
    let node = context.first_node_of(&args.agent).await?.node;
    let agent = (context.namespace.as_str(), args.agent.as_str());
    let mut part = Part {
        limit: Some(MAX_ROWS),
        after: None,
    };
    let Tools {
        mut items,
        unavailable,
        next,
    } = node.tools(agent, &part).await?;
    part.after = next;
    while part.after.is_some() {
        let page = node.tools(agent, &part).await?;
        items.extend(page.items);
        part.after = page.next;
    }
    if args.how.is_json() {
        return context.print_json(&json!({"items": items, "unavailable": unavailable}));
    }
    for it in &unavailable {
        context.warn(&format!("{}: {}", it.tool, it.reason));
    }
    if items.is_empty() {
        context.note("it may use no tools");
        return Ok(());
    }
    let rows: Vec<_> = items.iter().map(row).collect();
    let headings = ["tool", "server", "access", "what it is for"];
    context.print(&table(&context.screen, &headings, &rows))
}

fn row(tool: &Tool) -> Vec<Field> {
    let description: Vec<_> = tool.description.split_whitespace().collect();
    let short: String = description.join(" ").chars().take(SHOWN).collect();
    vec![
        Field::plain(&tool.name),
        Field::plain(match tool.source {
            Source::Http => "http",
            Source::Process => "process",
            Source::Agent => "agent",
        }),
        match tool.access {
            Access::Granted => Field::plain("granted"),
            Access::Asked => Field::toned("a person is asked", Tone::Warn),
        },
        Field::plain(short),
    ]
}

/// The beginning of a description that is shown, in characters.
const SHOWN: usize = 160;
