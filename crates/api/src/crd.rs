//! The custom resource definitions, made from the types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::Value;

use crate::{
    Agent, AgentInstance, AgentPolicy, ClusterAgentPolicy, KernelNode, MemoryPool, ModelEndpoint,
    Tool, TrustPolicy,
};

/// A kind, as a machine standing alone needs to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Its name, such as `Agent`.
    pub name: &'static str,
    /// Its plural, as it stands in addresses.
    pub plural: &'static str,
    /// Whether its objects belong to a namespace.
    pub namespaced: bool,
    /// Whether people write it (the others are the operator's and the node agents').
    pub written_by_people: bool,
}

/// Every kind there is.
pub const KINDS: [Kind; 9] = [
    Kind {
        name: "Agent",
        plural: "agents",
        namespaced: true,
        written_by_people: true,
    },
    Kind {
        name: "AgentInstance",
        plural: "agentinstances",
        namespaced: true,
        written_by_people: false,
    },
    Kind {
        name: "AgentPolicy",
        plural: "agentpolicies",
        namespaced: true,
        written_by_people: true,
    },
    Kind {
        name: "ClusterAgentPolicy",
        plural: "clusteragentpolicies",
        namespaced: false,
        written_by_people: true,
    },
    Kind {
        name: "KernelNode",
        plural: "kernelnodes",
        namespaced: false,
        written_by_people: false,
    },
    Kind {
        name: "MemoryPool",
        plural: "memorypools",
        namespaced: true,
        written_by_people: true,
    },
    Kind {
        name: "ModelEndpoint",
        plural: "modelendpoints",
        namespaced: true,
        written_by_people: true,
    },
    Kind {
        name: "Tool",
        plural: "tools",
        namespaced: true,
        written_by_people: true,
    },
    Kind {
        name: "TrustPolicy",
        plural: "trustpolicies",
        namespaced: false,
        written_by_people: true,
    },
];

/// Every definition, in the order of [`KINDS`], as JSON.
///
/// # Errors
/// When a definition cannot be written as JSON, which a test rules out.
pub fn all() -> Result<Vec<Value>, serde_json::Error> {
    [
        Agent::crd(),
        AgentInstance::crd(),
        AgentPolicy::crd(),
        ClusterAgentPolicy::crd(),
        KernelNode::crd(),
        MemoryPool::crd(),
        ModelEndpoint::crd(),
        Tool::crd(),
        TrustPolicy::crd(),
    ]
    .into_iter()
    .map(finish)
    .collect()
}

/// The OpenAPI schema of one kind; `None` for a kind that is none of ours.
///
/// # Errors
/// As [`all`].
pub fn schema(kind: &str) -> Result<Option<Value>, serde_json::Error> {
    let Some(at) = KINDS.iter().position(|known| known.name == kind) else {
        return Ok(None);
    };
    Ok(all()?
        .into_iter()
        .nth(at)
        .map(|mut crd| crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].take()))
}

fn finish(crd: CustomResourceDefinition) -> Result<Value, serde_json::Error> {
    let mut crd = serde_json::to_value(crd)?;
    if let Some(schema) = crd.pointer_mut("/spec/versions/0/schema/openAPIV3Schema") {
        tidy(schema);
    }
    Ok(crd)
}

/// Makes a schema say the same to every reader: a field is there or is left out, never `null`; and
/// every list says how it is merged.
fn tidy(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    object.remove("nullable");
    if object.get("type").and_then(Value::as_str) == Some("array") {
        object
            .entry("x-kubernetes-list-type")
            .or_insert_with(|| "atomic".into());
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = object.get_mut(key) {
            tidy(inner);
        }
    }
    if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(tidy);
    }
    // `uint32` and its like are no formats that Kubernetes knows.
    if object
        .get("format")
        .and_then(Value::as_str)
        .is_some_and(|format| format.starts_with("uint"))
    {
        object.remove("format");
    }
    for bound in ["minimum", "maximum"] {
        if let Some(value) = object.get_mut(bound) {
            whole(value);
        }
    }
}

/// A bound of an integer is an integer; the Kubernetes types hold it as a float.
fn whole(bound: &mut Value) {
    // Every bound of ours is far below 2^53, where a float holds each integer.
    #[allow(clippy::cast_possible_truncation)]
    if let Some(float) = bound
        .as_f64()
        .filter(|float| float.fract() == 0.0 && float.abs() < 9e15)
    {
        *bound = Value::from(float as i64);
    }
}
