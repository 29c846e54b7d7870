//! Agents as tools: what each is called, takes and gives.

use std::sync::{Arc, LazyLock};

use aion_abi::problem::Problem;
use aion_route::Match;
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use schemars::{
    JsonSchema, Schema,
    generate::{Contract, SchemaSettings},
    transform::RecursiveTransform,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use aion_route::Agent;

use super::cursor;
use crate::gateway::Gateway;

/// The tool that asks whichever agent the question is for.
pub(super) const ASK: &str = "ask";
/// What stands between namespace and name: no name has it.
const BETWEEN: &str = "__";
/// The most that a tool's name may have (2025-11-25, 2026-07-28).
const LONGEST: usize = 128;
/// The list's name in its cursors.
const LIST: &str = "tools";
/// Tools of a page.
const PAGE: usize = 100;

/// What a tool takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    /// What to ask, with all that it is about: the agent sees nothing of the conversation.
    pub(super) question: String,
}

/// What a tool gives.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    /// The answer.
    pub(super) answer: String,
    /// The turn of it.
    pub(super) turn: u64,
    /// What is to be known beside the answer.
    pub(super) notes: Vec<String>,
    /// A part of what was given is not in the answer.
    pub(super) left_out: bool,
    /// What the turn wrote.
    pub(super) files: Vec<File>,
    /// Why this agent was asked, where none was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Match>")]
    pub(super) routed: Option<Value>,
}

/// A file that a turn wrote.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TurnFile")]
pub(super) struct File {
    /// The resource to read.
    pub(super) uri: String,
    /// Its path.
    pub(super) path: String,
    /// Bytes.
    pub(super) size: u64,
}

static TAKES: LazyLock<Arc<JsonObject>> =
    LazyLock::new(|| schema::<Arguments>(Contract::Deserialize));
static GIVES: LazyLock<Arc<JsonObject>> = LazyLock::new(|| schema::<Answer>(Contract::Serialize));

/// Whole in itself, and without formats of numbers, which clients that check do not know.
fn schema<T: JsonSchema>(contract: Contract) -> Arc<JsonObject> {
    let settings = SchemaSettings::draft2020_12().with(|it| {
        it.meta_schema = None;
        it.contract = contract;
        it.inline_subschemas = true;
    });
    let plain = RecursiveTransform(|schema: &mut Schema| {
        schema.remove("format");
        without_null(schema);
    });
    let generator = settings.with_transform(plain).into_generator();
    let schema = generator.into_root_schema_for::<T>();
    Arc::new(schema.as_object().cloned().unwrap_or_default())
}

/// A type beside `null` alone: what is left out is never given as `null`, and dialects of some models know one type only.
fn without_null(schema: &mut Schema) {
    let Some(Value::Array(types)) = schema.get("type") else {
        return;
    };
    let mut types: Vec<_> = types.iter().filter(|it| *it != "null").cloned().collect();
    if let (Some(only), true) = (types.pop(), types.is_empty()) {
        schema.insert("type".to_owned(), only);
    }
}

/// What the agent is called as a tool; `None` where its name is too long.
pub(super) fn name(gateway: &Gateway, namespace: &str, name: &str) -> Option<String> {
    let name = match namespace == gateway.namespace && name != ASK {
        true => name.to_owned(),
        false => format!("{namespace}{BETWEEN}{name}"),
    };
    (name.len() <= LONGEST).then_some(name)
}

/// Namespace and name of the agent that is called so.
pub(super) fn agent<'a>(gateway: &'a Gateway, tool: &'a str) -> (&'a str, &'a str) {
    tool.split_once(BETWEEN)
        .unwrap_or((&gateway.namespace, tool))
}

/// A page of tools, and the cursor of the next one. The choice among agents is first.
pub(super) fn page(
    gateway: &Gateway,
    agents: Vec<Agent>,
    cursor: Option<&str>,
) -> Result<(Vec<Tool>, Option<String>), Problem> {
    let mut tools = Vec::new();
    let after: Option<(String, String)> = cursor::read(LIST, cursor)?;
    if after.is_none() {
        tools.push(choice());
    }
    let follows = |it: &Agent| {
        let after = after.as_ref();
        after.is_none_or(|(namespace, name)| (&it.namespace, &it.name) > (namespace, name))
    };
    let mut agents = agents.into_iter().filter(|it| it.ready && follows(it));
    let mut last = None;
    for agent in agents.by_ref().take(PAGE) {
        last = Some((agent.namespace.clone(), agent.name.clone()));
        match name(gateway, &agent.namespace, &agent.name) {
            Some(name) => tools.push(tool(name, &agent)),
            None => tracing::warn!(
                namespace = agent.namespace,
                agent = agent.name,
                "is not a tool: its name is longer than {LONGEST} characters"
            ),
        }
    }
    let next = agents.next().and(last);
    let next = next.and_then(|at| cursor::make(LIST, &at));
    Ok((tools, next))
}

fn tool(name: String, agent: &Agent) -> Tool {
    let mut description = agent.description.clone().unwrap_or_else(|| {
        let Agent {
            name, namespace, ..
        } = agent;
        format!("The agent {name} of {namespace}.")
    });
    if !agent.try_asking.is_empty() {
        description += "\n\nFor example:";
        for question in &agent.try_asking {
            description += &format!("\n- {question}");
        }
    }
    described(name, description).with_title(agent.name.clone())
}

fn choice() -> Tool {
    let description = "Asks whichever agent the question is for, by its words. Where that is not clear nobody is asked, and the tools that could be meant are named.";
    described(ASK.to_owned(), description.to_owned())
}

fn described(name: String, description: String) -> Tool {
    // What an agent does with its own tools is not known here.
    let hints = ToolAnnotations::new()
        .read_only(false)
        .destructive(true)
        .idempotent(false)
        .open_world(true);
    Tool::new(name, description, Arc::clone(&TAKES))
        .with_raw_output_schema(Arc::clone(&GIVES))
        .with_annotations(hints)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_an_answer_is_one() {
        let whole = serde_json::to_string(&*GIVES).unwrap_or_default();
        assert!(whole.contains("\"routed\":{"), "{whole}");
        assert!(
            !whole.contains("\"type\":[") && !whole.contains("null"),
            "{whole}"
        );
    }
}
