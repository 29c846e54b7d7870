//! What an agent does not give, refused by the name of the field that asks for it.

use aion_abi::{code::Code, problem::Problem};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

const OWN_TOOLS: &str = "name tools in the Agent: an agent calls them itself, within its rights";

/// The form that an answer is to have.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Format {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) json_schema: Option<JsonSchemaOf>,
    /// What else there is, as of the request.
    #[serde(flatten)]
    pub(super) other: Map<String, Value>,
}

/// The schema that an answer is to have.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct JsonSchemaOf {
    pub(super) name: String,
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) schema: Value,
    pub(super) strict: Option<bool>,
    /// What else there is, as of the request.
    #[serde(flatten)]
    pub(super) other: Map<String, Value>,
}

pub(super) fn refused(field: &str, what: &str, remedy: &str) -> Problem {
    Problem::new(Code::BadRequest, format!("{field} {what}")).remedy(remedy)
}

/// Functions that the client would carry out.
pub(super) fn tools(field: &str, tools: Option<&Vec<Value>>) -> Result<(), Problem> {
    if tools.is_none_or(Vec::is_empty) {
        return Ok(());
    }
    Err(refused(
        field,
        "are tools of the client, which an agent does not call",
        OWN_TOOLS,
    ))
}

/// Which of them are to be called. Clients that have none still say `auto`.
pub(super) fn tool_choice(field: &str, choice: Option<&Value>) -> Result<(), Problem> {
    let says_nothing = |it: &Value| it.is_null() || it == "auto" || it == "none";
    match choice.is_none_or(says_nothing) {
        true => Ok(()),
        false => Err(refused(field, "names the client's tools", OWN_TOOLS)),
    }
}

/// Any form but text.
pub(super) fn format(field: &str, format: Option<&Format>) -> Result<(), Problem> {
    let Some(format) = format.filter(|it| it.kind != "text") else {
        return Ok(());
    };
    let what = format!("asks for {:?}", format.kind);
    let remedy = "leave it out, and say in the question what the answer is to look like";
    Err(refused(field, &what, remedy))
}

/// What asks for something as soon as it says anything.
pub(super) fn anything(
    field: &str,
    value: Option<&Value>,
    what: &str,
    remedy: &str,
) -> Result<(), Problem> {
    let says_nothing = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(list) => list.is_empty(),
        _ => false,
    };
    match value.is_none_or(says_nothing) {
        true => Ok(()),
        false => Err(refused(field, what, remedy)),
    }
}
