//! From what a server lists to what an agent is offered. Pure.

use aion_abi::syscall::tool::ToolSpec;
use rmcp::model::Tool;
use serde_json::Value;

use super::{Granted, ToolServer};

/// The longest description of an operation, in bytes; what is longer is cut.
const MAX_DESCRIPTION: usize = 4 * 1024;
/// The largest schema of an operation, in bytes; one that has a larger is not offered.
const MAX_SCHEMA: usize = 64 * 1024;
/// The longest name of an operation, in bytes.
const MAX_NAME: usize = 128;

/// The operations that may be offered and are granted, by name.
pub(super) fn offered(server: &ToolServer, listed: Vec<Tool>, granted: &Granted) -> Vec<ToolSpec> {
    let mut specs: Vec<ToolSpec> = listed
        .into_iter()
        .filter(|tool| (1..=MAX_NAME).contains(&tool.name.len()) && server.offers(&tool.name))
        .filter_map(|tool| {
            let name = format!("{}.{}", server.name, tool.name);
            granted(&name).then(|| spec(server, name, &tool)).flatten()
        })
        .collect();
    specs.sort_by(|a, b| a.name.cmp(&b.name));
    specs.dedup_by(|a, b| a.name == b.name);
    specs
}

fn spec(server: &ToolServer, name: String, tool: &Tool) -> Option<ToolSpec> {
    let parameters = Value::Object((*tool.input_schema).clone());
    if parameters.to_string().len() > MAX_SCHEMA {
        tracing::warn!(
            operation = name,
            "an operation's schema is larger than {MAX_SCHEMA} bytes, so it is not offered"
        );
        return None;
    }
    let said = tool.description.as_deref().or(tool.title.as_deref());
    let said = said.or(server.description.as_deref()).unwrap_or_default();
    let description = said[..said.floor_char_boundary(MAX_DESCRIPTION)].to_owned();
    Some(ToolSpec {
        name,
        description,
        parameters,
    })
}
