//! What became of manifests, without what is never the same twice: uids, times, and the names and revisions
//! that follow from them.

use std::collections::BTreeMap;

use aion_api::{Agent, AgentInstance, Device};
use aion_resolve::{device_binding::is_of_its_node, identity};
use serde_json::{Value, json};

/// How closely two outcomes are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Conditions with their messages.
    Words,
    /// Conditions without them: what is to be done depends on where it runs.
    Reasons,
}

/// What became of a set of manifests.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// By name: spec, labels, finalizers, owners, and the status that its node wrote.
    instances: BTreeMap<String, Value>,
    /// By agent: the status without its times.
    agents: BTreeMap<String, Value>,
    /// By device: the conditions that follow from the manifests. What its node hears of it is that node's.
    devices: BTreeMap<String, Value>,
}

impl Outcome {
    /// What `agents` and `instances` of `namespace` say, as if they were in `default`.
    ///
    /// # Errors
    /// When one cannot be written as JSON.
    pub fn of(
        namespace: &str,
        agents: &[Agent],
        instances: &[AgentInstance],
    ) -> Result<Self, String> {
        let mut names = vec![(namespace.to_owned(), "default".to_owned())];
        let mut plain = BTreeMap::new();
        for instance in instances {
            names.extend(renamed(instance)?);
        }
        for instance in instances {
            let metadata = &instance.metadata;
            let owners: Vec<_> = metadata
                .owner_references
                .iter()
                .flatten()
                .map(|o| (&o.kind, &o.name, o.controller))
                .collect();
            let mut spec = json!(instance.spec);
            spec["agent"]["uid"] = Value::Null;
            if !spec["memory"].is_null() {
                spec["memory"]["poolUid"] = Value::Null;
            }
            let value = json!({
                "spec": spec, "labels": metadata.labels, "finalizers": metadata.finalizers, "owners": owners,
                "status": status(json!(instance.status)),
            });
            let name = metadata.name.clone().unwrap_or_default();
            plain.insert(translate(&name, &names), translated(value, &names));
        }
        let agents = agents.iter().map(|agent| {
            let name = agent.metadata.name.clone().unwrap_or_default();
            let mut status = status(json!(agent.status));
            // Without an instance there is nothing that says what the revision stands for.
            let revision = &status["revision"];
            if !names.iter().any(|(from, _)| revision == from.as_str()) {
                status["revision"] = json!(revision.is_string());
            }
            (name, translated(status, &names))
        });
        Ok(Self {
            agents: agents.collect(),
            instances: plain,
            devices: BTreeMap::new(),
        })
    }

    /// The same, with what `devices` of `namespace` say.
    #[must_use]
    pub fn with_devices(mut self, namespace: &str, devices: &[Device]) -> Self {
        let names = [(namespace.to_owned(), "default".to_owned())];
        let each = devices.iter().map(|device| {
            let mut status = status(json!(device.status));
            let mut conditions = status["conditions"].take();
            if let Some(all) = conditions.as_array_mut() {
                all.retain(|it| !is_of_its_node(it["type"].as_str().unwrap_or_default()));
            }
            let name = device.metadata.name.clone().unwrap_or_default();
            (name, translated(conditions, &names))
        });
        self.devices = each.collect();
        self
    }

    /// Whether `other` is the same.
    ///
    /// # Errors
    /// The differences, each with its place.
    pub fn same(
        &self,
        own: &str,
        others: &str,
        other: &Self,
        detail: Detail,
    ) -> Result<(), String> {
        let sides = [self, other].map(|side| {
            let mut value = json!({"agents": side.agents, "instances": side.instances, "devices": side.devices});
            if detail == Detail::Reasons {
                forget_words(&mut value);
            }
            value
        });
        let mut differences = Vec::new();
        differ("", &sides[0], &sides[1], &mut differences);
        if differences.is_empty() {
            return Ok(());
        }
        Err(format!(
            "{own} and {others} differ:\n{}",
            differences.join("\n")
        ))
    }
}

/// What an instance's revision and name would be without uids and namespace.
fn renamed(instance: &AgentInstance) -> Result<[(String, String); 3], String> {
    let mut spec = instance.spec.clone();
    spec.agent.uid = String::new();
    spec.tenant = Default::default();
    if let Some(memory) = &mut spec.memory {
        memory.pool_uid = String::new();
    }
    let revision = identity::revision(&spec).map_err(|e| e.to_string())?;
    let name = identity::instance_name(&spec.agent.name, spec.replica, &revision, &spec.node_name);
    let short = |revision: &str| revision.chars().take(10).collect::<String>();
    let old = &instance.spec.revision;
    Ok([
        (instance.metadata.name.clone().unwrap_or_default(), name),
        (old.clone(), revision.clone()),
        (short(old), short(&revision)),
    ])
}

/// A status without its times.
fn status(mut status: Value) -> Value {
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        if let Some(condition) = condition.as_object_mut() {
            condition.remove("lastTransitionTime");
            // A revision's uid is of its own; so is how often its object was written.
            condition.remove("observedGeneration");
        }
    }
    if let Some(status) = status.as_object_mut() {
        status.remove("observedGeneration");
    }
    status
}

fn translated(value: Value, names: &[(String, String)]) -> Value {
    match value {
        Value::String(text) => Value::String(translate(&text, names)),
        Value::Array(items) => items
            .into_iter()
            .map(|item| translated(item, names))
            .collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(key, value)| (key, translated(value, names)))
            .collect(),
        other => other,
    }
}

fn translate(text: &str, names: &[(String, String)]) -> String {
    names
        .iter()
        .filter(|(from, _)| !from.is_empty())
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

fn forget_words(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(forget_words),
        Value::Object(fields) => {
            fields.remove("message");
            fields.values_mut().for_each(forget_words);
        }
        _ => {}
    }
}

fn differ(place: &str, a: &Value, b: &Value, found: &mut Vec<String>) {
    match (a, b) {
        (Value::Object(left), Value::Object(right)) => {
            let keys: std::collections::BTreeSet<_> = left.keys().chain(right.keys()).collect();
            for key in keys {
                let place = format!("{place}.{key}");
                differ(&place, &a[key.as_str()], &b[key.as_str()], found);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (at, (a, b)) in left.iter().zip(right).enumerate() {
                differ(&format!("{place}[{at}]"), a, b, found);
            }
        }
        _ if a == b => {}
        _ => found.push(format!("  {place}\n    {a}\n    {b}")),
    }
}
