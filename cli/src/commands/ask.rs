//! `aionctl ask`.

use std::io::{self, IsTerminal, Read};

use aion_abi::admin::TurnRequest;
use clap::Args;
use serde_json::json;

use crate::{context::Context, failure::Failure};

use super::{question::Question, turn};

/// The longest question, in bytes.
const MAX_INPUT: u64 = 256 << 10;

/// Ask an agent; its answer streams
#[derive(Debug, Args)]
#[command(after_help = "\
The answer goes to standard output, progress to standard error. Ctrl-C cancels. If the node restarts meanwhile, aionctl goes on with the same turn.

Examples:
  aionctl ask librarian \"How do I map a mount?\"
  aionctl ask librarian < question.txt
  aionctl ask librarian \"Which ports are used?\" -o json | jq -r .answer")]
pub(crate) struct AskArgs {
    /// The agent
    agent: String,
    /// What to ask; left out, or -, it is read from standard input
    text: Vec<String>,
    #[command(flatten)]
    pub(crate) how: HowToAnswer,
}

/// What `ask` and `run` have in common.
#[derive(Debug, Args)]
pub(crate) struct HowToAnswer {
    /// Give up after this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) timeout: Option<u64>,
    /// How to print the answer: text as it comes, or json at the end
    #[arg(
        short,
        long,
        value_enum,
        default_value_t,
        value_name = "FORM",
        hide_possible_values = true
    )]
    pub(crate) output: AnswerForm,
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum AnswerForm {
    #[default]
    Text,
    Json,
}

pub(crate) async fn run(context: &Context, args: AskArgs) -> Result<(), Failure> {
    let input = input(&args.text)?.ok_or_else(|| {
        Failure::usage("there is no question")
            .remedy(format!("aionctl ask {} \"your question\"", args.agent))
    })?;
    let request = TurnRequest {
        input,
        deadline_ms: args.how.timeout.map(|seconds| seconds * 1000),
        ..TurnRequest::default()
    };
    let mut question = Question::new(&args.agent, request);
    let asked = context.node_of(&args.agent).await?;
    let json = args.how.output == AnswerForm::Json;
    let (followed, _) = turn::follow(context, asked, &mut question, json).await?;
    if json {
        print_json(context, &followed, &[])?;
    } else {
        turn::cost(context, &followed);
    }
    turn::verdict(&followed)
}

/// The turn as one JSON object.
pub(crate) fn print_json(
    context: &Context,
    followed: &turn::Followed,
    files: &[String],
) -> Result<(), Failure> {
    let outcome = serde_json::to_value(&followed.outcome)
        .map_err(|why| Failure::new(format!("cannot write the outcome: {why}")))?;
    context.print_json(&json!({
        "turn": followed.turn,
        "answer": followed.answer,
        "files": files,
        "outcome": outcome,
    }))
}

/// The words of the command line, or standard input where there are none and it is no terminal. `None` where nothing
/// is said.
pub(crate) fn input(words: &[String]) -> Result<Option<String>, Failure> {
    let from_stdin = words == ["-"] || words.is_empty() && !io::stdin().is_terminal();
    if !from_stdin {
        let text = words.join(" ");
        return Ok(Some(text).filter(|text| !text.trim().is_empty()));
    }
    let mut text = String::new();
    io::stdin()
        .lock()
        .take(MAX_INPUT + 1)
        .read_to_string(&mut text)
        .map_err(|why| Failure::usage(format!("cannot read standard input: {why}")))?;
    if text.len() as u64 > MAX_INPUT {
        return Err(Failure::usage(format!(
            "the question is longer than {} KiB",
            MAX_INPUT >> 10
        ))
        .remedy("give it as a file: aionctl run AGENT --file FILE"));
    }
    Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
}
