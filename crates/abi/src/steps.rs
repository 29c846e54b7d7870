//! The steps of a workflow: what a person writes under `spec.steps`, what an instance and the boot document carry, and
//! what is told of each step while it runs. What a step means is in `aion-steps`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{date::UnixMillis, syscall::Syscall};

/// Steps of a workflow at most, those inside others included.
pub const MAX_STEPS: usize = 64;
/// Steps that stand inside one another at most.
pub const MAX_DEPTH: usize = 4;
/// Parts of a step that run at once at most.
pub const MAX_PARALLEL: u32 = 16;
/// Rounds of a step with `until` at most.
pub const MAX_ROUNDS: u32 = 50;
/// The longest name of a step, in characters.
pub const MAX_NAME: usize = 40;
/// The longest text of a step, in characters.
pub const MAX_TEXT: usize = 16_384;
/// The longest expression of a step, in characters.
pub const MAX_EXPRESSION: usize = 1024;
/// Arguments of a tool or a call of devices at most.
pub const MAX_ARGUMENTS: usize = 32;
/// Steps that one message tells of at most.
pub const MAX_TOLD: usize = 64;
/// The longest place of a step in its workflow, in bytes: names, brackets and numbers of all that it stands in.
pub const MAX_PATH: usize = MAX_DEPTH * (MAX_NAME + 8);

/// One step: what it does is exactly one of `tool`, `device`, `agent`, `prompt`, `value` and `steps`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// What it is called, once in the workflow: later steps say steps.NAME for its result. Letters, digits and _, a small
    /// letter first.
    #[cfg_attr(
        feature = "schemars",
        schemars(length(min = 1, max = MAX_NAME), regex(pattern = "^[a-z][A-Za-z0-9_]*$"))
    )]
    pub name: String,
    /// One expression, such as ${size(steps.found) > 0}. Where it is false, the step is skipped and its result is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schemars",
        schemars(length(min = 4, max = MAX_EXPRESSION))
    )]
    pub when: Option<String>,
    /// The operation of a tool that it calls, as TOOL.OPERATION. The tool stands under spec.tools, the right to the
    /// operation under permissions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(length(min = 3, max = 192)))]
    pub tool: Option<String>,
    /// What it asks or has done of the devices of the namespace: list, read, history, write or command. The right to it stands
    /// under permissions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceCall>,
    /// What the tool or the call of devices is given, by the argument's name. A value is text in which ${...} is filled in; one that is nothing
    /// but ${...} keeps its type, such as ${10} or ${steps.found.items}.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schemars", schemars(schema_with = "arguments"))]
    pub arguments: BTreeMap<String, String>,
    /// The agent that it asks. It stands under spec.tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schemars",
        schemars(
            length(min = 1, max = 63),
            regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
        )
    )]
    pub agent: Option<String>,
    /// What that agent is asked. ${...} is filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(length(min = 1, max = MAX_TEXT)))]
    pub input: Option<String>,
    /// What the agent's own model is asked, once and without tools. ${...} is filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(length(min = 1, max = MAX_TEXT)))]
    pub prompt: Option<String>,
    /// Its result itself: text in which ${...} is filled in, or one ${...} of any type. Nothing is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(length(min = 1, max = MAX_TEXT)))]
    pub value: Option<String>,
    /// What an answer, or the text of value, becomes: text (the default) or json (a structured answer, or text that is JSON),
    /// whose fields expressions can name. As json, a device that refuses is a result, {"done": false, "code": …, "why": …}.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub form: Option<Form>,
    /// One expression that gives a list, such as ${steps.found.items}: its steps are done for each item, which they call
    /// item, and its place from 0 index. The result is the list of the items' results, in the items' order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schemars",
        schemars(length(min = 4, max = MAX_EXPRESSION))
    )]
    pub foreach: Option<String>,
    /// One expression over the results of its steps: these are done again until it is true. They call the result of the
    /// round before previous (null in the first), and the round's number, from 1, round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schemars",
        schemars(length(min = 4, max = MAX_EXPRESSION))
    )]
    pub until: Option<String>,
    /// Rounds of until at most. It fails where that is not true after so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(range(min = 1, max = MAX_ROUNDS)))]
    pub max_rounds: Option<u32>,
    /// How many parts are done at once: with foreach items (1 unless said otherwise), without it its steps (2 or more), whose
    /// results are a map by their names then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(range(min = 1, max = MAX_PARALLEL)))]
    pub parallel: Option<u32>,
    /// Steps of its own, done one after another; the result is that of the last one that was not skipped. Four levels at
    /// most, and 64 steps in all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schemars", schemars(schema_with = "inner"))]
    pub steps: Vec<Step>,
}

