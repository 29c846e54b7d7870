//! One thing that an agent tells: a message, a task, a change of it. Read for what it holds, missing fields and all. Pure.
//! What may not enter: what comes of several (`task`).

use serde_json::Value;

/// See the module.
#[derive(Debug)]
pub(super) enum Update {
    /// It answers at once, and there is no task.
    Message(Vec<Part>),
    Task(Whole),
    Status(Named, Status),
    Artifact(Named, Piece),
}

/// Which task a change is of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) task: String,
    pub(super) context: String,
}

/// A task as it is.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) named: Named,
    pub(super) status: Status,
    pub(super) artifacts: Vec<Piece>,
    /// What the agent said last, where the status has no word of it.
    pub(super) last: Option<Vec<Part>>,
}

#[derive(Debug)]
pub(super) struct Status {
    pub(super) state: State,
    pub(super) said: Option<Vec<Part>>,
}

/// An artifact, or more of one.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) id: String,
    pub(super) parts: Vec<Part>,
    pub(super) append: bool,
}

/// What is in a message or an artifact.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    Text(String),
    Data(Value),
    /// A file, or what is not known here: what is said in its place.
    Named(String),
}

/// How a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Submitted or working.
    AtWork,
    Completed,
    Failed,
    Canceled,
    Rejected,
    InputRequired,
    AuthRequired,
}

impl State {
    /// Reads a state, as the norm writes it or as A2A before 1.0 did; one that is missing is at work.
    fn read(state: Option<&Value>) -> Result<Self, String> {
        let name = match state {
            None | Some(Value::Null) => return Ok(Self::AtWork),
            Some(Value::String(name)) => name,
            Some(other) => return Err(not_known(&other.to_string())),
        };
        let plain = name.to_ascii_uppercase().replace('-', "_");
        match plain.strip_prefix("TASK_STATE_").unwrap_or(&plain) {
            "SUBMITTED" | "WORKING" | "UNSPECIFIED" | "" => Ok(Self::AtWork),
            "COMPLETED" => Ok(Self::Completed),
            "FAILED" => Ok(Self::Failed),
            "CANCELED" => Ok(Self::Canceled),
            "REJECTED" => Ok(Self::Rejected),
            "INPUT_REQUIRED" => Ok(Self::InputRequired),
            "AUTH_REQUIRED" => Ok(Self::AuthRequired),
            _ => Err(not_known(name)),
        }
    }

    /// As the norm writes it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AtWork => "TASK_STATE_WORKING",
            Self::Completed => "TASK_STATE_COMPLETED",
            Self::Failed => "TASK_STATE_FAILED",
            Self::Canceled => "TASK_STATE_CANCELED",
            Self::Rejected => "TASK_STATE_REJECTED",
            Self::InputRequired => "TASK_STATE_INPUT_REQUIRED",
            Self::AuthRequired => "TASK_STATE_AUTH_REQUIRED",
        }
    }
}

fn not_known(state: &str) -> String {
    let state: String = state.chars().take(80).collect();
    format!("its task has the state {state:?}, which is not known here")
}

/// The longest id that is taken, in bytes: it is sent back.
const MAX_ID: usize = 512;
/// The longest name of a file that is told.
const MAX_NAME: usize = 256;

impl Update {
    /// Reads an answer to a message, or an event of a stream.
    ///
    /// # Errors
    /// In words, where it is none of these.
    pub(super) fn read(mut told: Value) -> Result<Self, String> {
        if let Some(message) = told.get_mut("message").map(Value::take) {
            return Ok(Self::Message(parts(&message)));
        }
        if let Some(task) = told.get_mut("task").map(Value::take) {
            return Ok(Self::Task(Whole::read(task)?));
        }
        if let Some(update) = told.get("statusUpdate") {
            return Ok(Self::Status(named(update, "taskId")?, status(update)?));
        }
        if let Some(update) = told.get("artifactUpdate") {
            let artifact = update.get("artifact").unwrap_or(&Value::Null);
            let append = update["append"] == Value::Bool(true);
            return Ok(Self::Artifact(
                named(update, "taskId")?,
                piece(artifact, append),
            ));
        }
        if told.get("kind").is_some() {
            return Err("its answer is of A2A before 1.0".to_owned());
        }
        Err("its answer is neither a task nor a message".to_owned())
    }
}

impl Whole {
    /// Reads a task.
    ///
    /// # Errors
    /// In words, where it has no id, or a state that is not known.
    pub(super) fn read(task: Value) -> Result<Self, String> {
        let named = named(&task, "id")?;
        let artifacts = list(&task, "artifacts");
        let agents = list(&task, "history").iter().rev();
        let last = agents
            .filter(|it| it["role"] == "ROLE_AGENT" || it["role"] == "agent")
            .map(parts)
            .next();
        Ok(Self {
            named,
            status: status(&task)?,
            artifacts: artifacts.iter().map(|it| piece(it, false)).collect(),
            last,
        })
    }
}

