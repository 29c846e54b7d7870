//! Values of JSON as CEL has them, and back. Numbers that are whole are `int` where they fit, so that arithmetic goes
//! together with literals.

use std::collections::HashMap;
use std::sync::Arc;

use kube_cel::cel::Value as Cel;
use kube_cel::cel::objects::{Key, Map};
use serde_json::{Map as JsonMap, Number, Value as Json};

pub(crate) fn to_cel(value: &Json) -> Cel {
    match value {
        Json::Null => Cel::Null,
        Json::Bool(it) => Cel::Bool(*it),
        Json::Number(it) => match (it.as_i64(), it.as_u64()) {
            (Some(whole), _) => Cel::Int(whole),
            (None, Some(large)) => Cel::UInt(large),
            (None, None) => Cel::Float(it.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(it) => Cel::String(Arc::new(it.clone())),
        Json::Array(items) => Cel::List(Arc::new(items.iter().map(to_cel).collect())),
        Json::Object(fields) => {
            let fields = fields.iter();
            let fields: HashMap<Key, Cel> = fields
                .map(|(name, value)| (Key::String(Arc::new(name.clone())), to_cel(value)))
                .collect();
            Cel::Map(Map {
                map: Arc::new(fields),
            })
        }
    }
}

/// The value as JSON, with its fields in order.
///
/// # Errors
/// What it is that JSON has not.
pub(crate) fn to_json(value: &Cel) -> Result<Json, String> {
    Ok(match value {
        Cel::Null => Json::Null,
        Cel::Bool(it) => Json::Bool(*it),
        Cel::Int(it) => Json::from(*it),
        Cel::UInt(it) => Json::from(*it),
        Cel::Float(it) => match Number::from_f64(*it) {
            Some(number) => Json::Number(number),
            None => return Err(format!("the number {it}")),
        },
        Cel::String(it) => Json::String(it.as_str().to_owned()),
        Cel::List(items) => Json::Array(items.iter().map(to_json).collect::<Result<_, _>>()?),
        Cel::Map(map) => {
            let mut fields = Vec::with_capacity(map.map.len());
            for (key, value) in map.map.iter() {
                let Key::String(name) = key else {
                    return Err("a map whose keys are not text".to_owned());
                };
                fields.push((name.as_str().to_owned(), to_json(value)?));
            }
            fields.sort_by(|(a, _), (b, _)| a.cmp(b));
            Json::Object(JsonMap::from_iter(fields))
        }
        other => return Err(format!("a {}", kind_of_cel(other))),
    })
}

/// What a value is, for people.
pub(crate) fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "true or false",
        Json::Number(_) => "a number",
        Json::String(_) => "text",
        Json::Array(_) => "a list",
        Json::Object(_) => "a map",
    }
}

pub(crate) fn kind_of_cel(value: &Cel) -> &'static str {
    match value {
        Cel::Null => "null",
        Cel::Bool(_) => "true or false",
        Cel::Int(_) | Cel::UInt(_) | Cel::Float(_) => "a number",
        Cel::String(_) => "text",
        Cel::List(_) => "a list",
        Cel::Map(_) => "a map",
        Cel::Bytes(_) => "bytes",
        _ => "value of a type that JSON has not",
    }
}
