//! `aionctl logs`.

use aion_abi::admin::LogLine;
use clap::Args;
use jiff::tz::TimeZone;

use crate::{
    context::Context,
    failure::Failure,
    render::{
        age,
        screen::{Screen, Tone, tame},
    },
};

/// Show what an agent's worker wrote, and the node about it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aionctl logs librarian
  aionctl logs -f analyst
  aionctl logs analyst --tail 20 --plain | grep error")]
pub(crate) struct LogsArgs {
    /// The agent
    agent: String,
    /// Go on as new lines come, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Only the last lines
    #[arg(long, value_name = "LINES")]
    tail: Option<u32>,
    /// Only the text, without time and source
    #[arg(long)]
    plain: bool,
}

pub(crate) async fn run(context: &Context, args: LogsArgs) -> Result<(), Failure> {
    let node = context.node_of(&args.agent).await?.node;
    let mut lines = node
        .logs(&context.namespace, &args.agent, args.follow, args.tail)
        .await?;
    let zone = TimeZone::system();
    let mut any = false;
    while let Some(line) = lines.next().await? {
        any = true;
        let text = if args.plain {
            format!("{}\n", tame(&line.text))
        } else {
            drawn(&context.screen, &line, &zone)
        };
        context.print(&text)?;
    }
    if !any && !args.follow {
        context.note(&format!("{} has written nothing yet", args.agent));
    }
    Ok(())
}

fn drawn(screen: &Screen, line: &LogLine, zone: &TimeZone) -> String {
    let head = format!(
        "{} {:>4} {:<6}",
        age::clock(line.at_ms, zone),
        line.incarnation,
        tame(&line.source)
    );
    let text = tame(&line.text);
    let text = match line.source.as_str() {
        "stderr" => screen.paint(&text, Tone::Warn),
        "node" => screen.paint(&text, Tone::Strong),
        _ => text,
    };
    format!("{} {text}\n", screen.paint(&head, Tone::Faint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_when_which_run_and_who_wrote_it() {
        let line = LogLine {
            at_ms: aion_abi::date::UnixMillis(0),
            incarnation: 7,
            source: "stderr".into(),
            text: "bad \x1b[2J row".into(),
        };
        let drawn = drawn(&Screen::test(None, false, true), &line, &TimeZone::UTC);
        assert_eq!(
            drawn,
            "1970-01-01 00:00:00    7 stderr bad \\u{1b}[2J row\n"
        );
    }
}
