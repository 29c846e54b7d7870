//! A turn as a task: its id, its state, and what it made. Nothing is kept here; what a client is told of a task is in the turn's record
//! and in the task's id.

use std::fmt;

use aion_abi::{
    a2a::{context_id, task_id},
    admin::{OutputFile, TurnOutcome, TurnRecord},
    date::UnixMillis,
    turn::{MAX_CONTEXT, TurnRequest},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::{
    fault::{Fault, told},
    media,
    wire::{Artifact, Said, State, Status, Task},
};
use crate::notes;

/// The artifact that is the agent's answer.
pub(super) const ANSWER: &str = "answer";
/// What stands in a path as it is (RFC 3986).
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The id of a task: its turn, and behind it the context where a client named one, since nothing else keeps that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Id {
    pub(super) turn: u64,
    named: Option<String>,
}

impl Id {
    pub(super) fn new(turn: u64, named: Option<String>) -> Self {
        Self { turn, named }
    }

    /// The task that is called so.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (turn, named) = match text.split_once('-') {
            Some((turn, named)) => (turn, Some(context(named).ok()?)),
            None => (text, None),
        };
        let id = Self::new(turn.parse().ok()?, named);
        // A turn is written in one way: +7 and 07 are none. The context is the caller's word, and names nothing here.
        (id.to_string() == text).then_some(id)
    }

    pub(super) fn context(&self) -> String {
        context_id(self.turn, self.named.as_deref())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&task_id(self.turn, self.named.as_deref()))
    }
}

/// A context that a client names, where it can stand in the ids of tasks.
pub(super) fn context(named: &str) -> Result<String, Fault> {
    match TurnRequest::is_context(named) {
        true => Ok(named.to_owned()),
        false => Err(Fault::params(
            "message.contextId cannot be used",
            format!(
                "give up to {MAX_CONTEXT} letters, digits and -._~, such as a UUID, or leave it out"
            ),
        )),
    }
}

/// A turn as it is kept. `base` is the gateway's address.
pub(super) fn of(id: &Id, record: &TurnRecord, base: &str) -> Task {
    let mut artifacts = Vec::new();
    let outcome = record.outcome.as_ref();
    let notes = outcome.map(notes::after).unwrap_or_default();
    let files = outcome.map(|it| &*it.files).unwrap_or_default();
    let text = record.answer.as_ref().map(|it| format!("{it}{notes}"));
    let text = text.or(Some(notes).filter(|it| !it.is_empty()));
    // Where files are all of the answer there is no text beside them.
    let text = text.filter(|it| files.is_empty() || !it.trim().is_empty());
    artifacts.extend(text.map(|it| answer(&it)));
    artifacts.extend(files.iter().map(|it| file(id.turn, it, base)));
    Task {
        id: id.to_string(),
        context_id: id.context(),
        status: Status {
            timestamp: record.changed_at().and_then(written),
            ..match outcome {
                Some(outcome) => ended(id, outcome),
                None => Status {
                    state: State::of(record),
                    message: None,
                    timestamp: None,
                },
            }
        },
        artifacts,
        metadata: about(id.turn, outcome),
    }
}

/// How a turn ended.
pub(super) fn ended(id: &Id, outcome: &TurnOutcome) -> Status {
    let problem = outcome.problem.as_ref();
    let message = problem.map(|it| {
        let text = format!("{}; {}", it.detail, it.remedy);
        said(id, "end", &text, told(it))
    });
    Status {
        state: State::end(outcome),
        message,
        timestamp: None,
    }
}

/// A date as the protocol has it.
pub(super) fn written(date: UnixMillis) -> Option<String> {
    let date = jiff::Timestamp::from_millisecond(i64::try_from(date.0).ok()?).ok()?;
    Some(format!("{date:.3}"))
}

/// What the agent says beside its answer; `which` tells it from others of the task.
pub(super) fn said(id: &Id, which: &str, text: &str, metadata: Map<String, Value>) -> Said {
    Said {
        message_id: format!("{id}-{which}"),
        context_id: id.context(),
        task_id: id.to_string(),
        role: "ROLE_AGENT",
        parts: vec![json!({"text": text})],
        metadata,
    }
}

pub(super) fn answer(text: &str) -> Artifact {
    Artifact {
        artifact_id: ANSWER.to_owned(),
        name: ANSWER.to_owned(),
        parts: vec![json!({"text": text, "mediaType": "text/plain"})],
    }
}

/// A file that a turn wrote: where it is fetched, with the token.
pub(super) fn file(turn: u64, file: &OutputFile, base: &str) -> Artifact {
    let path = utf8_percent_encode(&file.path, PLAIN);
    let part = json!({
        "url": format!("{base}/v1/turns/{turn}/files/{path}"), "filename": file.path,
        "mediaType": media::of(&file.path), "metadata": {"size": file.size},
    });
    Artifact {
        artifact_id: format!("files/{}", file.path),
        name: file.path.clone(),
        parts: vec![part],
    }
}

