//! An object against the schema of its kind, as an API server with strict fields checks it.
//!
//! The schema is the one that `crds/` is made from. Of JSON Schema it uses what structural schemas
//! allow, and of that what `aion-api` uses; its test holds it to that.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;
use regex::Regex;
use serde_json::Value;

use crate::problem::Told;

use super::located::{Content, Node};
use super::near::{meant, near};

/// A fault of a field: where it stands and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) line: u64,
    pub(crate) column: u64,
    pub(crate) field: String,
    pub(crate) told: Told,
}

/// Everything in `node` that breaks `schema`. `path` is the field that `node` is.
pub(crate) fn check(schema: &Value, node: &Node, path: &str) -> Vec<Fault> {
    let mut checker = Checker { faults: Vec::new() };
    checker.node(schema, node, path);
    checker.faults
}

struct Checker {
    faults: Vec<Fault>,
}

impl Checker {
    fn fault(&mut self, node: &Node, path: &str, told: impl Into<Told>) {
        let (line, column) = (node.line, node.column);
        self.faults.push(Fault {
            line,
            column,
            field: path.to_owned(),
            told: told.into(),
        });
    }

    fn node(&mut self, schema: &Value, node: &Node, path: &str) {
        let wanted = schema["type"].as_str().unwrap_or_default();
        match (wanted, &node.content) {
            (_, Content::Null) => self.fault(
                node,
                path,
                ("has no value", "write one, or leave the field out"),
            ),
            ("object", Content::Map(_)) => self.object(schema, node, path),
            ("array", Content::List(items)) => self.list(schema, node, items, path),
            ("string", Content::Text(text)) => self.text(schema, node, text, path),
            ("integer", Content::Integer(value)) => self.integer(schema, node, *value, path),
            ("boolean", Content::Bool(_)) => {}
            ("string", Content::Bool(_) | Content::Integer(_) | Content::Number(_)) => {
                self.fault(
                    node,
                    path,
                    (
                        format!("must be text, and YAML reads it as {}", node.content.kind()),
                        "put it in quotes",
                    ),
                );
            }
            (wanted, content) => {
                let wanted = match wanted {
                    "object" => "a map",
                    "array" => "a list",
                    "integer" => "a whole number",
                    "boolean" => "true or false",
                    _ => "text",
                };
                self.fault(
                    node,
                    path,
                    format!("must be {wanted}, and is {}", content.kind()),
                );
            }
        }
    }

