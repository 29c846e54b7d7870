//! `DeviceModel`: what devices of one kind can say and do.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::guardrail::Guardrail;
use crate::http::HttpMapping;
use crate::mqtt::MqttMapping;
use crate::schema::{DECIMAL, POINT, said};
use crate::sparkplug::SparkplugMapping;
use crate::tool::Retry;
use crate::watchdog::Watchdog;

/// What devices of one kind can say and do.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, CustomResource, KubeSchema,
)]
#[kube(
    group = "aion.dev",
    version = "v1alpha1",
    kind = "DeviceModel",
    namespaced,
    shortname = "dm",
    category = "aion",
    derive = "Default",
    derive = "PartialEq",
    doc = "What devices of one kind can say and do: properties that are read or written, and commands. How that looks on the wire stands here where the devices have it alike, and in a Device where it has it otherwise.",
    printcolumn(
        name = "Properties",
        type_ = "string",
        json_path = ".spec.properties[*].name",
        description = "What can be read or written."
    ),
    printcolumn(
        name = "Commands",
        type_ = "string",
        json_path = ".spec.commands[*].name",
        description = "What they can be told to do."
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Since when it is there."
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.properties) && self.properties.size() > 0) || (has(self.commands) && self.commands.size() > 0)").message(said("a model without properties and commands says nothing", "add at least one of either")))]
pub struct DeviceModelSpec {
    /// What the devices are, for people and for models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub description: Option<String>,
    /// What can be read of them or written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub properties: Vec<Property>,
    /// What they can be told to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub commands: Vec<DeviceCommand>,
    /// How properties and commands look on MQTT, for all of them that do not say it themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mqtt: Option<MqttMapping>,
    /// How they look on HTTP, for devices that are reached by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpMapping>,
    /// How they look in Sparkplug B, for all of them that do not say it themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sparkplug: Option<SparkplugMapping>,
    /// What must hold of whatever is written to them or commanded. A Device adds to it, and takes nothing away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub guardrails: Vec<Guardrail>,
    /// When the node brings it into its safe state by itself. A device's stands in the place of its model's, and waits no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watchdog: Option<Watchdog>,
}

/// Something that can be read or written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.type == 'integer' || self.type == 'number' || !(has(self.minimum) || has(self.maximum) || has(self.step) || has(self.unit))").message(said("minimum, maximum, step and unit are for integer and number", "remove them, or change the type")),
    validation = Rule::new("(self.type == 'choice') == (has(self.choices) && self.choices.size() > 0)").message(said("choices are what a property of type choice may be, and of no other", "add them to a choice, or remove them")).field_path(".choices"),
    validation = Rule::new("!has(self.confirmSeconds) || (has(self.access) && self.access != 'read')").message(said("confirmSeconds is for what can be written", "remove it, or say access: readWrite")).field_path(".confirmSeconds")
)]
pub struct Property {
    /// Its name, such as power or targetTemperature.
    #[schemars(length(min = 1, max = 63), regex(pattern = POINT))]
    pub name: String,
    /// What it means, for people and for models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub description: Option<String>,
    /// What its values are: boolean, integer, number, text or choice (one of choices).
    #[serde(rename = "type")]
    pub of: ValueType,
    /// Its unit, by UCUM, such as Cel, %, kW.h or lx.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[!-~]+$"))]
    pub unit: Option<String>,
    /// The least that it is: what a device says below is not believed, and nothing below is written. A decimal, such as "-20.5".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20), regex(pattern = DECIMAL))]
    pub minimum: Option<String>,
    /// The most that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20), regex(pattern = DECIMAL))]
    pub maximum: Option<String>,
    /// What is written must be a multiple of it, counted from minimum or else from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20), regex(pattern = DECIMAL))]
    pub step: Option<String>,
    /// What a choice may be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 128)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub choices: Vec<String>,
    /// What may be done with it: read (the default), readWrite, or write where nobody can hear what it is.
    #[serde(default)]
    pub access: Access,
    /// Seconds that a device has to say that what was written is so; 5 unless said otherwise. After that the outcome of the
    /// write is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 600))]
    pub confirm_seconds: Option<i32>,
    /// What happens to a write that was under way when the node went down: never (it ends as outcome-unknown; the default) or
    /// safe (it is made again, since writing twice changes nothing).
    #[serde(default, skip_serializing_if = "Retry::is_never")]
    pub retry: Retry,
    /// Seconds after which a value that was heard is stale; left out, it is as long as the device is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 31_536_000))]
    pub stale_seconds: Option<i32>,
    /// How much of what it was is kept: left out, about the last day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<HistoryUse>,
}

/// How much is kept of what a property was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryUse {
    /// Points, 0 for none. When they are full, neighbours become one point, so that they reach back twice as far with half
    /// the detail, until hours are reached.
    #[schemars(range(min = 0, max = 1000))]
    pub points: i32,
    /// Hours that they reach back at most, 24 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 8784))]
    pub hours: Option<i32>,
}

/// Something that a device can be told to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceCommand {
    /// Its name, such as open or identify.
    #[schemars(length(min = 1, max = 63), regex(pattern = POINT))]
    pub name: String,
    /// What happens, for people and for models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub description: Option<String>,
    /// What it takes; each of them must be given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub arguments: Vec<Argument>,
    /// Seconds that a device has to say that it did it; 5 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 600))]
    pub confirm_seconds: Option<i32>,
    /// What happens to a command that was under way when the node went down: never (it ends as outcome-unknown; the default)
    /// or safe (it is sent again, since doing it twice changes nothing).
    #[serde(default, skip_serializing_if = "Retry::is_never")]
    pub retry: Retry,
}

/// What a command takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.type == 'integer' || self.type == 'number' || !(has(self.minimum) || has(self.maximum) || has(self.unit))").message(said("minimum, maximum and unit are for integer and number", "remove them, or change the type")),
    validation = Rule::new("(self.type == 'choice') == (has(self.choices) && self.choices.size() > 0)").message(said("choices are what an argument of type choice may be, and of no other", "add them to a choice, or remove them")).field_path(".choices")
)]
pub struct Argument {
    /// Its name.
    #[schemars(length(min = 1, max = 63), regex(pattern = POINT))]
    pub name: String,
    /// What it means, for people and for models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub description: Option<String>,
    /// What its values are: boolean, integer, number, text or choice.
    #[serde(rename = "type")]
    pub of: ValueType,
    /// Its unit, by UCUM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[!-~]+$"))]
    pub unit: Option<String>,
    /// The least that it may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20), regex(pattern = DECIMAL))]
    pub minimum: Option<String>,
    /// The most that it may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20), regex(pattern = DECIMAL))]
    pub maximum: Option<String>,
    /// What a choice may be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 128)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub choices: Vec<String>,
}

/// What values are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ValueType {
    /// `true` or `false`.
    #[default]
    Boolean,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// Any text of 1,024 bytes at most.
    Text,
    /// One of a list.
    Choice,
}

impl ValueType {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Text => "text",
            Self::Choice => "choice",
        }
    }
}

/// What may be done with a property.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Access {
    /// It is heard.
    #[default]
    Read,
    /// It is set, and nobody hears what it is.
    Write,
    /// Both.
    ReadWrite,
}

impl Access {
    /// Whether it is heard.
    #[must_use]
    pub const fn reads(self) -> bool {
        matches!(self, Self::Read | Self::ReadWrite)
    }

    /// Whether it can be set.
    #[must_use]
    pub const fn writes(self) -> bool {
        matches!(self, Self::Write | Self::ReadWrite)
    }
}
