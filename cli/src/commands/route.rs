//! `aionctl route`.

use aion_route::{Choice, Match, among};
use clap::Args;
use serde_json::json;

use crate::{
    context::Context,
    failure::Failure,
    render::table::{Field, table},
};

use super::ask::{AnswerForm, input};

/// Show which agent a question would go to, and why
#[derive(Debug, Args)]
#[command(after_help = "\
The words of the question are compared with the names, descriptions, examples, labels and tools of the agents that are ready, as the gateway does for the model auto and at /v1/ask. No agent is asked.

Examples:
  aionctl route \"Which outliers are in this table?\"
  aionctl route \"Where is the warranty?\" -o json | jq -r .name")]
pub(crate) struct RouteArgs {
    /// What would be asked; left out, or -, it is read from standard input
    text: Vec<String>,
    /// How to print: text or json
    #[arg(
        short,
        long,
        value_enum,
        default_value_t,
        value_name = "FORM",
        hide_possible_values = true
    )]
    output: AnswerForm,
}

pub(crate) async fn run(context: &Context, args: RouteArgs) -> Result<(), Failure> {
    let question = input(&args.text)?.ok_or_else(|| {
        Failure::usage("there is no question").remedy("aionctl route \"your question\"")
    })?;
    let resources = context.resources()?;
    let resources = resources.list("agents", Some(&context.namespace)).await?;
    let chosen = among(&resources, &question).map_err(|why| {
        Failure::new(format!("an Agent cannot be read: {why}"))
            .remedy("compare the versions: aionctl version")
    })?;
    if args.output == AnswerForm::Json {
        context.print_json(&match &chosen {
            Choice::One(chosen) => json!(chosen),
            Choice::Undecided(undecided) => json!({"candidates": undecided.candidates}),
        })?;
    }
    match chosen {
        Choice::One(_) if args.output == AnswerForm::Json => Ok(()),
        Choice::One(chosen) => context.print(&shown(context, &chosen)),
        Choice::Undecided(undecided) => {
            let naming = "name one: aionctl ask AGENT \"your question\"";
            let (what, remedy) = undecided.told(&context.namespace, naming);
            Err(Failure::new(what).remedy(remedy))
        }
    }
}

fn shown(context: &Context, chosen: &Match) -> String {
    let Match {
        name, confidence, ..
    } = chosen;
    if chosen.because.is_empty() {
        return format!("{name}, the only agent that is ready\n");
    }
    let rows = chosen.because.iter().map(|because| {
        let fields: Vec<String> = because.fields.iter().map(ToString::to_string).collect();
        let texts = [&because.word, &because.found, &fields.join(", ")];
        texts.map(|text| Field::plain(text.as_str())).to_vec()
    });
    let rows: Vec<Vec<Field>> = rows.collect();
    let headings = ["asked", "found", "in its"];
    let table = table(&context.screen, &headings, &rows);
    format!("{name}, with confidence {confidence:.2}\n\n{table}")
}
