//! An agent as it describes itself.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An agent, for whoever wants to ask one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it may be asked, to begin with.
    #[serde(rename = "try", skip_serializing_if = "Vec::is_empty")]
    pub try_asking: Vec<String>,
    /// Labels that people gave it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Tools that it uses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// Whether it can be asked now.
    pub ready: bool,
    /// Why it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When it was made (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
}

/// Where an agent says something of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Field {
    /// Its name.
    Name,
    /// What it is for.
    Description,
    /// What it may be asked.
    Try,
    /// Its labels.
    Labels,
    /// The names of its tools.
    Tools,
}

/// What is read of an Agent resource.
#[derive(Deserialize)]
struct Resource {
    metadata: Metadata,
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    creation_timestamp: Option<String>,
}

#[derive(Deserialize)]
struct Spec {
    description: Option<String>,
    #[serde(default, rename = "try")]
    try_asking: Vec<String>,
    #[serde(default)]
    tools: Vec<Tool>,
}

#[derive(Deserialize)]
struct Tool {
    name: Option<String>,
    mcp: Option<String>,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    message: String,
}

/// As it is in the resource.
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl Agent {
    /// Reads an Agent resource.
    ///
    /// # Errors
    /// It is not one.
    pub fn read(resource: &Value) -> Result<Self, serde_json::Error> {
        let Resource {
            metadata,
            spec,
            status,
        } = Resource::deserialize(resource)?;
        let mut conditions = status.conditions.into_iter();
        let ready = conditions.find(|it| it.kind == "Ready");
        let is_ready = ready.as_ref().is_some_and(|it| it.status == "True");
        // A label with a prefix is a program's (Kubernetes: "Syntax and character set"), and says nothing to people.
        let labels = metadata.labels.into_iter();
        let labels = labels.filter(|(key, _)| !key.contains('/'));
        let tools = spec.tools.into_iter();
        Ok(Self {
            namespace: metadata.namespace,
            name: metadata.name,
            description: spec.description,
            try_asking: spec.try_asking,
            labels: labels.collect(),
            tools: tools.filter_map(|it| it.name.or(it.mcp)).collect(),
            ready: is_ready,
            message: ready.filter(|_| !is_ready).map(|it| it.message),
            created_at: metadata.creation_timestamp,
        })
    }

    /// Its texts.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (Field, &str)> {
        let name = std::iter::once((Field::Name, self.name.as_str()));
        let description = self.description.iter();
        let labels = self.labels.iter();
        let labels = labels.flat_map(|(key, value)| [key.as_str(), value.as_str()]);
        name.chain(description.map(|text| (Field::Description, text.as_str())))
            .chain(each(Field::Try, &self.try_asking))
            .chain(labels.map(|text| (Field::Labels, text)))
            .chain(each(Field::Tools, &self.tools))
    }
}

fn each(field: Field, texts: &[String]) -> impl Iterator<Item = (Field, &str)> {
    texts.iter().map(move |text| (field, text.as_str()))
}

impl Field {
    /// How much a word in it counts. Whoever says an agent's name means it; a description says what it is for, an example only what it
    /// may be asked.
    pub(crate) fn weight(self) -> f64 {
        match self {
            Self::Name => 3.0,
            Self::Description => 2.0,
            Self::Try | Self::Labels | Self::Tools => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn resource(ready: &str) -> Value {
        json!({
            "apiVersion": "aion.dev/v1alpha1", "kind": "Agent",
            "metadata": {
                "name": "clerk", "namespace": "office",
                "labels": {"team": "billing", "app.kubernetes.io/part-of": "aion"},
            },
            "spec": {
                "description": "Writes invoices", "try": ["Who owes us?"],
                "tools": [{"name": "ledger"}, {"mcp": "mail"}],
            },
            "status": {"conditions": [
                {"type": "Accepted", "status": "True"},
                {"type": "Ready", "status": ready, "message": "no model answers"},
            ]},
        })
    }

    #[test]
    fn an_agent_is_read_with_what_it_says_to_people() {
        let clerk = Agent::read(&resource("True")).unwrap();
        let texts: Vec<_> = clerk.texts().collect();
        assert_eq!(
            texts,
            [
                (Field::Name, "clerk"),
                (Field::Description, "Writes invoices"),
                (Field::Try, "Who owes us?"),
                (Field::Labels, "team"),
                (Field::Labels, "billing"),
                (Field::Tools, "ledger"),
                (Field::Tools, "mail"),
            ]
        );
    }

    #[test]
    fn an_agent_that_is_not_ready_says_why() {
        let waits = Agent::read(&resource("False")).unwrap();
        assert!(!waits.ready);
        assert_eq!(waits.message.as_deref(), Some("no model answers"));
        let ready = Agent::read(&resource("True")).unwrap();
        assert!(ready.ready && ready.message.is_none());
        let unseen = json!({"metadata": {"name": "new"}, "spec": {}});
        assert!(!Agent::read(&unseen).unwrap().ready);
    }
}
