//! An approval as a person reads it in a client. Clients draw it as Markdown: what programs wrote stands in code blocks and spans, where
//! nothing in it is markup. What may not enter: whom it is asked of, and how it is answered.

use aion_abi::{
    approval::Approval,
    date::UnixMillis,
    seen::{exact, quoted},
};
use jiff::Timestamp;

/// Who asks for what, and what exactly: paragraphs of ours, with what others wrote fenced off.
pub(crate) fn message(it: &Approval) -> String {
    let (agent, capability) = (span(&it.agent), span(&it.capability));
    let (asks, then) = match it.question {
        false => (
            format!("Agent {agent} asks before it does {capability}. It would do exactly this:"),
            "Approve, and this call is made once. Deny, and it is not made.",
        ),
        true => (
            format!(
                "The server of a tool asks this while it works for agent {agent} ({capability}). These are the server's words, not AION-OS's, and what it is sent with a yes:"
            ),
            "Approve, and the server is told yes, and decides what it does with that. Deny, and it is told no; the call that runs is not stopped.",
        ),
    };
    let mut parts = vec![asks];
    if let Some(shown) = &it.shown {
        parts.push(fenced(&quoted(&shown.text)));
    }
    parts.push(format!(
        "Approval {}, turn {}, by {}, sha256 `{}`.",
        it.approval,
        it.turn,
        span(&it.rule),
        it.digest,
    ));
    let until = date(it.until_ms);
    parts.push(match until {
        Some(until) => format!("{then} It waits until {until}."),
        None => then.to_owned(),
    });
    parts.join("\n\n")
}

/// A block that nothing in its lines ends.
fn fenced(lines: &[String]) -> String {
    let longest = lines.iter().map(|it| ticks(it)).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{}\n{fence}", lines.join("\n"))
}

/// The same within a line: a name that others gave.
pub(crate) fn span(text: &str) -> String {
    let text = exact(text).replace('\n', "\\n").replace('\t', "\\t");
    let ticks = "`".repeat(ticks(&text) + 1);
    match ticks.len() {
        1 => format!("`{text}`"),
        _ => format!("{ticks} {text} {ticks}"),
    }
}

/// The longest run of backticks.
fn ticks(text: &str) -> usize {
    let runs = text.split(|c| c != '`');
    runs.map(str::len).max().unwrap_or_default()
}

/// A date, where there is one of it.
pub(crate) fn date(at: UnixMillis) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(at.0).ok()?).ok()
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
