//! `device.list`, `device.read`, `device.history`, `device.write` and `device.command`.
//!
//! A value is a JSON scalar of the type that the device's model gives its property. What is read is what the node heard
//! last, with its age: a device is not asked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{date::UnixMillis, seen::in_a_line};

/// The longest name of a device, a property or a command, in bytes.
pub const MAX_NAME: usize = 63;
/// The longest text that is a value, in bytes.
pub const MAX_TEXT: usize = 1024;
/// The most devices of one page of a listing.
pub const MAX_DEVICES: u32 = 200;
/// The most points of one history.
pub const MAX_POINTS: u32 = 1000;

/// What a property is, or is to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "DeviceValue"))]
#[serde(untagged)]
pub enum Value {
    /// Of a boolean.
    Boolean(bool),
    /// Of an integer.
    Integer(i64),
    /// Of a number; finite.
    Number(f64),
    /// Of a text or a choice, at most [`MAX_TEXT`] bytes.
    Text(String),
}

/// Characters of a text that a device says, where it is told in a line.
const SHOWN: usize = 120;

impl Value {
    /// In one line, and no longer than that: a text is quoted, cut, and does nothing to a screen.
    #[must_use]
    pub fn in_a_line(&self) -> String {
        let Self::Text(it) = self else {
            return self.to_string();
        };
        let cut: String = it.chars().take(SHOWN).collect();
        let more = if cut.len() < it.len() { " (cut)" } else { "" };
        format!(
            "{}{more}",
            in_a_line(&serde_json::Value::from(cut).to_string())
        )
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Boolean(it) => it.fmt(f),
            Self::Integer(it) => it.fmt(f),
            Self::Number(it) => it.fmt(f),
            Self::Text(it) => f.write_str(it),
        }
    }
}

/// Whether a device can be reached, as far as its node knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// Nothing was heard of it since the node started.
    #[default]
    Unknown,
    /// It says that it is there, or was heard of and says nothing of the kind.
    Online,
    /// It says that it is not there, or its broker does of it.
    Offline,
    /// Its broker is away: what is known of it is old.
    BrokerAway,
}

impl Reach {
    /// As it is written on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Online => "online",
            Self::Offline => "offline",
            Self::BrokerAway => "broker-away",
        }
    }
}

/// The devices that the instance has any right to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListRequest {
    /// Continue after this device (the last one of the page before).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How many at most, 1 to [`MAX_DEVICES`].
    pub limit: u32,
    /// With what each says now, where it may be read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub readings: bool,
}

/// A page of devices, by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListResponse {
    /// The devices.
    pub devices: Vec<Described>,
    /// There is more: ask again with `after` set to the last name.
    pub more: bool,
}

/// A device, and what may be read of it and done with it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "DeviceDescription"))]
#[serde(rename_all = "camelCase")]
pub struct Described {
    /// Its name.
    pub name: String,
    /// The DeviceModel that it is of.
    pub model: String,
    /// What it is, for people and models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its labels, such as the room that it is in.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Whether it can be reached.
    pub reach: Reach,
    /// What can be read or written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<Point>,
    /// What it can be told to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<Command>,
    /// What it said last, where that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readings: Vec<Reading>,
}

/// A property, or an argument of a command.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "DeviceProperty"))]
#[serde(rename_all = "camelCase")]
pub struct Point {
    /// Its name.
    pub name: String,
    /// What it means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `boolean`, `integer`, `number`, `text` or `choice`.
    #[serde(rename = "type")]
    pub of: String,
    /// Its unit, by UCUM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The least that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<f64>,
    /// The most that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<f64>,
    /// What a choice may be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// It can be written.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub writable: bool,
    /// It can only be written: nobody hears what it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub write_only: bool,
}

/// Something that a device can be told to do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "DeviceCommand"))]
#[serde(rename_all = "camelCase")]
pub struct Command {
    /// Its name.
    pub name: String,
    /// What happens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it takes, all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<Point>,
}

/// What was heard last of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadRequest {
    /// The device, at most [`MAX_NAME`] bytes.
    pub device: String,
    /// Which properties; empty for all that can be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<String>,
}

