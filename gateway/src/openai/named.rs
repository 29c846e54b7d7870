//! How a model of an agent is named where one text names it: `AGENT:MODEL`, with `NAMESPACE/` before it where that is not the
//! usual one. No name of an agent or a namespace has a colon, so such a name is never an agent's.

use aion_route::Agent;
use serde::Deserialize;
use serde_json::Value;

use crate::gateway::{AUTO, Gateway};

/// See the module.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named<'a> {
    /// Namespace and name.
    pub(super) agent: (&'a str, &'a str),
    /// As the Agent says it; none where it is whichever answers, in the Agent's order.
    pub(super) model: Option<&'a str>,
}

/// What is read of an Agent resource.
#[derive(Deserialize)]
struct Resource {
    spec: Spec,
}

#[derive(Deserialize)]
struct Spec {
    #[serde(default)]
    runtime: String,
    model: Option<Use>,
}

#[derive(Deserialize)]
struct Use {
    #[serde(rename = "use")]
    first: String,
    #[serde(default)]
    fallback: Vec<String>,
    embedding: Option<String>,
}

impl Gateway {
    pub(super) fn named<'a>(&'a self, name: &'a str) -> Option<Named<'a>> {
        let (agent, model) = name.split_once(':')?;
        let agent = self.long(agent);
        let model = Some(model).filter(|it| *it != AUTO);
        Some(Named { agent, model })
    }

    /// The names of an agent's models. Those of an agent whose program is the node's are its own affair.
    pub(super) fn lent(&self, agent: &Agent, resource: &Value) -> Vec<String> {
        if !self.lends {
            return Vec::new();
        }
        let Ok(Resource { spec }) = Resource::deserialize(resource) else {
            return Vec::new();
        };
        let Some(model) = spec.model.filter(|_| spec.runtime == "external") else {
            return Vec::new();
        };
        let whose = match agent.namespace == self.namespace {
            true => agent.name.clone(),
            false => format!("{}/{}", agent.namespace, agent.name),
        };
        let all = [AUTO.to_owned(), model.first].into_iter();
        let mut all: Vec<_> = all.chain(model.fallback).collect();
        // An endpoint may stand for both of its models.
        all.extend(model.embedding.filter(|it| !all.contains(it)));
        let all = all.into_iter();
        all.map(|model| format!("{whose}:{model}")).collect()
    }
}
