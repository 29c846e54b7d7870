//! What A2A 1.0 says on the wire, as far as it is read and said here: the JSON of `a2a.proto` (ProtoJSON), in which what is empty
//! is left out and unknown fields mean nothing.

pub(super) use aion_abi::a2a::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A question.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SendMessage {
    pub(super) message: Message,
    pub(super) configuration: Option<Configuration>,
    pub(super) tenant: Option<String>,
}

/// How it is to be answered.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Configuration {
    pub(super) return_immediately: Option<bool>,
    pub(super) task_push_notification_config: Option<PushConfig>,
    pub(super) history_length: Option<i32>,
}

/// What a client says.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    pub(super) message_id: String,
    pub(super) context_id: Option<String>,
    pub(super) task_id: Option<String>,
    pub(super) role: String,
    pub(super) parts: Vec<Part>,
    pub(super) reference_task_ids: Option<Vec<String>>,
}

/// A part of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part {
    pub(super) text: Option<String>,
    pub(super) raw: Option<String>,
    pub(super) url: Option<Value>,
    pub(super) data: Option<Value>,
    pub(super) filename: Option<String>,
}

/// A task by its id.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Named {
    pub(super) id: String,
    pub(super) history_length: Option<i32>,
}

/// Whom the updates of a task are told to.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PushConfig {
    pub(super) tenant: Option<String>,
    pub(super) id: Option<String>,
    pub(super) task_id: Option<String>,
    pub(super) url: String,
    pub(super) token: Option<String>,
    pub(super) authentication: Option<Authentication>,
}

/// What it is told with.
#[derive(Deserialize)]
pub(super) struct Authentication {
    pub(super) scheme: String,
    pub(super) credentials: Option<String>,
}

/// One of a task, or all.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NamedPush {
    pub(super) task_id: String,
    pub(super) id: Option<String>,
}

/// Which tasks are wanted. What is not said is not looked at; texts that are empty are not said.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Wanted {
    pub(super) tenant: Option<String>,
    pub(super) context_id: Option<String>,
    pub(super) status: Option<String>,
    pub(super) page_size: Option<i32>,
    pub(super) page_token: Option<String>,
    pub(super) history_length: Option<i32>,
    pub(super) status_timestamp_after: Option<String>,
    pub(super) include_artifacts: Option<bool>,
}

/// A page of tasks. All of it is always said.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TaskPage {
    pub(super) tasks: Vec<Task>,
    pub(super) next_page_token: String,
    pub(super) page_size: usize,
    pub(super) total_size: usize,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Task {
    pub(super) id: String,
    pub(super) context_id: String,
    pub(super) status: Status,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) artifacts: Vec<Artifact>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) metadata: Map<String, Value>,
}

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Status {
    pub(super) state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<Said>,
    /// Since when, in the form of RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timestamp: Option<String>,
}

/// What the agent says beside its answer.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Said {
    pub(super) message_id: String,
    pub(super) context_id: String,
    pub(super) task_id: String,
    pub(super) role: &'static str,
    pub(super) parts: Vec<Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) metadata: Map<String, Value>,
}

/// What it made.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Artifact {
    pub(super) artifact_id: String,
    pub(super) name: String,
    pub(super) parts: Vec<Value>,
}

/// One event of a stream.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Update {
    Task(Task),
    StatusUpdate(StatusUpdate),
    ArtifactUpdate(ArtifactUpdate),
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatusUpdate {
    pub(super) task_id: String,
    pub(super) context_id: String,
    pub(super) status: Status,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) metadata: Map<String, Value>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ArtifactUpdate {
    pub(super) task_id: String,
    pub(super) context_id: String,
    pub(super) artifact: Artifact,
    pub(super) append: bool,
    pub(super) last_chunk: bool,
}
