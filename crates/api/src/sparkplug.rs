//! How properties and commands of a device look in Sparkplug B (version 3.0.0), the profile of MQTT for industry.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mqtt::{MqttValue, Scale};
use crate::schema::{NAME, POINT, said};

/// A level of a topic: no slash, no wildcards and no control characters.
const LEVEL: &str = r"^[^\x00-\x1f\x7f+#/]+$";
/// The name of a metric: no control characters.
const METRIC: &str = r"^[^\x00-\x1f\x7f]+$";

/// How a device is reached by Sparkplug B. What its model says of a property or a command holds, unless it stands here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceSparkplug {
    /// The DeviceBroker, of this namespace.
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME))]
    pub broker: String,
    /// The group of its edge node.
    #[schemars(length(min = 1, max = 128), regex(pattern = LEVEL))]
    pub group: String,
    /// Its edge node.
    #[schemars(length(min = 1, max = 128), regex(pattern = LEVEL))]
    pub edge_node: String,
    /// Which device of the edge node it is; left out, it is the edge node itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = LEVEL))]
    pub device: Option<String>,
    /// Whether its edge node is asked for its birth where that is not known, or messages were missed: ask (the default) or never. Where
    /// one device of an edge node says never, it is not asked.
    #[serde(default, skip_serializing_if = "Rebirth::is_asked")]
    pub rebirth: Rebirth,
    /// Properties that look otherwise than the model says, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub properties: Vec<SparkplugProperty>,
    /// Commands that look otherwise, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub commands: Vec<SparkplugCommand>,
}

/// Whether an edge node is asked for its birth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Rebirth {
    /// It is, where that is needed.
    #[default]
    Ask,
    /// It is not: what is not known stays so until it is born again by itself.
    Never,
}

impl Rebirth {
    /// Whether it is asked.
    #[must_use]
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
    pub const fn is_asked(&self) -> bool {
        matches!(self, Self::Ask)
    }
}

/// How properties and commands look in Sparkplug B.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SparkplugMapping {
    /// Properties, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub properties: Vec<SparkplugProperty>,
    /// Commands, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub commands: Vec<SparkplugCommand>,
}

/// How a property looks in Sparkplug B: a metric, which is heard, and written where the model lets the property be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(has(self.values) && has(self.scale))").message(said("values are for booleans, texts and choices, and scale is for numbers", "remove one of them"))
)]
pub struct SparkplugProperty {
    /// The model's property.
    #[schemars(length(min = 1, max = 63), regex(pattern = POINT))]
    pub name: String,
    /// The metric, by its name in the birth, such as Outputs/Speed.
    #[schemars(length(min = 1, max = 256), regex(pattern = METRIC))]
    pub metric: String,
    /// What the metric is for a value where it is something else, such as 1 for heating.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["value"])
    )]
    pub values: Vec<MqttValue>,
    /// How the metric's numbers become the property's: times factor, plus offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scale>,
}

/// How a command looks in Sparkplug B.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SparkplugCommand {
    /// The model's command.
    #[schemars(length(min = 1, max = 63), regex(pattern = POINT))]
    pub name: String,
    /// The metric that is written, by its name in the birth, such as Node Control/Reboot.
    #[schemars(length(min = 1, max = 256), regex(pattern = METRIC))]
    pub metric: String,
    /// What is written; true unless said otherwise. {{NAME}} in it is an argument of the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub value: Option<String>,
    /// By what the device says that it did it. Sparkplug has no other word for that: brokers do not confirm its commands.
    pub done: SparkplugDone,
}

/// By what a device says that it did something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SparkplugDone {
    /// The metric that says so.
    #[schemars(length(min = 1, max = 256), regex(pattern = METRIC))]
    pub metric: String,
    /// What it is then; left out, anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub equals: Option<String>,
}

/// Births of Sparkplug B.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SparkplugDiscovery {
    /// The groups whose edge nodes are listened to.
    #[schemars(
        length(min = 1, max = 16),
        inner(length(min = 1, max = 128), regex(pattern = LEVEL)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub groups: Vec<String>,
    /// Whether an edge node that is heard of and whose birth is not known is asked for it, once for each connection to the broker: ask
    /// (the default) or never.
    #[serde(default, skip_serializing_if = "Rebirth::is_asked")]
    pub rebirth: Rebirth,
}
