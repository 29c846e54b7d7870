//! From what a server lists to what an agent is offered. Pure.
//!
//! Each entry is read for itself: one that is not an operation takes nothing from the others, and is named.

use std::collections::BTreeSet;

use aion_abi::syscall::tool::{ToolSpec, Unavailable};
use serde_json::Value;

use super::{
    Granted, ToolServer,
    schema::{Schema, kind},
};

/// The longest description of an operation, in bytes; what is longer is cut.
const MAX_DESCRIPTION: usize = 4 * 1024;
/// The longest name of an operation, in bytes.
const MAX_NAME: usize = 128;

/// What a server lists.
#[derive(Default)]
pub(super) struct Listing {
    /// By name.
    pub(super) operations: Vec<Operation>,
    /// What is not offered.
    pub(super) left_out: Vec<LeftOut>,
    /// Why there may be more than this.
    pub(super) broken_off: Option<String>,
}

/// An operation of a server.
pub(super) struct Operation {
    pub(super) name: String,
    description: Option<String>,
    pub(super) schema: Schema,
}

/// An entry that is not an operation.
pub(super) struct LeftOut {
    /// As far as it has one.
    name: Option<String>,
    why: String,
}

/// A page of it.
pub(super) struct Page {
    pub(super) entries: Vec<Value>,
    pub(super) next: Option<String>,
}

impl Page {
    /// Reads the answer to `tools/list`.
    ///
    /// # Errors
    /// Why it is not one.
    pub(super) fn read(mut answer: Value) -> Result<Self, String> {
        let entries = match answer.get_mut("tools").map(Value::take) {
            Some(Value::Array(entries)) => entries,
            None | Some(Value::Null) => Vec::new(),
            Some(other) => return Err(format!("its list of tools is {}", kind(&other))),
        };
        let next = match answer.get("nextCursor") {
            Some(Value::String(next)) => Some(next.clone()),
            // A number is not a cursor, but a server that sends one takes it back.
            Some(Value::Number(next)) => Some(next.to_string()),
            _ => None,
        };
        Ok(Self { entries, next })
    }
}

impl Listing {
    /// Takes in the entries of a page. Gives whether any of them was not there yet.
    pub(super) fn add(
        &mut self,
        entries: Vec<Value>,
        refused: &BTreeSet<String>,
        seen: &mut BTreeSet<String>,
    ) -> bool {
        let mut new = false;
        for entry in entries {
            let name = entry.get("name").and_then(Value::as_str);
            // A name that is listed again, as where a cursor does not advance, is one operation: the first.
            if let Some(name) = name
                && !seen.insert(name.to_owned())
            {
                continue;
            }
            new = true;
            let read = match name.is_some_and(|name| refused.contains(name)) {
                true => Err(
                    "its x-mcp-header is not as the protocol has it, so it cannot be called: correct it in the server"
                        .to_owned(),
                ),
                false => operation(&entry),
            };
            match read {
                Ok(operation) => self.operations.push(operation),
                Err(why) => self.left_out.push(LeftOut {
                    name: name.filter(|it| it.len() <= MAX_NAME).map(str::to_owned),
                    why,
                }),
            }
        }
        new
    }

    pub(super) fn sort(&mut self) {
        self.operations.sort_by(|a, b| a.name.cmp(&b.name));
    }

    pub(super) fn get(&self, operation: &str) -> Option<&Operation> {
        let at = self
            .operations
            .binary_search_by(|it| it.name.as_str().cmp(operation));
        self.operations.get(at.ok()?)
    }

    /// The operations that may be offered and are granted, by name; and of what is not offered, what could be.
    pub(super) fn offered(
        &self,
        server: &ToolServer,
        granted: &Granted,
    ) -> (Vec<ToolSpec>, Vec<Unavailable>) {
        let may = |name: &str| server.offers(name) && granted(&format!("{}.{name}", server.name));
        let operations = self.operations.iter().filter(|it| may(&it.name));
        let specs = operations.map(|it| spec(server, it)).collect();
        let left_out = self.left_out.iter();
        let left_out = left_out.filter(|it| it.name.as_deref().is_none_or(may));
        let mut unavailable: Vec<Unavailable> = left_out
            .map(|it| Unavailable {
                tool: match &it.name {
                    Some(name) => format!("{}.{name}", server.name),
                    None => server.name.clone(),
                },
                reason: it.why.clone(),
            })
            .collect();
        unavailable.extend(self.broken_off.iter().map(|why| Unavailable {
            tool: server.name.clone(),
            reason: why.clone(),
        }));
        (specs, unavailable)
    }
}

fn operation(entry: &Value) -> Result<Operation, String> {
    let Value::Object(fields) = entry else {
        return Err(format!(
            "one entry of its list is {}, not an operation",
            kind(entry)
        ));
    };
    let name = match fields.get("name") {
        Some(Value::String(name)) if (1..=MAX_NAME).contains(&name.len()) => name.clone(),
        Some(Value::String(name)) => {
            return Err(format!(
                "one entry of its list has a name of {} bytes, and a name has 1 to {MAX_NAME}: {:?}",
                name.len(),
                name.chars().take(40).collect::<String>(),
            ));
        }
        other => {
            let what = other.map_or("missing", kind);
            return Err(format!("one entry of its list has no name: it is {what}"));
        }
    };
    if name.chars().any(char::is_control) {
        return Err("its name has control characters".to_owned());
    }
    let schema = Schema::read(
        fields
            .get("inputSchema")
            .or_else(|| fields.get("input_schema")),
    )?;
    let annotations = fields.get("annotations");
    let said = text(fields.get("description"))
        .or_else(|| text(fields.get("title")))
        .or_else(|| text(annotations.and_then(|it| it.get("title"))));
    Ok(Operation {
        name,
        description: said.map(|it| it[..it.floor_char_boundary(MAX_DESCRIPTION)].to_owned()),
        schema,
    })
}

/// Text that says something.
fn text(value: Option<&Value>) -> Option<&str> {
    let text = value.and_then(Value::as_str);
    text.filter(|it| !it.trim().is_empty())
}

fn spec(server: &ToolServer, operation: &Operation) -> ToolSpec {
    let said = operation.description.as_deref();
    let said = said.or(server.description.as_deref()).unwrap_or_default();
    ToolSpec {
        strict: None,
        name: format!("{}.{}", server.name, operation.name),
        description: said.to_owned(),
        parameters: operation.schema.offered.clone(),
    }
}
