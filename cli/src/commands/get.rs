//! `aionctl get`.

use clap::Args;
use serde_json::{Value, json};

use crate::{
    context::Context,
    failure::Failure,
    render::{
        columns,
        screen::Tone,
        table::{Field, table},
    },
};

use super::{
    form::{Columns, Form},
    kind::{self, Known},
};

/// List resources of a kind
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aionctl get agents
  aionctl get agents -o wide
  aionctl get agent/librarian -o yaml
  aionctl get agents,pools,models
  aionctl get instances -A
  aionctl get agents -o json | jq -r '.items[].metadata.name'

Kinds: agents, instances, pools, models, tools, agentpolicies, clusteragentpolicies, trustpolicies, nodes")]
pub(crate) struct GetArgs {
    /// The kind, several with commas between them, or KIND/NAME
    #[arg(value_name = "KIND")]
    kind: String,
    /// One resource of it
    name: Option<String>,
    #[command(flatten)]
    how: Columns,
    /// In every namespace
    #[arg(short = 'A', long)]
    all_namespaces: bool,
}

pub(crate) async fn run(context: &Context, args: GetArgs) -> Result<(), Failure> {
    let (kinds, name) = match (args.kind.contains('/'), args.name.as_deref()) {
        (false, None) => {
            let kinds = args.kind.split(',').map(kind::find);
            (kinds.collect::<Result<Vec<_>, _>>()?, None)
        }
        (_, Some(_)) if args.kind.contains(',') => {
            return Err(Failure::usage("a name goes with one kind").remedy("say one KIND NAME"));
        }
        (_, second) => {
            let (known, name) = kind::named(&args.kind, second)?;
            (vec![known], Some(name))
        }
    };
    let resources = context.resources()?;
    let mut found = Vec::new();
    for known in kinds {
        let namespace = known.namespace(&context.namespace);
        let items = match &name {
            Some(name) => vec![resources.get(known.kind.plural, namespace, name).await?],
            None => {
                let namespace = namespace.filter(|_| !args.all_namespaces);
                resources.list(known.kind.plural, namespace).await?
            }
        };
        found.push((known, items));
    }
    if matches!(args.how.output, Form::Table | Form::Wide) {
        return tables(context, &args, &found);
    }
    let mut items = found.into_iter().flat_map(|(_, items)| items);
    let whole = match name {
        Some(_) => items.next().unwrap_or_default(),
        None => {
            let items: Vec<_> = items.collect();
            json!({"apiVersion": "v1", "kind": "List", "items": items})
        }
    };
    match args.how.output {
        Form::Yaml => context.print_yaml(&whole),
        _ => context.print_json(&whole),
    }
}

/// One table a kind, with the kind above it where there are several.
fn tables(context: &Context, args: &GetArgs, found: &[(Known, Vec<Value>)]) -> Result<(), Failure> {
    let mut apart = "";
    for (known, items) in found {
        let namespace = known.namespace(&context.namespace);
        if items.is_empty() {
            context.note(&nothing(known, namespace.filter(|_| !args.all_namespaces)));
            continue;
        }
        if found.len() > 1 {
            let title = context.screen.paint(known.kind.plural, Tone::Strong);
            context.print(&format!("{apart}{title}\n"))?;
            apart = "\n";
        }
        let wide = args.how.output == Form::Wide;
        let namespaces = args.all_namespaces && known.kind.namespaced;
        context.print(&drawn(context, known, items, wide, namespaces))?;
    }
    Ok(())
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
    let now = crate::clock::now();
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
