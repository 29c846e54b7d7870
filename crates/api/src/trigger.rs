//! What starts turns of an agent besides being asked.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::program::SecretKey;
use crate::schema::{NAME, POINT, said};

/// What starts a turn: exactly one of `cron`, `webhook`, `event` and `device`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.cron), has(self.webhook), has(self.event), has(self.device)].exists_one(given, given)").message(said("a trigger is one of cron, webhook, event and device", "write exactly one of them")),
    validation = Rule::new("!has(self.webhook) || has(self.name)").message(said("the name of a webhook's trigger is part of its address", "add a name")).field_path(".name"),
    validation = Rule::new("has(self.cron) || !(has(self.timeZone) || has(self.jitterSeconds) || has(self.missed))").message(said("timeZone, jitterSeconds and missed are for cron", "remove them")),
    validation = Rule::new("has(self.webhook) || has(self.event) || has(self.device) || !(has(self.debounceSeconds) || has(self.batch))").message(said("debounceSeconds and batch are for webhook, event and device", "remove them")),
    validation = Rule::new("has(self.device) || !(has(self.property) || has(self.becomes))").message(said("property and becomes are for device", "remove them")),
    validation = Rule::new("has(self.property) || !has(self.becomes)").message(said("becomes says what one property becomes", "add property")).field_path(".property")
)]
pub struct Trigger {
    /// What it is called, once in its agent. Left out, it is its kind and its place in the list, such as cron-1; a webhook
    /// needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME))]
    pub name: Option<String>,
    /// A schedule of five fields, such as 0 7 * * * for every morning at seven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 9, max = 128), regex(pattern = r"^\S+ \S+ \S+ \S+ \S+$"))]
    pub cron: Option<String>,
    /// The time zone of the schedule, such as Europe/Berlin; UTC unless said otherwise, on every machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 64),
        regex(pattern = r"^[A-Za-z][-+_/A-Za-z0-9]*$")
    )]
    pub time_zone: Option<String>,
    /// Each run is later by so many seconds at most, always by the same number: many agents with one schedule do not start
    /// in one second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub jitter_seconds: Option<i32>,
    /// What becomes of times that passed while the node was down or asleep: once (one turn for all of them; the default) or
    /// skip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<Missed>,
    /// Deliveries from outside that are signed: POST to /v1/hooks/NAMESPACE/AGENT/NAME of the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// Ends of another agent's turns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventTrigger>,
    /// The name of a Device that says something new; the agent needs the right to read it, device.read:NAME.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME))]
    pub device: Option<String>,
    /// The device's property that is to change; any of them where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = POINT))]
    pub property: Option<String>,
    /// What the property is to become, as text: open, true, 21.5. Left out, whatever it becomes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(length(min = 1, max = 128)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub becomes: Vec<String>,
    /// What the agent is asked. In it {{trigger}}, {{agent}}, {{time}}, {{scheduled}}, {{files}}, {{source}}, {{turn}} and {{events}} are
    /// filled in. What came from outside is never in this text: it is a file of the turn's input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub input: Option<String>,
    /// A turn starts when nothing came for so many seconds, for all that came since the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 600))]
    pub debounce_seconds: Option<i32>,
    /// What one turn is for at most; 1 unless said otherwise, and 16 with debounceSeconds and for a device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub batch: Option<i32>,
    /// Turns that it starts at most. A webhook, an event and a device start 60 an hour unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<TriggerBudget>,
    /// What becomes of a time or an event while a turn of this trigger is under way: queue (it waits; the default) or skip. Of times
    /// one waits, of deliveries and events 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy: Option<Busy>,
}

impl Trigger {
    /// `cron`, `webhook`, `event` or `device`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match (&self.cron, &self.webhook, &self.event) {
            (Some(_), ..) => "cron",
            (_, Some(_), _) => "webhook",
            (.., Some(_)) => "event",
            (None, None, None) => "device",
        }
    }
}

/// What becomes of times that passed unnoticed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Missed {
    /// One turn for all of them.
    #[default]
    Once,
    /// None.
    Skip,
}

/// What becomes of an occasion while a turn is under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Busy {
    /// It waits.
    #[default]
    Queue,
    /// It is left out.
    Skip,
}

/// Deliveries from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// In which form they are signed: standard (Standard Webhooks; the default), github or stripe.
    #[serde(default)]
    pub signed: Signed,
    /// Where the secrets are that sign them. Two while one takes the other's place: either counts.
    #[schemars(length(min = 1, max = 2), extend("x-kubernetes-list-type" = "atomic"))]
    pub secrets: Vec<SecretKey>,
}

/// In which form a delivery is signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Signed {
    /// Standard Webhooks.
    #[default]
    Standard,
    /// GitHub's.
    Github,
    /// Stripe's.
    Stripe,
}

/// Ends of another agent's turns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventTrigger {
    /// The agent, of the same namespace.
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME))]
    pub agent: String,
    /// Which ends: answered (the default), failed or ended, which is both.
    #[serde(default)]
    pub turn: TurnEnds,
}

/// Ends of turns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TurnEnds {
    /// With an answer.
    #[default]
    Answered,
    /// Without one.
    Failed,
    /// Either.
    Ended,
}

/// Turns that a trigger starts at most.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.perHour) || has(self.perDay)").message(said("a budget without a number bounds nothing", "write perHour, perDay or both")))]
pub struct TriggerBudget {
    /// In an hour, which begins with the first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub per_hour: Option<i32>,
    /// In a day, which begins with the first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86400))]
    pub per_day: Option<i32>,
}
