//! `aionctl queues`.

use aion_abi::{
    page::{MAX_ROWS, Part},
    usage::{QueueOf, Queues},
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

/// Show what waits in the kernel
#[derive(Debug, Args)]
#[command(after_help = "\
For workers, and for each model, tool, memory pool, mount and relay in use: how many may use it at once, how many do, and how many wait, by lane and by namespace.

Examples:
  aionctl queues
  aionctl queues -o json | jq '.items[] | select(.waiting > 0)'")]
pub(crate) struct QueuesArgs {
    #[command(flatten)]
    how: How,
}

pub(crate) async fn run(context: &Context, args: QueuesArgs) -> Result<(), Failure> {
    let node = context.node()?;
    let mut part = Part {
        limit: Some(MAX_ROWS),
        after: None,
    };
    let Queues {
        depths,
        mut items,
        next,
    } = node.queues(&part).await?;
    part.after = next;
    while part.after.is_some() {
        let page = node.queues(&part).await?;
        items.extend(page.items);
        part.after = page.next;
    }
    if args.how.is_json() {
        return context.print_json(&json!({"depths": depths, "items": items}));
    }
    let rows: Vec<_> = items.iter().map(row).collect();
    let headings = ["driver", "running", "waiting", "by lane", "by namespace"];
    context.print(&table(&context.screen, &headings, &rows))
}

fn row(queue: &QueueOf) -> Vec<Field> {
    let lanes = [
        ("realtime", queue.lanes.realtime),
        ("interactive", queue.lanes.interactive),
        ("batch", queue.lanes.batch),
        ("background", queue.lanes.background),
    ];
    let tenants = queue.tenants.iter();
    let tenants = tenants.map(|it| (it.namespace.as_str(), it.waiting));
    let waiting = queue.waiting.to_string();
    vec![
        Field::plain(&queue.driver),
        Field::plain(format!("{} of {}", queue.running, queue.slots)),
        match queue.waiting {
            0 => Field::plain(waiting),
            _ => Field::toned(waiting, Tone::Warn),
        },
        Field::plain(counts(lanes)),
        Field::plain(counts(tenants)),
    ]
}

/// Of whom how many, where there are any.
fn counts<'a>(all: impl IntoIterator<Item = (&'a str, u64)>) -> String {
    let all = all.into_iter().filter(|(_, count)| *count > 0);
    let all: Vec<_> = all.map(|(name, count)| format!("{name} {count}")).collect();
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_waits_is_counted() {
        assert_eq!(counts([("batch", 0), ("background", 0)]), "");
        assert_eq!(
            counts([("batch", 2), ("realtime", 0), ("x", 1)]),
            "batch 2, x 1"
        );
    }
}
