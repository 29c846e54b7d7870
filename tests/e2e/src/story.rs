//! A story about agents in a cluster: a namespace of its own, the operator as a process with its own rights,
//! nodes with theirs. For tests: what does not happen panics with what was seen last.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::OnceLock;

use aion_testkit::{ControlPlane, until};
use serde_json::{Value, json};

use crate::cluster::{BOUND, cluster, root};
use crate::node_double::NodeDouble;
use crate::operator::Operator;

/// A namespace of its own for one story, in which inline agents are allowed.
pub struct Story {
    /// The control plane.
    pub cluster: &'static ControlPlane,
    /// The story's namespace.
    pub namespace: &'static str,
}

/// Begins a story: the operator runs, the shipped policies are applied. `None`, noted as skipped, where the
/// control plane is not on this machine.
pub fn story(namespace: &'static str) -> Option<Story> {
    static OPERATOR: OnceLock<Operator> = OnceLock::new();
    let cluster = cluster().unwrap()?;
    OPERATOR.get_or_init(|| {
        let policies = root().join("policies/cluster.yaml");
        cluster
            .kubectl(&["apply", "-f", &policies.to_string_lossy()])
            .unwrap();
        Operator::start(cluster, "operator-one").unwrap()
    });
    cluster
        .kubectl(&["create", "namespace", namespace])
        .unwrap();
    cluster
        .kubectl(&[
            "label",
            "namespace",
            namespace,
            "aion.dev/inline-agents=allowed",
        ])
        .unwrap();
    Some(Story { cluster, namespace })
}

impl Story {
    /// A node that is played.
    pub fn node(&self, name: &str) -> NodeDouble<'static> {
        NodeDouble::register(self.cluster, name).unwrap()
    }

    /// A node that is played, whose status differs in `status` from what others say.
    pub fn node_with(&self, name: &str, status: Value) -> NodeDouble<'static> {
        NodeDouble::register_with(self.cluster, name, status).unwrap()
    }

    /// All objects of a kind.
    ///
    /// # Errors
    /// What kubectl says.
    pub fn list(&self, kind: &str) -> Result<Vec<Value>, String> {
        let text = self
            .cluster
            .kubectl(&["-n", self.namespace, "get", kind, "-o", "json"]);
        let list: Value =
            serde_json::from_str(&text.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// An object as it is applied.
    pub fn object(&self, kind: &str, name: &str, spec: Value) -> Value {
        json!({
            "apiVersion": "aion.dev/v1alpha1", "kind": kind,
            "metadata": {"name": name, "namespace": self.namespace}, "spec": spec,
        })
    }

    /// Applies an object as the admin.
    pub fn apply(&self, kind: &str, name: &str, spec: Value) {
        self.cluster
            .apply(&self.object(kind, name, spec).to_string())
            .unwrap();
    }

    /// An object, as the admin sees it.
    ///
    /// # Errors
    /// What kubectl says.
    pub fn get(&self, kind: &str, name: &str) -> Result<Value, String> {
        let text = self
            .cluster
            .kubectl(&["-n", self.namespace, "get", kind, name, "-o", "json"]);
        text.map_err(|e| e.to_string())
            .and_then(|text| serde_json::from_str(&text).map_err(|e| e.to_string()))
    }

    /// Waits until the condition is told with `expect` (`True InstancesReady`), and gives its message.
    pub fn condition(&self, kind: &str, name: &str, type_: &str, expect: &str) -> String {
        until(
            &format!("{kind} {name} to tell {type_} {expect}"),
            BOUND,
            || {
                let object = self.get(kind, name)?;
                let conditions = object["status"]["conditions"]
                    .as_array()
                    .cloned()
                    .unwrap_or_default();
                let condition = conditions
                    .iter()
                    .find(|c| c["type"] == type_)
                    .cloned()
                    .unwrap_or_default();
                let text = |key: &str| condition[key].as_str().unwrap_or_default().to_owned();
                if format!("{} {}", text("status"), text("reason")) == expect {
                    Ok(text("message"))
                } else {
                    Err(format!("{:#}", object["status"]))
                }
            },
        )
        .unwrap()
    }

    /// Waits until `node` has as many instances here, none of them being deleted.
    pub fn instances(&self, node: &NodeDouble<'_>, count: usize) -> Vec<Value> {
        until(
            &format!("{count} instances on {}", node.name),
            BOUND,
            || {
                let all = node.instances(self.namespace).map_err(|e| e.to_string())?;
                let alive: Vec<Value> = all
                    .into_iter()
                    .filter(|i| i["metadata"]["deletionTimestamp"].is_null())
                    .collect();
                if alive.len() == count {
                    Ok(alive)
                } else {
                    Err(format!("there are {}", alive.len()))
                }
            },
        )
        .unwrap()
    }

    /// Waits until `node` has an instance here that is being deleted.
    pub fn draining(&self, node: &NodeDouble<'_>) -> Value {
        until(
            &format!("an instance on {} to be drained", node.name),
            BOUND,
            || {
                let all = node.instances(self.namespace).map_err(|e| e.to_string())?;
                let leaving = all
                    .into_iter()
                    .find(|i| !i["metadata"]["deletionTimestamp"].is_null());
                leaving.ok_or_else(|| "none is being deleted".to_owned())
            },
        )
        .unwrap()
    }

    /// Waits until there is no such object.
    pub fn gone(&self, kind: &str, name: &str) {
        until(&format!("{kind} {name} to be gone"), BOUND, || {
            match self.get(kind, name) {
                Err(error) if error.contains("NotFound") => Ok(()),
                Err(error) => Err(error),
                Ok(object) => Err(format!("{object:#}")),
            }
        })
        .unwrap();
    }

    /// Tells an object to go, and does not wait.
    pub fn delete(&self, kind: &str, name: &str) {
        self.cluster
            .kubectl(&["-n", self.namespace, "delete", kind, name, "--wait=false"])
            .unwrap();
    }

    /// Waits for an event with `reason`, and gives its note.
    pub fn event(&self, reason: &str) -> String {
        until(&format!("an event {reason}"), BOUND, || {
            let list = self
                .cluster
                .kubectl(&["-n", self.namespace, "get", "events", "-o", "json"]);
            let list: Value = serde_json::from_str(&list.map_err(|e| e.to_string())?)
                .map_err(|e| e.to_string())?;
            let events = list["items"].as_array().cloned().unwrap_or_default();
            let found = events.iter().find(|event| event["reason"] == reason);
            found
                .map(|event| event["message"].as_str().unwrap_or_default().to_owned())
                .ok_or_else(|| {
                    format!(
                        "{:?}",
                        events
                            .iter()
                            .map(|event| event["reason"].clone())
                            .collect::<Vec<_>>()
                    )
                })
        })
        .unwrap()
    }
}

/// An agent that must go to `node`.
#[must_use]
pub fn on(node: &str, more: Value) -> Value {
    let mut spec = json!({"instructions": "Be brief.", "nodeSelector": {"test/node": node}});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    spec
}
