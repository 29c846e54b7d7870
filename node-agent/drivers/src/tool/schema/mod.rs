//! The schema of an operation's arguments: made such that every model server takes it, and asked before a call. Pure.
//!
//! Servers write drafts 3 to 2020-12, `null` for what they leave out, references, and sometimes what is not a schema at
//! all. What cannot be made right is refused with the place. The check itself is the crate boon's, which knows the
//! drafts; it is given no file and no address to load.

mod mend;
mod weight;

use std::{error::Error, sync::Arc};

use boon::{Compiler, Draft, SchemaIndex, Schemas, UrlLoader, ValidationError};
use serde_json::{Map, Value};

use weight::Weight;

/// The largest schema of an operation, in bytes; one that has a larger is not offered.
const MAX_SCHEMA: usize = 64 * 1024;
/// The name that a schema has for the check; nothing is loaded by it.
const NAME: &str = "arguments:/schema";
/// So many faults are told at once.
const MAX_FAULTS: usize = 5;
/// The longest list of faults, in bytes.
const MAX_TOLD: usize = 2 * 1024;

/// The schema of an operation.
#[derive(Clone)]
pub(super) struct Schema {
    /// As it is offered to a model: an object's, without references where that can be.
    pub(super) offered: Value,
    check: Arc<Check>,
}

struct Check {
    schemas: Schemas,
    at: SchemaIndex,
    weight: Weight,
}

impl Schema {
    /// Reads what a server lists as `inputSchema`.
    ///
    /// # Errors
    /// Why it is not one.
    pub(super) fn read(listed: Option<&Value>) -> Result<Self, String> {
        let listed = match listed {
            None => return Err("it has no inputSchema".to_owned()),
            Some(Value::Object(schema)) => schema,
            Some(other) => {
                return Err(format!("its inputSchema is {}, not an object", kind(other)));
            }
        };
        let draft = declared(listed.get("$schema"));
        let offered = mend::whole(listed)?;
        let size = offered.to_string().len();
        if size > MAX_SCHEMA {
            return Err(format!(
                "its inputSchema has {size} bytes, and may have {MAX_SCHEMA}"
            ));
        }
        let check = Check::compile(&offered, draft)?;
        Ok(Self {
            offered,
            check: Arc::new(check),
        })
    }

    /// The arguments as they are sent. Models write `null` for what they leave out: where that does not fit, and what
    /// is left out does, it is left out.
    ///
    /// # Errors
    /// What does not fit, for whoever can mend it.
    pub(super) fn fitted(
        &self,
        arguments: Map<String, Value>,
    ) -> Result<Map<String, Value>, String> {
        let whole = Value::Object(arguments.clone());
        let Some(faults) = self.faults(&whole) else {
            return Ok(arguments);
        };
        let mut fewer = arguments;
        fewer.retain(|_, value| !value.is_null());
        match self.faults(&Value::Object(fewer.clone())) {
            None => Ok(fewer),
            Some(_) => Err(faults),
        }
    }

    /// What of `arguments` does not fit. A schema that would take too long to ask about these arguments is left to the
    /// server, which asks its own.
    fn faults(&self, arguments: &Value) -> Option<String> {
        let check = &self.check;
        if check.weight.is_too_much_for(arguments) {
            return None;
        }
        let error = check.schemas.validate(arguments, check.at).err()?;
        let mut faults = Vec::new();
        leaves(&error, &mut faults);
        faults.dedup();
        let more = faults.len().saturating_sub(MAX_FAULTS);
        faults.truncate(MAX_FAULTS);
        let mut told = faults.join("; ");
        told.truncate(told.floor_char_boundary(MAX_TOLD));
        if more > 0 {
            told.push_str(&format!("; and {more} more"));
        }
        Some(told)
    }
}

impl Check {
    /// By the draft that the schema says it is of; else by the newest that it is valid in.
    fn compile(schema: &Value, declared: Option<Draft>) -> Result<Self, String> {
        let mut first = None;
        for draft in declared
            .into_iter()
            .chain([Draft::V2020_12, Draft::V7, Draft::V4])
        {
            let mut compiler = Compiler::new();
            compiler.set_default_draft(draft);
            compiler.use_loader(Box::new(Nothing));
            let mut schemas = Schemas::new();
            let compiled = compiler
                .add_resource(NAME, schema.clone())
                .and_then(|()| compiler.compile(NAME, &mut schemas));
            match compiled {
                Ok(at) => {
                    return Ok(Self {
                        schemas,
                        at,
                        weight: Weight::of(schema),
                    });
                }
                Err(error) => drop(first.get_or_insert_with(|| why(&error))),
            }
        }
        Err(first.unwrap_or_default())
    }
}

/// Loads nothing: a server could have files of this machine read, or addresses dialled.
struct Nothing;

impl UrlLoader for Nothing {
    fn load(&self, url: &str) -> Result<Value, Box<dyn Error>> {
        Err(format!("{url} is not fetched").into())
    }
}

fn declared(schema: Option<&Value>) -> Option<Draft> {
    let url = schema?.as_str()?.trim_end_matches('#');
    let draft = |name: &str| url.contains(name);
    [
        ("draft-04", Draft::V4),
        ("draft-06", Draft::V6),
        ("draft-07", Draft::V7),
        ("2019-09", Draft::V2019_09),
        ("2020-12", Draft::V2020_12),
    ]
    .into_iter()
    .find_map(|(name, it)| draft(name).then_some(it))
}

fn why(error: &boon::CompileError) -> String {
    use boon::CompileError;
    let place = |url: &str| {
        url.trim_start_matches(NAME)
            .trim_start_matches('#')
            .to_owned()
    };
    match error {
        CompileError::ValidationError { src, .. } => {
            let mut faults = Vec::new();
            leaves(src, &mut faults);
            let first = faults.into_iter().next().unwrap_or_default();
            format!("its inputSchema is not a schema: {first}")
        }
        CompileError::LoadUrlError { url, .. } | CompileError::UnsupportedUrlScheme { url } => {
            format!("its inputSchema refers to {url}, and nothing is fetched for a schema")
        }
        CompileError::JsonPointerNotFound(url) => {
            format!(
                "its inputSchema refers to {}, which it does not have",
                place(url)
            )
        }
        CompileError::AnchorNotFound { reference, .. } => {
            format!("its inputSchema refers to {reference}, which it does not have")
        }
        other => format!("its inputSchema is not a schema: {other}"),
    }
}

/// The faults at the bottom, each with its place.
fn leaves(error: &ValidationError<'_, '_>, into: &mut Vec<String>) {
    if error.causes.is_empty() {
        let place = error.instance_location.to_string();
        let fault = match place.as_str() {
            "" => error.kind.to_string(),
            place => format!("{place}: {}", error.kind),
        };
        into.push(fault);
    }
    for cause in &error.causes {
        leaves(cause, into);
    }
}

/// What a value is, for a message.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests;