/// What A2A has no word for.
pub(super) fn about(turn: u64, outcome: Option<&TurnOutcome>) -> Map<String, Value> {
    let mut about = Map::new();
    about.insert("turn".into(), turn.into());
    if let Some(outcome) = outcome {
        about.insert("leftOut".into(), outcome.incomplete.into());
    }
    about
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn record(more: &Value) -> TurnRecord {
        let mut record = json!({"turn": 7, "agent": "default/jarvis", "input": "?"});
        let fields = more.as_object().unwrap().clone();
        record.as_object_mut().unwrap().extend(fields);
        serde_json::from_value(record).unwrap()
    }

    fn problem(code: &str) -> Value {
        let problem = json!({
            "type": "urn:aion:problem:x", "title": "x", "status": 500, "detail": "it broke", "code": code, "remedy": "mend it",
        });
        json!({"outcome": {"ok": false, "problem": problem}})
    }

    #[test]
    fn each_way_of_a_turn_is_a_state_and_a_failure_says_our_code() {
        for (more, state) in [
            (json!({}), State::Submitted),
            (json!({"running": true}), State::Working),
            (json!({"outcome": {"ok": true}}), State::Completed),
            (json!({"outcome": {"ok": false}}), State::Failed),
            (problem("program-failed"), State::Failed),
            (problem("outcome-unknown"), State::Failed),
            (problem("cancelled"), State::Canceled),
            (problem("unanswered"), State::Rejected),
        ] {
            let task = of(&Id::new(7, None), &record(&more), "http://localhost");
            assert_eq!(task.status.state, state, "{more}");
            let code = more.pointer("/outcome/problem/code");
            let message = task.status.message;
            assert_eq!(
                message.as_ref().and_then(|it| it.metadata.get("code")),
                code
            );
        }
    }

    #[test]
    fn an_answer_and_its_files_are_artifacts_and_what_is_not_in_it_follows() {
        let more = json!({"answer": "Felix.", "outcome": {
            "ok": true, "incomplete": true, "notices": ["one row was not read"],
            "files": [{"path": "a b/ü.csv", "size": 3}],
        }});
        let task = of(&Id::new(7, None), &record(&more), "http://127.0.0.1:8421");
        let task = serde_json::to_value(task).unwrap();
        assert_eq!(
            (&task["id"], &task["contextId"]),
            (&json!("7"), &json!("turn-7"))
        );
        assert_eq!(task["status"], json!({"state": "TASK_STATE_COMPLETED"}));
        assert_eq!(task["metadata"], json!({"turn": 7, "leftOut": true}));
        let text = &task["artifacts"][0]["parts"][0]["text"];
        assert_eq!(text, "Felix.\n\nNote: one row was not read");
        let url = &task["artifacts"][1]["parts"][0]["url"];
        assert_eq!(
            url,
            "http://127.0.0.1:8421/v1/turns/7/files/a%20b/%C3%BC.csv"
        );
    }

    #[test]
    fn a_file_has_its_type_and_no_empty_text_before_it() {
        let more = json!({"answer": "\n", "outcome": {"ok": true, "files": [{"path": "output.txt", "size": 3}]}});
        let task = of(&Id::new(7, None), &record(&more), "http://localhost");
        let task = serde_json::to_value(task).unwrap();
        let part = &task["artifacts"][0]["parts"][0];
        assert_eq!(part["mediaType"], "text/plain", "{task}");
        assert_eq!(part["filename"], "output.txt", "{task}");
        // An empty answer alone is an answer.
        let more = json!({"answer": "", "outcome": {"ok": true}});
        let task = of(&Id::new(7, None), &record(&more), "http://localhost");
        assert_eq!(task.artifacts.len(), 1);
    }

    #[test]
    fn a_context_that_a_client_names_comes_back_by_the_id() {
        let id = Id::new(8, Some(context("turn-7").ok().unwrap()));
        assert_eq!(id.to_string(), "8-turn-7");
        assert_eq!(Id::parse("8-turn-7"), Some(id.clone()));
        assert_eq!(id.context(), "turn-7");
        assert_eq!(Id::parse("7"), Some(Id::new(7, None)));
        for none in ["", "x", "+7", "07", "7-", "7-a/b", "-1", "7-a:cancel"] {
            assert_eq!(Id::parse(none), None, "{none}");
        }
        for none in ["", "a b", "a/b", &"x".repeat(129)] {
            assert!(context(none).is_err(), "{none}");
        }
    }
}
