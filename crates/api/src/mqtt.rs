//! How properties and commands of a device look on MQTT.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::{DECIMAL, POINT, said};

/// A topic: no wildcards and no control characters. `{{name}}` in it is filled in.
pub(crate) const TOPIC: &str = r"^[^\x00-\x1f\x7f+#]+$";
/// A JSON pointer (RFC 6901).
pub(crate) const POINTER: &str = r"^(/([^~/]|~[01])*)+$";

/// How properties and commands look on MQTT. In topics and payloads {{device}}, {{namespace}} and the device's parameters are
/// filled in; in a payload that is sent {{value}} and a command's arguments, too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MqttMapping {
    /// Properties, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub properties: Vec<MqttProperty>,
    /// Commands, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub commands: Vec<MqttCommand>,
    /// Where a device says whether it is there. Left out, it is there once it was heard of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability: Option<MqttAvailability>,
}

/// How a property looks on MQTT.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.state) || has(self.set)").message(said("a property is heard (state) or set (set)", "add at least one of them")),
    validation = Rule::new("!(has(self.values) && has(self.scale))").message(said("values are for booleans, texts and choices, and scale is for numbers", "remove one of them"))
)]
pub struct MqttProperty {
    /// The model's property.
    #[schemars(length(min = 1, max = 63), regex(pattern = POINT))]
    pub name: String,
    /// Where the device says what it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<MqttState>,
    /// How it is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<MqttPublish>,
    /// What the device writes for a value where it writes something else, such as ON for true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["value"])
    )]
    pub values: Vec<MqttValue>,
    /// How the device's numbers become the property's: times factor, plus offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scale>,
}

/// Where a device says what a property is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MqttState {
    /// The topic.
    #[schemars(length(min = 1, max = 512), regex(pattern = TOPIC))]
    pub topic: String,
    /// Where in a payload that is JSON, as a JSON pointer such as /temperature. Left out, all of the payload is the value. A payload without
    /// it says nothing of the property.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = POINTER))]
    pub pointer: Option<String>,
}

/// What is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MqttPublish {
    /// The topic.
    #[schemars(length(min = 1, max = 512), regex(pattern = TOPIC))]
    pub topic: String,
    /// The payload; {{value}} unless said otherwise for a property, empty for a command. In one that is JSON, values are filled in as
    /// JSON: {"state": {{value}}}.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub payload: Option<String>,
    /// How it is delivered: atLeastOnce (the default), exactlyOnce or atMostOnce.
    #[serde(default)]
    pub delivery: Delivery,
}

/// How a message is delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Delivery {
    /// Quality of service 1.
    #[default]
    AtLeastOnce,
    /// Quality of service 2.
    ExactlyOnce,
    /// Quality of service 0: the broker does not say that it has it.
    AtMostOnce,
}

/// What a device writes for a value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MqttValue {
    /// The value: "true" or "false" of a boolean, one of the choices of a choice.
    #[schemars(length(min = 1, max = 128))]
    pub value: String,
    /// What the device writes for it.
    #[schemars(length(max = 128))]
    pub payload: String,
}

/// How a device's numbers become a property's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Scale {
    /// Times this, which is not 0; 1 unless said otherwise. A decimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20), regex(pattern = DECIMAL))]
    pub factor: Option<String>,
    /// Plus this; 0 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20), regex(pattern = DECIMAL))]
    pub offset: Option<String>,
    /// What the device takes: any number (the default) or whole ones, to which what is written is rounded.
    #[serde(default)]
    pub takes: Takes,
}

/// What numbers a device takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Takes {
    /// Any.
    #[default]
    Any,
    /// Whole ones.
    Whole,
}

/// How a command looks on MQTT.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MqttCommand {
    /// The model's command.
    #[schemars(length(min = 1, max = 63), regex(pattern = POINT))]
    pub name: String,
    /// What is sent.
    pub send: MqttPublish,
    /// By what the device says that it did it. Left out, it cannot, and it counts as done when the broker has the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<MqttDone>,
}

/// By what a device says that it did something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MqttDone {
    /// The topic. What was kept there from before does not count.
    #[schemars(length(min = 1, max = 512), regex(pattern = TOPIC))]
    pub topic: String,
    /// Where in a payload that is JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = POINTER))]
    pub pointer: Option<String>,
    /// What stands there; left out, anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub equals: Option<String>,
}

/// Where a device says whether it is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MqttAvailability {
    /// The topic.
    #[schemars(length(min = 1, max = 512), regex(pattern = TOPIC))]
    pub topic: String,
    /// Where in a payload that is JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = POINTER))]
    pub pointer: Option<String>,
    /// What it says when it is there; online unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub online: Option<String>,
    /// What it says, or its broker for it, when it is not; offline unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub offline: Option<String>,
}
