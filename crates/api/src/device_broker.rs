//! `DeviceBroker`: where devices are reached.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::program::SecretKey;
use crate::schema::said;
use crate::sparkplug::SparkplugDiscovery;

/// An MQTT broker.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, CustomResource, KubeSchema,
)]
#[kube(
    group = "aion.dev",
    version = "v1alpha1",
    kind = "DeviceBroker",
    namespaced,
    shortname = "db",
    category = "aion",
    derive = "Default",
    derive = "PartialEq",
    doc = "An MQTT broker by which devices of its namespace are reached.",
    printcolumn(
        name = "URL",
        type_ = "string",
        json_path = ".spec.url",
        description = "Where it is."
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Since when it is there."
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.password) || has(self.username)").message(said("MQTT takes a password with a username", "add username")).field_path(".username"),
    validation = Rule::new("!has(self.authority) || self.url.startsWith('mqtts:')").message(said("authority says whose certificates count, and an mqtt address has none", "use an mqtts address, or remove it")).field_path(".authority")
)]
pub struct DeviceBrokerSpec {
    /// Its address: mqtt://HOST:PORT, where what is sent can be read on the way, or mqtts://HOST:PORT. The ports are 1883 and 8883
    /// unless said otherwise.
    #[schemars(
        length(min = 8, max = 512),
        regex(pattern = r"^mqtts?://([^\s/?#@:\[\]]+|\[[0-9a-fA-F:.]+\])(:[1-9][0-9]{0,4})?$")
    )]
    pub url: String,
    /// The version of MQTT that is spoken: "5" (the default) or "3.1.1".
    #[serde(default)]
    pub version: MqttVersion,
    /// Who the node says that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub username: Option<String>,
    /// The password, as a reference to a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretKey>,
    /// The authority whose certificates alone count, in PEM form, as a reference to a Secret. Left out, the system's authorities count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<SecretKey>,
    /// Seconds after which a silent connection is probed; 30 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 5, max = 3600))]
    pub keep_alive_seconds: Option<i32>,
    /// The largest message that is taken, in KiB; 64 unless said otherwise.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        rename = "maxMessageKiB"
    )]
    #[schemars(range(min = 1, max = 1024))]
    pub max_message_kib: Option<i32>,
    /// Messages a second that are taken of each device; 50 unless said otherwise. What is more is left out and counted, but for
    /// the last: one loud device costs the others nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub messages_per_second: Option<i32>,
    /// What devices announce of themselves is listened to, and proposed; left out, nothing is. Nothing is admitted by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovery: Option<Discovery>,
}

/// By what devices announce themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.homeAssistant) || has(self.sparkplug)").message(said("discovery without a way of announcing finds nothing", "add homeAssistant: {} or sparkplug: {groups: [NAME]}, or remove discovery")))]
pub struct Discovery {
    /// Home Assistant's MQTT discovery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home_assistant: Option<HomeAssistantDiscovery>,
    /// Births of Sparkplug B.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sparkplug: Option<SparkplugDiscovery>,
}

/// Home Assistant's MQTT discovery.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HomeAssistantDiscovery {
    /// The first level, or levels, of the topics of announcements; homeassistant unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 128),
        regex(pattern = r"^[^\x00-\x1f\x7f+#$/]([^\x00-\x1f\x7f+#]*[^\x00-\x1f\x7f+#/])?$")
    )]
    pub prefix: Option<String>,
}

impl HomeAssistantDiscovery {
    /// What the topics of announcements begin with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.prefix.as_deref().unwrap_or("homeassistant")
    }
}

/// A version of MQTT.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum MqttVersion {
    /// MQTT 5.
    #[default]
    #[serde(rename = "5")]
    V5,
    /// MQTT 3.1.1.
    #[serde(rename = "3.1.1")]
    V311,
}
