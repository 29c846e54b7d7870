//! The safe state of a device: what it is told when nobody tells it anything any more.

use std::collections::BTreeMap;

use aion_abi::syscall::device::Value;
use aion_api::ValueType;

/// A part of a safe state.
#[derive(Debug, Clone, PartialEq)]
pub enum SafeStep {
    /// A property is this.
    Property {
        /// Which.
        name: String,
        /// What it is to be.
        value: Value,
    },
    /// It is told to do something.
    Command {
        /// What.
        name: String,
        /// How.
        arguments: BTreeMap<String, Value>,
    },
}

/// A value that is written as text, by the type that it is to have. What cannot be read stays a text: who takes the value says
/// what is wrong.
#[must_use]
pub fn written(of: ValueType, text: &str) -> Value {
    let read = match of {
        ValueType::Boolean => text.parse().ok().map(Value::Boolean),
        ValueType::Integer => text.parse().ok().map(Value::Integer),
        ValueType::Number => text.parse().ok().map(Value::Number),
        ValueType::Text | ValueType::Choice => None,
    };
    read.unwrap_or_else(|| Value::Text(text.to_owned()))
}
