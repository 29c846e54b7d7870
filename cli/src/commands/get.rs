//! `aionctl get`.

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    args::Output,
    context::Context,
    failure::Failure,
    render::{
        columns,
        table::{Field, table},
    },
};

use super::kind::{self, Known};

/// List resources of a kind
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aionctl get agents
  aionctl get agents -o wide
  aionctl get agent/librarian -o yaml
  aionctl get instances -A
  aionctl get agents -o json | jq -r '.items[].metadata.name'

Kinds: agents, instances, pools, models, tools, agentpolicies, clusteragentpolicies, trustpolicies, nodes")]
pub(crate) struct GetArgs {
    /// The kind, or KIND/NAME
    #[arg(value_name = "KIND")]
    kind: String,
    /// One resource of it
    name: Option<String>,
    /// How to print
    #[arg(
        short,
        long,
        value_enum,
        default_value_t,
        value_name = "FORM",
        hide_possible_values = true,
        help = "How to print: table, wide, json or yaml"
    )]
    output: Output,
    /// In every namespace
    #[arg(short = 'A', long)]
    all_namespaces: bool,
}

pub(crate) async fn run(context: &Context, args: GetArgs) -> Result<(), Failure> {
    let (known, name) = match (args.kind.contains('/'), args.name.as_deref()) {
        (false, None) => (kind::find(&args.kind)?, None),
        (_, second) => {
            let (known, name) = kind::named(&args.kind, second)?;
            (known, Some(name))
        }
    };
    let resources = context.resources()?;
    let namespace = known.namespace(&context.namespace);
    let (items, whole) = match name {
        Some(name) => {
            let one = resources.get(known.kind.plural, namespace, &name).await?;
            (vec![one.clone()], one)
        }
        None => {
            let namespace = namespace.filter(|_| !args.all_namespaces);
            let items = resources.list(known.kind.plural, namespace).await?;
            let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
            (items, list)
        }
    };
    match args.output {
        Output::Json => context.print_json(&whole),
        Output::Yaml => context.print_yaml(&whole),
        Output::Table | Output::Wide if items.is_empty() => {
            context.note(&nothing(&known, namespace.filter(|_| !args.all_namespaces)));
            Ok(())
        }
        Output::Table | Output::Wide => context.print(&drawn(
            context,
            &known,
            &items,
            args.output == Output::Wide,
            args.all_namespaces && known.kind.namespaced,
        )),
    }
}

fn nothing(known: &Known, namespace: Option<&str>) -> String {
    match namespace {
        Some(namespace) => format!(
            "there are no {} in the namespace {namespace}",
            known.kind.plural
        ),
        None => format!("there are no {}", known.kind.plural),
    }
}

fn drawn(
    context: &Context,
    known: &Known,
    items: &[Value],
    wide: bool,
    namespaces: bool,
) -> String {
    let columns = columns::shown(columns::of_definition(&known.definition), wide);
    let mut headings = Vec::new();
    if namespaces {
        headings.push("namespace");
    }
    headings.push("name");
    headings.extend(columns.iter().map(|column| column.name.as_str()));
    let now = Timestamp::now();
    let meta = |item: &Value, key: &str| {
        item["metadata"][key]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let rows: Vec<_> = items
        .iter()
        .map(|item| {
            let mut row = Vec::new();
            if namespaces {
                row.push(Field::plain(meta(item, "namespace")));
            }
            row.push(Field::plain(meta(item, "name")));
            row.extend(columns.iter().map(|column| column.field(item, now)));
            row
        })
        .collect();
    table(&context.screen, &headings, &rows)
}
