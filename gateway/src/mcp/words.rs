//! An approval as a person reads it in a client, and what a client says to it. Clients draw it as Markdown: what programs wrote stands in code
//! blocks and spans, where nothing in it is markup. What may not enter: whom it is asked of.

use aion_abi::{
    approval::{Approval, Verdict},
    code::Code,
    date::UnixMillis,
    problem::Problem,
    seen::{exact, quoted},
};
use jiff::Timestamp;
use rmcp::model::{
    ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationSchema, EnumSchema,
    InputResponses,
};

/// What the question is called in a result.
pub(super) const QUESTION: &str = "approval";
/// The one field of the form. A form without any is accepted by some clients with no person.
const FIELD: &str = "answer";
const YES: &str = "approve";
const NO: &str = "deny";

/// What a client gives back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// A yes or a no.
    Word(Verdict),
    /// Neither: it is left open.
    Left,
    /// Nothing at all.
    Missing,
}

/// What a client gives back of a question with a call.
pub(super) fn said(answers: Option<InputResponses>) -> Result<Said, Problem> {
    let Some(said) = answers.and_then(|mut it| it.remove(QUESTION)) else {
        return Ok(Said::Missing);
    };
    let said: ElicitResult = serde_json::from_value(said).map_err(|why| {
        let what = format!("inputResponses.{QUESTION} is not an answer: {why}");
        Problem::new(Code::BadRequest, what).remedy("say accept, decline or cancel as its action")
    })?;
    Ok(verdict(&said).map_or(Said::Left, Said::Word))
}

/// A yes, a no, or nothing: it stays open. A form that is accepted has to say which.
pub(super) fn verdict(said: &ElicitResult) -> Option<Verdict> {
    let field = said.content.as_ref().and_then(|it| it.get(FIELD)?.as_str());
    match (&said.action, field) {
        (ElicitationAction::Accept, Some(YES)) => Some(Verdict::Approve),
        (ElicitationAction::Accept, Some(NO)) | (ElicitationAction::Decline, _) => {
            Some(Verdict::Deny)
        }
        _ => None,
    }
}

pub(super) fn question(approval: &Approval) -> ElicitRequestParams {
    let word = EnumSchema::builder([YES, NO].map(str::to_owned).to_vec())
        .title("Your answer")
        .description("approve: yes, once. refuse: no.")
        .build();
    let form = ElicitationSchema::builder().required_enum_schema(FIELD, word);
    ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: message(approval),
        requested_schema: form.build_unchecked(),
    }
}

/// Who asks for what, and what exactly: paragraphs of ours, with what others wrote fenced off.
fn message(it: &Approval) -> String {
    let (agent, capability) = (span(&it.agent), span(&it.capability));
    let (asks, then) = match it.question {
        false => (
            format!("Agent {agent} asks before it does {capability}. It would do exactly this:"),
            "Approve, and this call is made once. Refuse, and it is not made.",
        ),
        true => (
            format!(
                "The server of a tool asks this while it works for agent {agent} ({capability}). These are the server's words, not AION-OS's, and what it is sent with a yes:"
            ),
            "Approve, and the server is told yes, and decides what it does with that. Refuse, and it is told no; the call that runs is not stopped.",
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

/// The same within a line.
fn span(text: &str) -> String {
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

fn date(at: UnixMillis) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(at.0).ok()?).ok()
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
