//! A story about agents in a cluster: it has the control plane of its program for itself, and a namespace. What it
//! makes through this is taken away at its end; it fails if anything else is left then.
//!
//! For tests: what does not happen panics with what was seen last.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;

use aion_testkit::{ControlPlane, until};
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};

use crate::belongings::Belongings;
use crate::cluster::{self, BOUND, cluster};
use crate::node::Node;
use crate::node_agent::{self, NodeAgent};
use crate::node_double::NodeDouble;
use crate::operator::Operator;

/// A story, and the namespace that it begins with, in which inline agents are allowed. What runs for it (an operator,
/// a node) is declared after it, and so ends before it.
pub struct Story {
    /// The control plane.
    pub cluster: &'static ControlPlane,
    /// The story's namespace.
    pub namespace: &'static str,
    belongings: RefCell<Belongings>,
    _alone: MutexGuard<'static, ()>,
}

/// Begins a story that has an operator: one for all of the program's. `None`, noted as skipped, where the control
/// plane is not on this machine.
pub fn story(namespace: &'static str) -> Option<Story> {
    static OPERATOR: OnceLock<Operator> = OnceLock::new();
    Story::begin(namespace, |cluster| {
        policies(cluster);
        OPERATOR.get_or_init(|| Operator::start(cluster, "operator-one").unwrap());
    })
}

/// The shipped policies, which all stories of a program share.
fn policies(cluster: &ControlPlane) {
    static APPLIED: OnceLock<()> = OnceLock::new();
    APPLIED.get_or_init(|| cluster::policies(cluster).unwrap());
}

impl Drop for Story {
    fn drop(&mut self) {
        match self.end() {
            Ok(()) => {}
            // The reason for which it fails is told already.
            Err(error) if thread::panicking() => eprintln!("{error}"),
            Err(error) => panic!("story {}: {error}", self.namespace),
        }
    }
}

impl Story {
    /// Begins a story with the shipped policies and without an operator; `None` as [`story`].
    #[must_use]
    pub fn with_policies(namespace: &'static str) -> Option<Self> {
        Self::begin(namespace, policies)
    }

    /// Begins a story in a cluster with nothing but definitions, roles and admission; `None` as [`story`].
    #[must_use]
    pub fn bare(namespace: &'static str) -> Option<Self> {
        Self::begin(namespace, |_| ())
    }

    fn begin(namespace: &'static str, furnish: impl FnOnce(&'static ControlPlane)) -> Option<Self> {
        static ONE: Mutex<()> = Mutex::new(());
        let alone = ONE.lock();
        let cluster = cluster().unwrap()?;
        furnish(cluster);
        let story = Self {
            cluster,
            namespace,
            belongings: RefCell::new(Belongings::none_yet(cluster).unwrap()),
            _alone: alone,
        };
        story.more_room(namespace);
        Some(story)
    }

    /// Takes away what the story made through this; done when it is dropped, too, where what is said here panics.
    ///
    /// # Errors
    /// What is left besides.
    pub fn end(&self) -> Result<(), String> {
        self.belongings.borrow().take_away()
    }

    /// A namespace, in which inline agents are allowed.
    pub fn more_room(&self, namespace: &str) {
        self.belongings.borrow_mut().namespace(namespace);
        cluster::namespace(self.cluster, namespace).unwrap();
    }

    /// Applies objects that are in no namespace.
    pub fn apply_everywhere(&self, manifest: &str) {
        let applied = self.cluster.apply(manifest).unwrap();
        // `trustpolicy.aion.dev/local serverside-applied`
        for line in applied.lines() {
            let (kind, name) = line.split_once('/').unwrap();
            let (kind, name) = (kind.split('.').next(), name.split(' ').next());
            self.belongings
                .borrow_mut()
                .object(kind.unwrap(), name.unwrap());
        }
    }

    /// An operator of this story alone.
    #[must_use]
    pub fn operator(&self, identity: &str) -> Operator {
        Operator::start(self.cluster, identity).unwrap()
    }

    /// A node that is played.
    pub fn node(&self, name: &str) -> NodeDouble<'static> {
        self.node_with(name, Value::Null)
    }

    /// A node that is played, whose status differs in `status` from what others say.
    pub fn node_with(&self, name: &str, status: Value) -> NodeDouble<'static> {
        self.belongings.borrow_mut().node(name);
        NodeDouble::register_with(self.cluster, name, status).unwrap()
    }

    /// A node that plays itself; see [`Node::start`].
    #[must_use]
    pub fn working_node(&self, name: &str, volumes: &[&str], signed: &[String]) -> Node {
        let double = self.node_with(name, json!({"volumes": volumes}));
        Node::start(&double, signed)
    }

    /// A real node agent, with the folder `docs` as the volume of that name.
    #[must_use]
    pub fn node_agent(&self, name: &str, docs: &Path) -> NodeAgent {
        self.belongings.borrow_mut().node(name);
        NodeAgent::start(self.cluster, name, docs, false).unwrap()
    }

    /// What logs in as the node agent of `node`.
    #[must_use]
    pub fn login_of_node(&self, node: &str) -> PathBuf {
        self.belongings.borrow_mut().node(node);
        node_agent::login(self.cluster, node).unwrap()
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
