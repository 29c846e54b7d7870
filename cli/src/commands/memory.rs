//! `aionctl memory`.

use aion_abi::{
    memory::{MAX_PAGE, Page, Wanted},
    syscall::memory::Hit,
};
use clap::{Args, Subcommand};
use jiff::tz::TimeZone;
use serde_json::json;

use super::form::How;
use crate::{
    context::Context,
    failure::Failure,
    render::{
        age,
        table::{Field, table},
    },
};

/// Look at what an agent remembers, and have it forget
#[derive(Debug, Subcommand)]
#[command(after_help = "\
As far as the agent itself may: memory.recall to look, memory.forget to forget.

Examples:
  aionctl memory list librarian
  aionctl memory query librarian the warranty of the boiler
  aionctl memory query librarian boiler -o json | jq -r '.items[].text'
  aionctl memory forget librarian 0198c0de")]
pub(crate) enum MemoryCommand {
    /// List what it remembers, newest first
    List(Of),
    /// Look something up, in plain words: the best come first
    Query {
        #[command(flatten)]
        of: Of,
        /// What to look for
        #[arg(required = true)]
        words: Vec<String>,
    },
    /// Have it forget one item
    Forget {
        /// The agent
        agent: String,
        /// The item, by its id
        item: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Of {
    /// The agent
    agent: String,
    /// So many items at most
    #[arg(long, value_name = "ITEMS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Only of this collection
    #[arg(long, value_name = "NAME")]
    collection: Option<String>,
    #[command(flatten)]
    how: How,
}

pub(crate) async fn run(context: &Context, command: MemoryCommand) -> Result<(), Failure> {
    match command {
        MemoryCommand::List(of) => list(context, &of, None).await,
        MemoryCommand::Query { of, words } => list(context, &of, Some(words.join(" "))).await,
        MemoryCommand::Forget { agent, item } => {
            let agent = (context.namespace.as_str(), agent.as_str());
            let forgotten = context.node()?.forget(agent, &item).await?;
            context.note(match forgotten.forgotten {
                0 => "there was no such item",
                _ => "forgotten",
            });
            Ok(())
        }
    }
}

async fn list(context: &Context, of: &Of, query: Option<String>) -> Result<(), Failure> {
    let Page {
        items, degraded, ..
    } = read(context, of, query).await?;
    if of.how.is_json() {
        return context.print_json(&json!({"items": items}));
    }
    if let Some(why) = degraded {
        context.warn(&why);
    }
    if items.is_empty() {
        context.note("nothing is remembered that fits");
        return Ok(());
    }
    let zone = TimeZone::system();
    let rows: Vec<_> = items.iter().map(|it| row(it, &zone)).collect();
    let headings = ["stored", "id", "collection", "text"];
    context.print(&table(&context.screen, &headings, &rows))
}

/// As many as are wanted, page by page.
async fn read(context: &Context, of: &Of, query: Option<String>) -> Result<Page, Failure> {
    let agent = (context.namespace.as_str(), of.agent.as_str());
    let node = context.node()?;
    let mut wanted = Wanted {
        query,
        collection: of.collection.clone(),
        limit: Some(of.limit.min(MAX_PAGE)),
        after: None,
    };
    let mut all = node.memory(agent, &wanted).await?;
    let whole = usize::try_from(of.limit).unwrap_or(usize::MAX);
    while all.items.len() < whole && all.next.is_some() {
        wanted.after = all.next;
        let page = node.memory(agent, &wanted).await?;
        all.items.extend(page.items);
        all.next = page.next;
    }
    all.items.truncate(whole);
    Ok(all)
}

/// What it is called, and the beginning of what it says.
fn row(hit: &Hit, zone: &TimeZone) -> Vec<Field> {
    let text: Vec<_> = hit.text.split_whitespace().collect();
    let text = text.join(" ");
    let mut short: String = text.chars().take(SHOWN).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    vec![
        Field::plain(age::clock(hit.stored_at_ms, zone)),
        Field::plain(&hit.id),
        Field::plain(&hit.collection),
        Field::plain(short),
    ]
}

/// The beginning of a text that is shown, in characters.
const SHOWN: usize = 160;

#[cfg(test)]
mod tests {
    use aion_abi::date::UnixMillis;

    use super::*;

    #[test]
    fn an_item_is_its_name_and_the_beginning_of_its_text() {
        let hit = Hit {
            id: "a1".into(),
            text: format!("one\n two {}", "x".repeat(200)),
            collection: "chat".into(),
            attributes: Default::default(),
            score: 0.0,
            stored_at_ms: UnixMillis(0),
        };
        let row = row(&hit, &TimeZone::UTC);
        let texts: Vec<_> = row.iter().map(|it| it.text.as_str()).collect();
        assert_eq!(texts[..3], ["1970-01-01 00:00:00", "a1", "chat"]);
        assert!(texts[3].starts_with("one two xxx"), "{texts:?}");
        assert!(texts[3].ends_with("x…"), "{texts:?}");
    }
}