/// What was heard last.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "DeviceReadings"))]
#[serde(rename_all = "camelCase")]
pub struct ReadResponse {
    /// Whether the device can be reached.
    pub reach: Reach,
    /// One for each property that was asked for, in that order.
    pub readings: Vec<Reading>,
}

/// A property as it was heard last.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "DeviceReading"))]
#[serde(rename_all = "camelCase")]
pub struct Reading {
    /// Which.
    pub property: String,
    /// What it is; absent where nothing was heard yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Its unit, by UCUM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// When it was heard, by the node's wall clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_ms: Option<UnixMillis>,
    /// Milliseconds since then, by a clock that nobody sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<u64>,
    /// It is older than its model lets it be, was kept by the broker for nobody knows how long while its model has such a bound,
    /// or the device or its broker is away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
    /// What was wrong with the newest message about it, where that could not be read: the value is of an earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
}

/// Sets a property.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WriteRequest {
    /// The device.
    pub device: String,
    /// The property.
    pub property: String,
    /// What it is to be.
    pub value: Value,
}

/// Has a device do something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommandRequest {
    /// The device.
    pub device: String,
    /// What.
    pub command: String,
    /// With what: all arguments of the model's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<String, Value>,
}

/// It was done. What was sent and not confirmed in time is refused as `outcome-unknown`: it may have been done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DoneResponse {
    /// Who says so.
    pub confirmed_by: ConfirmedBy,
    /// What the property is now, where the device said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

impl std::fmt::Display for DoneResponse {
    /// In one line: a text of a device is a stranger's, and is quoted and cut.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.confirmed_by, &self.value) {
            (ConfirmedBy::Device, Some(value)) => {
                write!(f, "done: the device says {}", value.in_a_line())
            }
            (ConfirmedBy::Device, None) => f.write_str("done: the device says so"),
            (ConfirmedBy::Broker, _) => {
                f.write_str("sent: the device has no way to say that it did it")
            }
        }
    }
}

/// Who says that something was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConfirmedBy {
    /// The device, by what it says of itself.
    Device,
    /// Its broker, which has the message: the device has no way to say that it did it.
    Broker,
}

/// What a property was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HistoryRequest {
    /// The device.
    pub device: String,
    /// The property.
    pub property: String,
    /// From when; left out: from as long ago as is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_ms: Option<UnixMillis>,
    /// Until when; left out: until now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_ms: Option<UnixMillis>,
    /// How many points at most, 1 to [`MAX_POINTS`]: what lies closer together is one point.
    pub points: u32,
}

/// What a property was, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "DeviceHistory"))]
#[serde(rename_all = "camelCase")]
pub struct HistoryResponse {
    /// The property's unit, by UCUM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The points.
    pub points: Vec<Span>,
    /// What was heard between `fromMs` and the first point is kept no longer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub older_gone: bool,
}

/// What was heard of a property within a span of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "DeviceHistoryPoint"))]
#[serde(rename_all = "camelCase")]
pub struct Span {
    /// When the last of it was heard.
    pub at_ms: UnixMillis,
    /// How many times.
    pub count: u32,
    /// The last.
    pub last: Value,
    /// The least, of an integer or a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<f64>,
    /// The most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<f64>,
    /// The mean of all that were heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_value_is_a_scalar_and_stays_what_it_is() {
        for (json, value) in [
            ("true", Value::Boolean(true)),
            ("20", Value::Integer(20)),
            ("20.0", Value::Number(20.0)),
            ("\"on\"", Value::Text("on".to_owned())),
        ] {
            let read: Value = serde_json::from_str(json).unwrap();
            assert_eq!(read, value);
            assert_eq!(serde_json::to_string(&read).unwrap(), json);
        }
        for json in ["null", "[1]", "{}"] {
            assert!(serde_json::from_str::<Value>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn reach_is_written_alike_everywhere() {
        for reach in [
            Reach::Unknown,
            Reach::Online,
            Reach::Offline,
            Reach::BrokerAway,
        ] {
            assert_eq!(serde_json::to_value(reach).unwrap(), reach.as_str());
        }
    }
}
