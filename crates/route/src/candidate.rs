//! An agent as it describes itself.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An agent that may be asked now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Candidate {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it may be asked, to begin with.
    pub try_asking: Vec<String>,
    /// Labels that people gave it.
    pub labels: Vec<String>,
    /// Tools that it uses.
    pub tools: Vec<String>,
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
struct Metadata {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
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
}

/// As it is in the resource.
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl Candidate {
    /// Reads an Agent resource; nothing where the agent cannot be asked now.
    ///
    /// # Errors
    /// It is not one.
    pub fn read(resource: &Value) -> Result<Option<Self>, serde_json::Error> {
        let Resource {
            metadata,
            spec,
            status,
        } = Resource::deserialize(resource)?;
        let mut conditions = status.conditions.iter();
        if !conditions.any(|it| it.kind == "Ready" && it.status == "True") {
            return Ok(None);
        }
        // A label with a prefix is a program's (Kubernetes: "Syntax and character set"), and says nothing to people.
        let labels = metadata.labels.into_iter();
        let labels = labels.filter(|(key, _)| !key.contains('/'));
        let tools = spec.tools.into_iter();
        Ok(Some(Self {
            namespace: metadata.namespace,
            name: metadata.name,
            description: spec.description,
            try_asking: spec.try_asking,
            labels: labels
                .map(|(key, value)| format!("{key} {value}"))
                .collect(),
            tools: tools.filter_map(|it| it.name.or(it.mcp)).collect(),
        }))
    }

    /// Its texts.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (Field, &str)> {
        let name = std::iter::once((Field::Name, self.name.as_str()));
        let description = self.description.iter();
        name.chain(description.map(|text| (Field::Description, text.as_str())))
            .chain(each(Field::Try, &self.try_asking))
            .chain(each(Field::Labels, &self.labels))
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
                {"type": "Accepted", "status": "True"}, {"type": "Ready", "status": ready},
            ]},
        })
    }

    #[test]
    fn an_agent_that_is_ready_is_read_with_what_it_says_to_people() {
        let clerk = Candidate::read(&resource("True")).unwrap().unwrap();
        let texts: Vec<_> = clerk.texts().collect();
        assert_eq!(
            texts,
            [
                (Field::Name, "clerk"),
                (Field::Description, "Writes invoices"),
                (Field::Try, "Who owes us?"),
                (Field::Labels, "team billing"),
                (Field::Tools, "ledger"),
                (Field::Tools, "mail"),
            ]
        );
    }

    #[test]
    fn an_agent_that_is_not_ready_is_not_a_candidate() {
        assert_eq!(Candidate::read(&resource("False")).unwrap(), None);
        let unseen = json!({"metadata": {"name": "new"}, "spec": {}});
        assert_eq!(Candidate::read(&unseen).unwrap(), None);
    }
}
