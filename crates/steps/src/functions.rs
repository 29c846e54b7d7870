//! Functions of expressions that are not CEL's own as the crate has them: those that an expression is rewritten to as it is
//! read, and those whose results would be wrong without a word. What may not enter: a result that is a guess; what a function
//! cannot do is an error.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kube_cel::cel::extractors::This;
use kube_cel::cel::objects::Key;
use kube_cel::cel::{Context, ExecutionError, Value as Cel};

use crate::value::kind_of_cel;
use crate::{MAX_GONE_THROUGH, MAX_ITEMS};

/// `@field(value, name)`: no name that an expression can write.
pub(crate) const FIELD: &str = "@field";
/// `@list(value)`: the value, where it is a list that may be gone through.
pub(crate) const LIST: &str = "@list";
/// `@map(value)`: the value, where it is a map.
pub(crate) const MAP: &str = "@map";
/// `@equal(a, b)`: numbers are equal whatever their types, as CEL says; the crate's `==` compares within a type.
pub(crate) const EQUAL: &str = "@equal";
/// `@is_in(value, list or map)`, with the same equality.
pub(crate) const IN: &str = "@is_in";
const CONTAINS: &str = "contains";
const SIZE: &str = "size";

/// Adds them; `gone_through` counts the items of lists.
pub(crate) fn add_to(context: &mut Context<'_>, gone_through: Arc<AtomicUsize>) {
    context.add_function(FIELD, field);
    context.add_function(LIST, move |value: Cel| list(value, &gone_through));
    context.add_function(MAP, map);
    context.add_function(EQUAL, |a: Cel, b: Cel| -> Result<bool, ExecutionError> {
        Ok(equal(&a, &b))
    });
    context.add_function(IN, |value: Cel, of: Cel| holds("in", &of, &value));
    context.add_function(CONTAINS, |This(of): This<Cel>, value: Cel| {
        holds(CONTAINS, &of, &value)
    });
    context.add_function(SIZE, size);
}

/// An error whose text holds no value, so that it is told as it is.
fn wrong<T>(message: String) -> Result<T, ExecutionError> {
    Err(ExecutionError::function_error("@", message))
}

fn field(value: Cel, name: Arc<String>) -> Result<Cel, ExecutionError> {
    match &value {
        Cel::Map(map) => match map.map.get(&Key::String(Arc::clone(&name))) {
            Some(found) => Ok(found.clone()),
            None => wrong(format!("there is no field {name}")),
        },
        other => wrong(format!(
            "{} has no field {name}; a step whose answer is JSON says as: json",
            kind_of_cel(other)
        )),
    }
}

fn map(value: Cel) -> Result<Cel, ExecutionError> {
    match &value {
        Cel::Map(_) => Ok(value),
        other => wrong(format!(
            "has asks for a field of a map, and this is {}; a step whose answer is JSON says as: json",
            kind_of_cel(other)
        )),
    }
}

fn list(value: Cel, gone_through: &AtomicUsize) -> Result<Cel, ExecutionError> {
    let Cel::List(items) = &value else {
        let is = kind_of_cel(&value);
        return wrong(format!(
            "all, exists, map and filter go through a list, and this is {is}"
        ));
    };
    let count = items.len();
    if count > MAX_ITEMS {
        return wrong(format!(
            "a list of {count} items, and {MAX_ITEMS} are the most that is gone through"
        ));
    }
    if gone_through.fetch_add(count, Ordering::Relaxed) + count > MAX_GONE_THROUGH {
        return wrong(format!(
            "it goes through more than {MAX_GONE_THROUGH} items in all"
        ));
    }
    Ok(value)
}

/// Whether a text, a list or a map holds `value`.
fn holds(function: &str, of: &Cel, value: &Cel) -> Result<bool, ExecutionError> {
    match (of, value) {
        (Cel::List(items), _) => Ok(items.iter().any(|it| equal(it, value))),
        (Cel::Map(map), Cel::String(name)) => {
            Ok(map.map.contains_key(&Key::String(Arc::clone(name))))
        }
        (Cel::String(text), Cel::String(part)) if function == CONTAINS => {
            Ok(text.contains(part.as_str()))
        }
        _ => wrong(format!(
            "{function} cannot ask whether {} is in {}",
            kind_of_cel(value),
            kind_of_cel(of)
        )),
    }
}

/// Characters of a text, as CEL says; the crate counts bytes.
fn size(This(of): This<Cel>) -> Result<i64, ExecutionError> {
    let size = match &of {
        Cel::String(text) => text.chars().count(),
        Cel::List(items) => items.len(),
        Cel::Map(map) => map.map.len(),
        other => return wrong(format!("{} has no size", kind_of_cel(other))),
    };
    Ok(i64::try_from(size).unwrap_or(i64::MAX))
}

fn equal(a: &Cel, b: &Cel) -> bool {
    match (a, b) {
        (Cel::List(a), Cel::List(b)) => {
            a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| equal(a, b))
        }
        (Cel::Map(a), Cel::Map(b)) => {
            let of_b = |name| b.map.get(name);
            let mut fields = a.map.iter();
            a.map.len() == b.map.len()
                && fields.all(|(name, a)| of_b(name).is_some_and(|b| equal(a, b)))
        }
        (Cel::Float(a), Cel::Float(b)) => a == b,
        (Cel::Float(a), b) => whole(b).is_some_and(|b| is(*a, b)),
        (a, Cel::Float(b)) => whole(a).is_some_and(|a| is(*b, a)),
        (a, b) => match (whole(a), whole(b)) {
            (Some(a), Some(b)) => a == b,
            _ => a == b,
        },
    }
}

fn whole(value: &Cel) -> Option<i128> {
    match value {
        Cel::Int(it) => Some(i128::from(*it)),
        Cel::UInt(it) => Some(i128::from(*it)),
        _ => None,
    }
}

/// Whether a double is exactly this whole number. The cast saturates, beyond all that `int` and `uint` have.
#[allow(clippy::cast_possible_truncation)]
fn is(double: f64, whole: i128) -> bool {
    double.fract() == 0.0 && double as i128 == whole
}
