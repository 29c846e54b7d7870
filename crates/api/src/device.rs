//! `Device`: a thing that agents see and move.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::guardrail::Guardrail;
use crate::http::DeviceHttp;
use crate::mqtt::{MqttAvailability, MqttCommand, MqttProperty};
use crate::schema::{NAME, conditions, said, unseen};
use crate::sparkplug::DeviceSparkplug;
use crate::watchdog::Watchdog;

/// A thing that agents see and move.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, CustomResource, KubeSchema,
)]
#[kube(
    group = "aion.dev",
    version = "v1alpha1",
    kind = "Device",
    namespaced,
    status = "DeviceStatus",
    shortname = "dev",
    category = "aion",
    derive = "Default",
    derive = "PartialEq",
    selectable = ".status.nodeName",
    doc = "A thing that agents see and move. What it says is in the node agent and never here: its status is coarse.",
    validation = Rule::new("size(self.metadata.name) <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')").message(said("the name of a Device is at most 63 characters of a-z, 0-9 and -", "choose a shorter or simpler metadata.name")),
    printcolumn(name = "Model", type_ = "string", json_path = ".spec.model", description = "What it can say and do."),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status", description = "Whether a node listens to it and agents can use it."),
    printcolumn(name = "Connected", type_ = "string", json_path = ".status.conditions[?(@.type==\"Connected\")].reason", description = "Whether it is there: Online, Offline, NotHeard or BrokerAway."),
    printcolumn(name = "Broker", type_ = "string", json_path = ".spec.mqtt.broker", description = "By which it is reached.", priority = 1),
    printcolumn(name = "URL", type_ = "string", json_path = ".spec.http.url", description = "Where it is reached by HTTP.", priority = 1),
    printcolumn(name = "Node", type_ = "string", json_path = ".status.nodeName", description = "In a cluster, the node that has it.", priority = 1),
    printcolumn(name = "Last seen", type_ = "date", json_path = ".status.lastSeen", description = "When it was heard of, by the minute.", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Since when it is there.")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.mqtt), has(self.http), has(self.sparkplug)].filter(it, it).size() == 1").message(said("a device is reached in one way: by mqtt, http or sparkplug", "say one of them"))
)]
pub struct DeviceSpec {
    /// The DeviceModel that it is of, of this namespace.
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME))]
    pub model: String,
    /// What it is, for people and for models; the model's description where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub description: Option<String>,
    /// How it is reached by MQTT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mqtt: Option<DeviceMqtt>,
    /// How it is reached by HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Box<DeviceHttp>>,
    /// How it is reached by Sparkplug B, a profile of MQTT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sparkplug: Option<Box<DeviceSparkplug>>,
    /// In a cluster, labels that its node must carry: those of the nodes that reach it or its broker. Any node, where none are said.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "crate::selector::label_map")]
    pub node_selector: BTreeMap<String, String>,
    /// The time zone of the hours of its guardrails, such as Europe/Berlin; UTC unless said otherwise, on every machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 64),
        regex(pattern = r"^[A-Za-z][-+_/A-Za-z0-9]*$")
    )]
    pub time_zone: Option<String>,
    /// What must hold of whatever is written to it or commanded, beside what its model says.
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

impl DeviceSpec {
    /// The DeviceBroker that it is reached by, if it is by one.
    #[must_use]
    pub fn broker(&self) -> Option<&str> {
        let mqtt = self.mqtt.as_ref().map(|it| it.broker.as_str());
        mqtt.or_else(|| self.sparkplug.as_ref().map(|it| it.broker.as_str()))
    }

    /// Where it is reached: its broker, or its address.
    #[must_use]
    pub fn way(&self) -> String {
        match (self.broker(), &self.http) {
            (Some(broker), _) => format!("by broker {broker}"),
            (None, Some(http)) => format!("at {}", http.url),
            (None, None) => "that nothing says how to reach".to_owned(),
        }
    }
}

/// How a device is reached by MQTT. What its model says of a property, a command or its availability holds, unless it stands here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceMqtt {
    /// The DeviceBroker, of this namespace.
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME))]
    pub broker: String,
    /// What is filled in for {{NAME}} in topics and payloads.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "parameters")]
    pub parameters: BTreeMap<String, String>,
    /// Properties that look otherwise than the model says, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub properties: Vec<MqttProperty>,
    /// Commands that look otherwise, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub commands: Vec<MqttCommand>,
    /// Where it says whether it is there, where that is elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability: Option<MqttAvailability>,
}

/// How a device stands. What it says itself is not here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = unseen()))]
pub struct DeviceStatus {
    /// The generation of the spec that this status speaks of; -1 before anybody has looked at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1))]
    pub observed_generation: Option<i64>,
    /// What holds of it: Accepted, ResolvedRefs, Guarded, Connected and Ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// When it was heard of last, by the minute, as its conditions were written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Time>,
    /// In a cluster, the one node that has it. The operator writes it; the node takes it away when it has let go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub node_name: Option<String>,
    /// What that node is to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<DeviceBinding>,
}

/// What a node is to do that has a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DeviceBinding {
    /// Listen to it, and tell it what agents want.
    Serve,
    /// Stop, and then say so: another node has to have it.
    Release,
}

fn parameters(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": {"type": "string", "maxLength": 256}
    })
}
