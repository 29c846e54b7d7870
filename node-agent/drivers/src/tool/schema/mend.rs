//! A schema as servers write it, made one that every model server takes: what has the same meaning in another form
//! is rewritten, and nothing else. Pure.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

/// Keywords that hold schemas by name.
const BY_NAME: [&str; 5] = [
    "properties",
    "patternProperties",
    "$defs",
    "definitions",
    "dependentSchemas",
];
/// Keywords that hold a list of schemas; `items` may as well.
const LISTS: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
/// Keywords that hold one schema.
const SINGLE: [&str; 11] = [
    "items",
    "additionalItems",
    "additionalProperties",
    "contains",
    "propertyNames",
    "not",
    "if",
    "then",
    "else",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Keywords whose value may be `null` and mean it.
const MAY_BE_NULL: [&str; 5] = ["default", "const", "enum", "examples", "example"];
/// What says something of a schema beside a reference, and asks for nothing.
const SAID: [&str; 7] = [
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
];
/// A reference is followed so deep, and so many values are written in all; else it stays a reference.
const MAX_DEPTH: usize = 32;
const MAX_VALUES: usize = 8 * 1024;

/// A schema of arguments, which are an object.
///
/// # Errors
/// Why it cannot be one.
pub(super) fn whole(listed: &Map<String, Value>) -> Result<Value, String> {
    let mut schema = Value::Object(listed.clone());
    each(&mut schema);
    // Written out it may be too large; a reference then stays one.
    let fits = |it: &Value| it.to_string().len() <= super::MAX_SCHEMA;
    if let Some(inlined) = inlined(&schema).filter(fits) {
        schema = inlined;
    }
    let Value::Object(root) = &mut schema else {
        return Err("its inputSchema is not an object".to_owned());
    };
    for name in ["$schema", "id", "$id"] {
        root.remove(name);
    }
    let fits = match root.get("type") {
        None => true,
        Some(Value::String(one)) => one == "object",
        Some(Value::Array(some)) => some.iter().any(|it| it == "object"),
        Some(_) => false,
    };
    if !fits {
        let of = root.get("type").map(Value::to_string).unwrap_or_default();
        return Err(format!(
            "its inputSchema is of type {of}, and arguments are an object"
        ));
    }
    root.insert("type".to_owned(), json!("object"));
    Ok(schema)
}

/// Every schema within, from the inside out.
fn each(schema: &mut Value) {
    let Value::Object(it) = schema else {
        return;
    };
    it.retain(|name, value| !value.is_null() || MAY_BE_NULL.contains(&name.as_str()));
    for name in BY_NAME {
        if let Some(Value::Object(schemas)) = it.get_mut(name) {
            schemas.values_mut().for_each(each);
        }
    }
    for name in LISTS.iter().chain(&SINGLE) {
        match it.get_mut(*name) {
            Some(Value::Array(schemas)) => schemas.iter_mut().for_each(each),
            Some(schema) => each(schema),
            None => {}
        }
    }
    exclusive(it, "exclusiveMinimum", "minimum");
    exclusive(it, "exclusiveMaximum", "maximum");
    required(it);
    tuple(it);
    if it.get("type").is_some_and(|of| of == "any") {
        it.remove("type");
    }
    // Some model servers refuse a list of they know not what.
    let list = it.get("type").is_some_and(|of| of == "array");
    if list && !it.contains_key("items") && !it.contains_key("prefixItems") {
        it.insert("items".to_owned(), json!({}));
    }
}

/// Draft 4 writes `"minimum": 1, "exclusiveMinimum": true`.
fn exclusive(it: &mut Map<String, Value>, exclusive: &str, bound: &str) {
    match it.get(exclusive) {
        Some(Value::Bool(true)) => {
            match it.remove(bound) {
                Some(limit) => it.insert(exclusive.to_owned(), limit),
                None => it.remove(exclusive),
            };
        }
        Some(Value::Bool(false)) => drop(it.remove(exclusive)),
        _ => {}
    }
}

/// Draft 3 writes `"required": true` within a property; and some list a name twice.
fn required(it: &mut Map<String, Value>) {
    if let Some(Value::Array(list)) = it.get_mut("required") {
        let mut seen = HashSet::new();
        list.retain(|name| seen.insert(name.clone()));
    }
    let mut named: Vec<String> = Vec::new();
    if let Some(Value::Object(properties)) = it.get_mut("properties") {
        for (name, property) in properties {
            let Value::Object(property) = property else {
                continue;
            };
            if let Some(Value::Bool(is)) = property.get("required").cloned() {
                property.remove("required");
                if is {
                    named.push(name.clone());
                }
            }
        }
    }
    if named.is_empty() {
        return;
    }
    let list = it.entry("required").or_insert_with(|| json!([]));
    if let Value::Array(list) = list {
        for name in named {
            if !list.iter().any(|it| *it == name) {
                list.push(json!(name));
            }
        }
    }
}

/// Drafts up to 2019-09 write a tuple as a list of `items`.
fn tuple(it: &mut Map<String, Value>) {
    if it.get("items").is_some_and(Value::is_array)
        && let Some(items) = it.remove("items")
    {
        it.insert("prefixItems".to_owned(), items);
        if let Some(rest) = it.remove("additionalItems") {
            it.insert("items".to_owned(), rest);
        }
    }
}

/// Without references; `None` where one leads back to itself, out of the schema or nowhere, or it grows too large.
fn inlined(schema: &Value) -> Option<Value> {
    let mut left = MAX_VALUES;
    let mut inlined = follow(schema, schema, 0, &mut left)?;
    if let Value::Object(root) = &mut inlined {
        root.remove("$defs");
        root.remove("definitions");
    }
    Some(inlined)
}

fn follow(root: &Value, schema: &Value, depth: usize, left: &mut usize) -> Option<Value> {
    *left = left.checked_sub(1)?;
    if depth > MAX_DEPTH {
        return None;
    }
    match schema {
        Value::Object(it) => {
            if let Some(Value::String(reference)) = it.get("$ref") {
                let target = root.pointer(reference.strip_prefix('#')?)?;
                let target = follow(root, target, depth + 1, left)?;
                return beside(target, it);
            }
            // These refer by other rules, which the check knows.
            if it.contains_key("$dynamicRef") || it.contains_key("$recursiveRef") {
                return None;
            }
            let mut whole = Map::new();
            for (name, value) in it {
                // What is referred to is taken from the root.
                if depth == 0 && (name == "$defs" || name == "definitions") {
                    continue;
                }
                whole.insert(name.clone(), follow(root, value, depth + 1, left)?);
            }
            Some(Value::Object(whole))
        }
        Value::Array(list) => {
            let all = list.iter().map(|it| follow(root, it, depth + 1, left));
            Some(Value::Array(all.collect::<Option<_>>()?))
        }
        plain => Some(plain.clone()),
    }
}

/// A schema in the place of a reference to it, with what stood beside the reference.
fn beside(target: Value, reference: &Map<String, Value>) -> Option<Value> {
    let others = reference.iter().filter(|(name, _)| {
        !["$ref", "$defs", "definitions", "$schema", "$id", "id"].contains(&name.as_str())
    });
    let (said, asked): (Vec<_>, Vec<_>) =
        others.partition(|(name, _)| SAID.contains(&name.as_str()));
    let Value::Object(mut target) = target else {
        // `true` and `false` are schemas as well.
        return (said.is_empty() && asked.is_empty()).then_some(target);
    };
    if !asked.is_empty() && asked != [(&"type".to_owned(), &json!("object"))] {
        return None;
    }
    for (name, value) in said {
        target.insert(name.clone(), value.clone());
    }
    Some(Value::Object(target))
}
