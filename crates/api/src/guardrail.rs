//! Guardrails: what must hold of whatever is written to a device or commanded.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::{DECIMAL, NAME, POINT, said};
use crate::selector::Selector;

/// What must hold of a write or a command, whoever makes it. All guardrails must let it pass.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.minimum) || has(self.maximum) || has(self.change) || has(self.rate) || has(self.hours) || has(self.forbidWhen) || has(self.approval)").message(said("a guardrail that says nothing guards nothing", "add minimum, maximum, change, rate, hours, forbidWhen or approval"))
)]
pub struct Guardrail {
    /// What it is called: a refusal names it.
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME))]
    pub name: String,
    /// The properties and commands that it is about; left out, all that can be written or commanded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        inner(length(min = 1, max = 63), regex(pattern = POINT)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub points: Vec<String>,
    /// The least that is written. A decimal, such as "5" or "-20.5".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20), regex(pattern = DECIMAL))]
    pub minimum: Option<String>,
    /// The most that is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20), regex(pattern = DECIMAL))]
    pub maximum: Option<String>,
    /// How far what is written may be from what it was at any time within the last seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// How often it is written or commanded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// When it may be written or commanded, by the device's time zone; at any other time it may not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub hours: Vec<Hours>,
    /// When it must not be written or commanded: an expression in CEL of value (what is to be written), current (what the property
    /// is) and devices (what devices of this namespace say of themselves), such as
    /// value > 18.0 && devices.window.contact == "open". What is not known, or stale, forbids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub forbid_when: Option<String>,
    /// Whether a person must approve it: required, or never (the default). A word may count for the turn or until a date, as
    /// with every approval.
    #[serde(default, skip_serializing_if = "Approval::is_never")]
    pub approval: Approval,
    /// Why it is there: a refusal says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub reason: Option<String>,
}

/// Guardrails of a policy, and the devices that they are for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceGuardrails {
    /// The devices; left out, all of the namespaces that the policy is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<DeviceSelector>,
    /// What must hold of whatever is written to them or commanded, beside what they and their models say.
    #[schemars(
        length(min = 1, max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub rules: Vec<Guardrail>,
}

/// Selects devices. All parts must hold; what is left out holds of every device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceSelector {
    /// Their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 63), regex(pattern = NAME)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub names: Vec<String>,
    /// Their DeviceModels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 63), regex(pattern = NAME)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub models: Vec<String>,
    /// Their labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
}

impl DeviceSelector {
    /// Whether it selects a device of this name and model, with these labels.
    #[must_use]
    pub fn selects(&self, name: &str, model: &str, labels: &BTreeMap<String, String>) -> bool {
        let among = |all: &[String], one: &str| all.is_empty() || all.iter().any(|it| it == one);
        among(&self.names, name)
            && among(&self.models, model)
            && self.selector.as_ref().is_none_or(|it| it.matches(labels))
    }

    /// Whether it says which devices, or of which model: then what it names of them is there.
    #[must_use]
    pub fn knows_them(&self) -> bool {
        !(self.names.is_empty() && self.models.is_empty())
    }
}

/// How far a value may go in a time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// By so much at most. A decimal.
    #[schemars(
        length(min = 1, max = 20),
        regex(pattern = r"^[0-9]{1,9}(\.[0-9]{1,6})?$")
    )]
    pub by: String,
    /// Within so many seconds.
    #[schemars(range(min = 1, max = 86_400))]
    pub seconds: i32,
}

/// How often something may be done in a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rate {
    /// So many times at most.
    #[schemars(range(min = 1, max = 64))]
    pub times: i32,
    /// Within so many seconds.
    #[schemars(range(min = 1, max = 86_400))]
    pub seconds: i32,
}

/// Hours of days.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hours {
    /// On these days; left out, on all. Hours over midnight belong to the day on which they begin.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 7), extend("x-kubernetes-list-type" = "set"))]
    pub days: Vec<Day>,
    /// From this minute on, such as "06:30".
    #[schemars(length(equal = 5), regex(pattern = CLOCK))]
    pub from: String,
    /// Until this minute, which is out already; before from, it is of the next day.
    #[schemars(length(equal = 5), regex(pattern = CLOCK))]
    pub to: String,
}

const CLOCK: &str = r"^([01][0-9]|2[0-3]):[0-5][0-9]$";

/// A day of the week.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub enum Day {
    /// Monday.
    #[default]
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

/// Whether a person must approve.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Approval {
    /// No.
    #[default]
    Never,
    /// A person's word is needed.
    Required,
}

impl Approval {
    /// Whether nobody is asked.
    #[must_use]
    pub fn is_never(&self) -> bool {
        *self == Self::Never
    }
}
