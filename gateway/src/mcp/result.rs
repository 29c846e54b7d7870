//! What comes of a call: an answer, or what went wrong, for a model to read and for a program.

use aion_abi::{admin::TurnOutcome, code::Code, problem::Problem};
use rmcp::{
    ErrorData,
    model::{CallToolResult, ContentBlock, Resource},
};
use serde_json::Value;

use super::{
    LARGEST, data, files,
    tools::{self, Answer, File},
};
use crate::{gateway::Gateway, notes, routing::Unrouted};

/// A turn that ended well.
pub(super) fn answered(
    answer: &str,
    turn: u64,
    outcome: &TurnOutcome,
    routed: Option<Value>,
) -> CallToolResult {
    let mut notes = notes::of(outcome);
    let mut after = notes::after(outcome);
    let told = &answer[..answer.floor_char_boundary(LARGEST)];
    let is_cut = told.len() < answer.len();
    if is_cut {
        let note = format!(
            "The answer is longer than {} MiB and is cut here. All of it: GET /v1/turns/{turn} at this gateway.",
            LARGEST >> 20
        );
        after += &format!("\n\nNote: {note}");
        notes.push(note);
    }
    let mut content = vec![ContentBlock::text(format!("{told}{after}"))];
    let files = outcome.files.iter().map(|file| File {
        uri: files::uri(turn, &file.path),
        path: file.path.clone(),
        size: file.size,
    });
    let files: Vec<File> = files.collect();
    content.extend(files.iter().map(|file| {
        let link = Resource::new(file.uri.clone(), file.path.clone());
        ContentBlock::resource_link(link.with_size(file.size))
    }));
    let answer = Answer {
        answer: told.to_owned(),
        turn,
        notes,
        left_out: outcome.incomplete || is_cut,
        files,
        routed,
    };
    let mut result = CallToolResult::success(content);
    // What is answered always has a JSON form.
    result.structured_content = serde_json::to_value(answer).ok();
    result
}

/// For a model to read: what went wrong, and what to do.
pub(super) fn failed(problem: &Problem) -> CallToolResult {
    let Problem {
        code,
        detail,
        remedy,
        ..
    } = problem;
    let said = format!("{code}: {detail}; {remedy}");
    CallToolResult::error(vec![ContentBlock::text(said)])
}

/// As [`failed`], with the tools that could be meant.
pub(super) fn undecided(gateway: &Gateway, unrouted: &Unrouted) -> CallToolResult {
    let mut result = failed(&unrouted.problem);
    let candidates = unrouted.candidates.iter().filter_map(|it| {
        let tool = tools::name(gateway, &it.namespace, &it.name)?;
        let what = it.description.as_deref().unwrap_or_default();
        Some(format!("{tool}: {what}"))
    });
    let candidates: Vec<String> = candidates.collect();
    if !candidates.is_empty() {
        result
            .content
            .push(ContentBlock::text(candidates.join("\n")));
    }
    result
}

/// What a client hears that does not want to.
pub(super) fn cancelled() -> CallToolResult {
    let cancelled = Problem::new(Code::Cancelled, "the call was cancelled");
    failed(&cancelled.remedy("call again"))
}

/// There is no such tool, which no model can mend.
pub(super) fn nobody(tool: &str, problem: &Problem) -> ErrorData {
    ErrorData::invalid_params(format!("there is no tool {tool}"), data(problem))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_that_is_too_long_is_cut_at_a_character_and_said_to_be() {
        let outcome = || serde_json::from_value(json!({"ok": true})).unwrap();
        let whole = answered("Felix.", 7, &outcome(), None);
        let whole = whole.structured_content.unwrap();
        assert_eq!(whole["answer"], "Felix.");
        assert_eq!(whole["leftOut"], false);
        assert_eq!(whole.get("routed"), None);
        let long = format!("a{}", "ü".repeat(LARGEST / 2));
        let result = answered(&long, 7, &outcome(), None);
        let text = &result.content[0].as_text().unwrap().text;
        assert!(text.len() < LARGEST + 300, "{}", text.len());
        assert!(text.contains("GET /v1/turns/7"));
        let cut = result.structured_content.unwrap();
        assert_eq!(cut["leftOut"], true);
        assert_eq!(cut["answer"].as_str().unwrap().len(), LARGEST - 1);
        assert!(
            cut["notes"][0]
                .as_str()
                .unwrap()
                .contains("longer than 4 MiB")
        );
    }
}