fn named(of: &Value, id: &str) -> Result<Named, String> {
    let text = |name: &str| of.get(name).and_then(Value::as_str).unwrap_or_default();
    let named = Named {
        task: text(id).to_owned(),
        context: text("contextId").to_owned(),
    };
    match named.task.is_empty() || named.task.len() > MAX_ID || named.context.len() > MAX_ID {
        true => Err(format!("its task has no id of 1 to {MAX_ID} bytes")),
        false => Ok(named),
    }
}

fn status(of: &Value) -> Result<Status, String> {
    let status = of.get("status").unwrap_or(&Value::Null);
    Ok(Status {
        state: State::read(status.get("state"))?,
        said: status.get("message").filter(|it| it.is_object()).map(parts),
    })
}

fn piece(artifact: &Value, append: bool) -> Piece {
    let id = artifact.get("artifactId").and_then(Value::as_str);
    let mut id = id.unwrap_or_default().to_owned();
    id.truncate(id.floor_char_boundary(MAX_ID));
    Piece {
        id,
        parts: parts(artifact),
        append,
    }
}

/// The parts of a message or an artifact.
fn parts(of: &Value) -> Vec<Part> {
    list(of, "parts").iter().map(part).collect()
}

fn part(part: &Value) -> Part {
    let text = |name: &str| part.get(name).and_then(Value::as_str);
    if let Some(text) = text("text") {
        return Part::Text(text.to_owned());
    }
    if let Some(data) = part.get("data") {
        return Part::Data(data.clone());
    }
    let short = |text: &str| {
        let plain = text.chars().filter(|it| !it.is_control());
        plain.take(MAX_NAME).collect::<String>()
    };
    let name = short(text("filename").unwrap_or("without a name"));
    let kind = short(text("mediaType").unwrap_or("of unknown type"));
    Part::Named(match (text("raw"), text("url")) {
        (Some(raw), _) => {
            // Base64 has four letters for three bytes.
            let bytes = raw.trim_end_matches('=').len() * 3 / 4;
            format!("[file {name}, {kind}, {bytes} bytes: not taken]")
        }
        (None, Some(url)) => format!("[file {name}, {kind}, at {}: not fetched]", short(url)),
        (None, None) => "[a part of a kind that is not known: not shown]".to_owned(),
    })
}

fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of.get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_none_is_refused_and_what_is_missing_is_not() {
        for (told, why) in [
            (json!({}), "neither a task nor a message"),
            (json!([]), "neither a task nor a message"),
            (json!({"kind": "task", "id": "7"}), "before 1.0"),
            (json!({"task": {}}), "no id"),
            (json!({"task": {"id": "x".repeat(513)}}), "no id"),
            (json!({"statusUpdate": {"status": {}}}), "no id"),
        ] {
            let error = Update::read(told.clone()).err().unwrap_or_default();
            assert!(error.contains(why), "{told}: {error}");
        }
        let bare = Update::read(json!({"task": {"id": "7"}}));
        let Ok(Update::Task(task)) = bare else {
            unreachable!("{bare:?}")
        };
        assert_eq!(task.status.state, State::AtWork);
        assert!(task.artifacts.is_empty() && task.named.context.is_empty());
    }

    #[test]
    fn a_state_is_known_or_refused_and_never_taken_for_another() {
        for (told, state) in [
            (json!("TASK_STATE_WORKING"), Some(State::AtWork)),
            (json!("TASK_STATE_UNSPECIFIED"), Some(State::AtWork)),
            (json!(null), Some(State::AtWork)),
            (json!("completed"), Some(State::Completed)),
            (json!("input-required"), Some(State::InputRequired)),
            (json!("TASK_STATE_PAUSED"), None),
            (json!(3), None),
        ] {
            let read = Whole::read(json!({"id": "7", "status": {"state": told}}));
            match (read, state) {
                (Ok(task), state) => assert_eq!(Some(task.status.state), state, "{told}"),
                (Err(why), None) => assert!(why.contains("not known"), "{why}"),
                (Err(why), state) => unreachable!("{why}: {state:?}"),
            }
        }
    }

    #[test]
    fn files_are_named_and_not_taken() {
        let artifact = json!({"artifactId": "a", "parts": [
            {"text": "x"}, {"data": null}, {"raw": "AAAA", "filename": "a\nb.pdf", "mediaType": "application/pdf"},
            {"url": "http://10.0.0.1/x"}, {"odd": 1},
        ]});
        assert_eq!(
            piece(&artifact, false).parts,
            [
                Part::Text("x".to_owned()),
                Part::Data(Value::Null),
                Part::Named("[file ab.pdf, application/pdf, 3 bytes: not taken]".to_owned()),
                Part::Named(
                    "[file without a name, of unknown type, at http://10.0.0.1/x: not fetched]"
                        .to_owned()
                ),
                Part::Named("[a part of a kind that is not known: not shown]".to_owned()),
            ]
        );
    }
}