/// What an answer becomes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Text.
    #[default]
    Text,
    /// A value.
    Json,
}

/// What a step asks or has done of devices; its arguments are those of the syscall `device.…` of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum DeviceCall {
    /// Which there are.
    List,
    /// What one says.
    Read,
    /// What one was.
    History,
    /// Sets a property of one.
    Write,
    /// Has one do something.
    Command,
}

impl DeviceCall {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Read => "read",
            Self::History => "history",
            Self::Write => "write",
            Self::Command => "command",
        }
    }

    /// The syscall that it is.
    #[must_use]
    pub const fn syscall(self) -> Syscall {
        match self {
            Self::List => Syscall::DeviceList,
            Self::Read => Syscall::DeviceRead,
            Self::History => Syscall::DeviceHistory,
            Self::Write => Syscall::DeviceWrite,
            Self::Command => Syscall::DeviceCommand,
        }
    }
}

/// What is told of a step: it began, was skipped, or ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StepTold {
    /// Its place: names with the numbers of items (from 0) and rounds (from 1), such as `books[3].summary`. At most
    /// [`MAX_PATH`] bytes.
    pub step: String,
    /// What it does now, or how it ended.
    pub state: StepState,
    /// The turn that it asked for, where an agent did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<u64>,
}

/// What followers of a turn hear of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct StepEvent {
    /// Its place, as in [`StepTold`].
    pub step: String,
    /// What it does now, or how it ended.
    pub state: StepState,
    /// When.
    pub at_ms: UnixMillis,
    /// The turn that it asked for, where an agent did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<u64>,
}

/// A step as the record of its turn has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct StepRecord {
    /// Its place, as in [`StepTold`].
    pub step: String,
    /// What it does now, or how it ended.
    pub state: StepState,
    /// When it began.
    pub began_at_ms: UnixMillis,
    /// When it ended; absent while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at_ms: Option<UnixMillis>,
    /// The turn that it asked for, where an agent did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<u64>,
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum StepState {
    /// It is being done.
    Running,
    /// It has its result.
    Done,
    /// Its `when` was false.
    Skipped,
    /// It failed, and with it the turn.
    Failed,
    /// Another one failed before it ended.
    Cancelled,
}

impl StepState {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

#[cfg(feature = "schemars")]
mod schema {
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use serde_json::{Value, json};

    use super::{MAX_ARGUMENTS, MAX_DEPTH, MAX_STEPS, MAX_TEXT, Step};

    pub(super) fn arguments(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "maxProperties": MAX_ARGUMENTS,
            "additionalProperties": {"type": "string", "maxLength": MAX_TEXT}
        })
    }

    /// Steps inside a step, where their form is not said again.
    pub(super) fn inner(_: &mut SchemaGenerator) -> Schema {
        list(&json!({"type": "object"}))
    }

    /// The schema of a workflow. A structural schema cannot refer to itself, so each level stands in it.
    pub fn workflow(generator: &mut SchemaGenerator) -> Schema {
        let step = Step::json_schema(generator).to_value();
        let mut whole = without_steps(step.clone());
        for _ in 1..MAX_DEPTH {
            let mut outer = step.clone();
            if let Some(steps) = outer.pointer_mut("/properties/steps/items") {
                *steps = whole;
            }
            whole = outer;
        }
        list(&whole)
    }

    /// A step of the innermost level.
    fn without_steps(mut step: Value) -> Value {
        if let Some(fields) = step
            .pointer_mut("/properties")
            .and_then(Value::as_object_mut)
        {
            for field in ["steps", "foreach", "until", "maxRounds", "parallel"] {
                fields.remove(field);
            }
        }
        step
    }

    fn list(step: &Value) -> Schema {
        json_schema!({
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_STEPS,
            "x-kubernetes-list-type": "atomic",
            "items": step
        })
    }
}

#[cfg(feature = "schemars")]
pub use schema::workflow;
#[cfg(feature = "schemars")]
use schema::{arguments, inner};