    fn object(&mut self, schema: &Value, node: &Node, path: &str) {
        let Content::Map(entries) = &node.content else {
            return;
        };
        let properties = schema["properties"].as_object();
        let values = &schema["additionalProperties"];
        for (key, value) in entries {
            let field = join(path, &key.name);
            if let Some(property) = properties.and_then(|p| p.get(&key.name)) {
                self.node(property, value, &field);
            } else if values.is_object() {
                self.node(values, value, &field);
            } else if let Some(properties) = properties {
                let remedy = meant(&key.name, properties.keys().map(String::as_str));
                self.faults.push(Fault {
                    line: key.line,
                    column: key.column,
                    field,
                    told: ("is not a field here", remedy).into(),
                });
            }
        }
        for required in schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            if node.get(required).is_none() {
                self.fault(node, &join(path, required), ("is missing", "add it"));
            }
        }
        if let Some(most) = schema["maxProperties"]
            .as_u64()
            .filter(|most| entries.len() as u64 > *most)
        {
            self.fault(
                node,
                path,
                format!("has {} entries, and {most} are the most", entries.len()),
            );
        }
    }

    fn list(&mut self, schema: &Value, node: &Node, items: &[Node], path: &str) {
        for (at, item) in items.iter().enumerate() {
            self.node(&schema["items"], item, &format!("{path}[{at}]"));
        }
        if let Some(most) = schema["maxItems"]
            .as_u64()
            .filter(|most| items.len() as u64 > *most)
        {
            self.fault(
                node,
                path,
                format!("has {} items, and {most} are the most", items.len()),
            );
        }
        if let Some(least) = schema["minItems"]
            .as_u64()
            .filter(|least| (items.len() as u64) < *least)
        {
            self.fault(
                node,
                path,
                format!("has {} items, and needs at least {least}", items.len()),
            );
        }
        let keys: Vec<&str> = match schema["x-kubernetes-list-type"].as_str() {
            Some("set") => Vec::new(),
            Some("map") => schema["x-kubernetes-list-map-keys"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect(),
            _ => return,
        };
        let mut seen = BTreeSet::new();
        for (at, item) in items.iter().enumerate() {
            let identity = if keys.is_empty() {
                item.to_json().to_string()
            } else {
                keys.iter()
                    .map(|key| {
                        item.get(key)
                            .map(|v| v.to_json().to_string())
                            .unwrap_or_default()
                    })
                    .collect()
            };
            if !seen.insert(identity) {
                let what = match keys.first() {
                    Some(key) => format!("has the same {key} as another item"),
                    None => "is in the list twice".to_owned(),
                };
                let told = (what, "remove one of them");
                self.fault(item, &format!("{path}[{at}]"), told);
            }
        }
    }

    fn text(&mut self, schema: &Value, node: &Node, text: &str, path: &str) {
        let length = text.chars().count() as u64;
        if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
            self.fault(
                node,
                path,
                format!("is {length} characters long, and {most} are the most"),
            );
        }
        if let Some(least) = schema["minLength"].as_u64().filter(|least| length < *least) {
            let told: Told = match length {
                0 => ("is empty", "write something, or leave the field out").into(),
                _ => format!("is {length} characters long, and needs at least {least}").into(),
            };
            self.fault(node, path, told);
            return;
        }
        if let Some(allowed) = schema["enum"].as_array()
            && !allowed.iter().any(|value| value.as_str() == Some(text))
        {
            let names: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
            let meant =
                near(text, names.iter().copied()).map(|name| format!("did you mean {name}? it "));
            let meant = meant.unwrap_or_default();
            self.fault(
                node,
                path,
                (
                    format!("is {text:?}"),
                    format!("{meant}must be one of {}", names.join(", ")),
                ),
            );
        }
        if let Some(pattern) = schema["pattern"].as_str() {
            match matches(pattern, text) {
                Some(true) => {}
                Some(false) => self.fault(
                    node,
                    path,
                    format!("is {text:?}, which does not have the form {pattern}"),
                ),
                None => self.fault(
                    node,
                    path,
                    format!("cannot be checked, since the schema's pattern {pattern} is broken"),
                ),
            }
        }
    }

    fn integer(&mut self, schema: &Value, node: &Node, value: i64, path: &str) {
        if let Some(least) = schema["minimum"].as_i64().filter(|least| value < *least) {
            self.fault(
                node,
                path,
                format!("is {value}, and must be at least {least}"),
            );
        }
        if let Some(most) = schema["maximum"].as_i64().filter(|most| value > *most) {
            self.fault(
                node,
                path,
                format!("is {value}, and must be at most {most}"),
            );
        }
        let fits = match schema["format"].as_str() {
            Some("int32") => i32::try_from(value).is_ok(),
            _ => true,
        };
        if !fits && schema.get("maximum").is_none() {
            self.fault(
                node,
                path,
                format!("is {value}, and must be at most {}", i32::MAX),
            );
        }
    }
}

/// Whether `text` has the form `pattern`; `None` where the pattern is broken.
fn matches(pattern: &str, text: &str) -> Option<bool> {
    static PATTERNS: Mutex<BTreeMap<String, Option<Regex>>> = Mutex::new(BTreeMap::new());
    let mut patterns = PATTERNS.lock();
    let regex = patterns
        .entry(pattern.to_owned())
        .or_insert_with(|| Regex::new(pattern).ok());
    regex.as_ref().map(|regex| regex.is_match(text))
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}
