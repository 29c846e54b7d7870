//! Watchdogs: when the node brings a device into its safe state by itself.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::schema::{POINT, said};

/// When a device is brought into its safe state, though no agent asks for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Watchdog {
    /// So many seconds after the last write or command of an agent, where one has led it out of its safe state.
    #[schemars(range(min = 1, max = 86_400))]
    pub seconds: i32,
    /// What is written and commanded then, in this order. Its ranges must admit it; no rate, hour, condition or approval stops
    /// it.
    #[schemars(
        length(min = 1, max = 8),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub safe_state: Vec<SafeStep>,
}

/// A part of a safe state: a property that is written, or a command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.property) != has(self.command)").message(said("a part of a safe state is one property or one command", "write one of the two")),
    validation = Rule::new("has(self.property) == has(self.value)").message(said("value is what a property is to be", "give the property a value, or remove it")).field_path(".value"),
    validation = Rule::new("has(self.command) || !has(self.arguments)").message(said("arguments are for a command", "remove them")).field_path(".arguments")
)]
pub struct SafeStep {
    /// The property.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = POINT))]
    pub property: Option<String>,
    /// What it is to be, as text, such as "5", "false" or "closed".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub value: Option<String>,
    /// The command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = POINT))]
    pub command: Option<String>,
    /// Its arguments, as text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "arguments")]
    pub arguments: BTreeMap<String, String>,
}

impl Watchdog {
    /// The device's, and otherwise its model's.
    #[must_use]
    pub fn of<'a>(device: &'a Option<Self>, model: &'a Option<Self>) -> Option<&'a Self> {
        device.as_ref().or(model.as_ref())
    }
}

fn arguments(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": {"type": "string", "maxLength": 128}
    })
}
