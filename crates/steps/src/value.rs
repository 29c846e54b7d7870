//! Values of JSON as CEL has them, and back. Numbers that are whole are `int` where they fit, so that arithmetic goes
//! together with literals, however an answer writes them (`10` or `10.0`).

use std::collections::HashMap;
use std::sync::Arc;

use kube_cel::cel::Value as Cel;
use kube_cel::cel::objects::{Key, Map};
use serde_json::{Map as JsonMap, Number, Value as Json};

use crate::MAX_RESULT;

pub(crate) fn to_cel(value: &Json) -> Cel {
    match value {
        Json::Null => Cel::Null,
        Json::Bool(it) => Cel::Bool(*it),
        Json::Number(it) => match (it.as_i64(), it.as_u64()) {
            (Some(whole), _) => Cel::Int(whole),
            (None, Some(large)) => Cel::UInt(large),
            (None, None) => number(it.as_f64().unwrap_or(f64::NAN)),
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

/// A double, or the whole number that it is, as far as each of these is one double.
fn number(value: f64) -> Cel {
    const MOST: f64 = 9_007_199_254_740_992.0;
    #[allow(clippy::cast_possible_truncation)]
    match value.fract() == 0.0 && value.abs() <= MOST {
        true => Cel::Int(value as i64),
        false => Cel::Float(value),
    }
}

/// The value as JSON, with its fields in order.
///
/// # Errors
/// What it is that JSON has not, or that it is larger than a result may be: before all of it was copied.
pub(crate) fn to_json(value: &Cel) -> Result<Json, String> {
    let mut left = MAX_RESULT;
    counted(value, &mut left)
}

/// How a value is told that is larger than a result may be.
pub(crate) fn too_much() -> String {
    format!("more than {MAX_RESULT} bytes, which are the most")
}

fn counted(value: &Cel, left: &mut usize) -> Result<Json, String> {
    let size = match value {
        Cel::String(it) => it.len(),
        _ => 1,
    };
    *left = left.checked_sub(size).ok_or_else(too_much)?;
    Ok(match value {
        Cel::Null => Json::Null,
        Cel::Bool(it) => Json::Bool(*it),
        Cel::Int(it) => Json::from(*it),
        Cel::UInt(it) => Json::from(*it),
        Cel::Float(it) => match (number(*it), Number::from_f64(*it)) {
            (Cel::Int(whole), _) => Json::from(whole),
            (_, Some(number)) => Json::Number(number),
            (_, None) => return Err(format!("the number {it}")),
        },
        Cel::String(it) => Json::String(it.as_str().to_owned()),
        Cel::List(items) => {
            let items = items.iter().map(|it| counted(it, left));
            Json::Array(items.collect::<Result<_, _>>()?)
        }
        Cel::Map(map) => {
            let mut fields = Vec::with_capacity(map.map.len());
            for (key, value) in map.map.iter() {
                let Key::String(name) = key else {
                    return Err("a map whose keys are not text".to_owned());
                };
                *left = left.checked_sub(name.len()).ok_or_else(too_much)?;
                fields.push((name.as_str().to_owned(), counted(value, left)?));
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
