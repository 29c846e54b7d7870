//! A node agent's half of the conversation with the API server, played by the test with a real node
//! token: it registers, renews its Lease, reports, drains and erases when the test says so.

use std::path::PathBuf;

use aion_api::metadata::FINALIZER_DRAIN;
use aion_testkit::{ControlPlane, StartError};
use serde_json::{Value, json};

use crate::node_agent;

const SYSTEM: &str = "aion-system";

/// One node.
pub struct NodeDouble<'a> {
    cluster: &'a ControlPlane,
    kubeconfig: PathBuf,
    /// Its name.
    pub name: String,
}

impl<'a> NodeDouble<'a> {
    /// Makes the Node, its token and its KernelNode, with every layer, both runtimes, the volume docs and
    /// a label `test/node` with its name, the fields of `status` in place of those; and a Lease that holds for hours.
    ///
    /// # Errors
    /// What kubectl says.
    pub fn register_with(
        cluster: &'a ControlPlane,
        name: &str,
        status: Value,
    ) -> anyhow::Result<Self> {
        let kubeconfig = node_agent::login(cluster, name)?;
        let node = Self {
            cluster,
            kubeconfig,
            name: name.to_owned(),
        };
        node.apply(&json!({"apiVersion": "aion.dev/v1alpha1", "kind": "KernelNode", "metadata": {"name": name}, "spec": {}}), &[])?;
        let mut says = json!({
            "capacity": {"instances": 1000, "memoryMiB": 8192, "cpuMillis": 8000},
            "layers": aion_api::sandbox::Layer::ALL,
            "runtimes": ["declarative", "wasm"],
            "volumes": ["docs"],
            "labels": {"test/node": name},
        });
        for (field, value) in status.as_object().into_iter().flatten() {
            says[field] = value.clone();
        }
        node.apply(
            &json!({
                "apiVersion": "aion.dev/v1alpha1", "kind": "KernelNode", "metadata": {"name": name},
                "status": says,
            }),
            &["--subresource=status"],
        )?;
        node.heartbeat(7200)?;
        Ok(node)
    }

    /// What logs in as its node agent.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig.clone()
    }

    /// Renews the Lease, which then holds for `seconds`.
    ///
    /// # Errors
    /// What kubectl says.
    pub fn heartbeat(&self, seconds: i32) -> Result<(), StartError> {
        let now = now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
        self.apply(
            &json!({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": format!("aion-node.{}", self.name), "namespace": SYSTEM},
                "spec": {"holderIdentity": self.name, "leaseDurationSeconds": seconds, "renewTime": now},
            }),
            &[],
        )
    }

    /// The instances of `namespace` that are on this node, as the node itself sees them.
    ///
    /// # Errors
    /// What kubectl says.
    pub fn instances(&self, namespace: &str) -> Result<Vec<Value>, StartError> {
        let field = format!("spec.nodeName={}", self.name);
        self.list(&[
            "-n",
            namespace,
            "get",
            "agentinstances",
            "--field-selector",
            &field,
        ])
    }

    fn list(&self, args: &[&str]) -> Result<Vec<Value>, StartError> {
        let list = self.run(&[args, &["-o", "json"]].concat())?;
        let list: Value = serde_json::from_str(&list).unwrap_or_default();
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// Says of `instance` that it is ready, its bundle signed or its being inline allowed, every layer
    /// enforced.
    ///
    /// # Errors
    /// What kubectl says.
    pub fn ready(&self, instance: &Value) -> Result<(), StartError> {
        let told = Self::all_is_well(instance["spec"].get("bundle").is_some());
        self.says(instance, &json!({"phase": "Ready", "conditions": told}))
    }

    /// The conditions of an instance that can be asked.
    pub(crate) fn all_is_well(is_bundle: bool) -> Vec<Value> {
        let verified = if is_bundle { "Signed" } else { "Inline" };
        conditions(&[
            ("Verified", "True", verified, "as it should be"),
            (
                "SandboxEnforced",
                "True",
                "Enforced",
                "all layers are enforced",
            ),
            ("Ready", "True", "Ok", "can be asked"),
        ])
    }

    /// Says `phase` and `conditions` (type, status, reason, message) of `instance`.
    ///
    /// # Errors
    /// What kubectl says.
    pub fn report(
        &self,
        instance: &Value,
        phase: &str,
        told: &[(&str, &str, &str, &str)],
    ) -> Result<(), StartError> {
        self.says(
            instance,
            &json!({"phase": phase, "conditions": conditions(told)}),
        )
    }

    /// Says `status` of `instance`.
    ///
    /// # Errors
    /// What kubectl says.
    pub fn says(&self, instance: &Value, status: &Value) -> Result<(), StartError> {
        self.apply(
            &json!({
                "apiVersion": "aion.dev/v1alpha1", "kind": "AgentInstance",
                "metadata": {"name": instance["metadata"]["name"], "namespace": instance["metadata"]["namespace"]},
                "status": status,
            }),
            &["--subresource=status"],
        )
    }

    /// Says that `instance` is drained, by taking its own finalizer away.
    ///
    /// # Errors
    /// What kubectl says.
    pub fn drained(&self, instance: &Value) -> Result<(), StartError> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (name, namespace) = (
            text(&instance["metadata"]["name"]),
            text(&instance["metadata"]["namespace"]),
        );
        let finalizers = instance["metadata"]["finalizers"].as_array();
        let others = finalizers.into_iter().flatten();
        let others: Vec<&Value> = others.filter(|it| *it != FINALIZER_DRAIN).collect();
        let patch = json!({"metadata": {"finalizers": others}}).to_string();
        self.run(&[
            "-n",
            &namespace,
            "patch",
            "agentinstance",
            &name,
            "--type=merge",
            "-p",
            &patch,
        ])
        .map(|_| ())
    }

    /// Says that its part of a pool was erased (`Erased`) or not (`NotErased`).
    ///
    /// # Errors
    /// What kubectl says.
    pub fn erased(&self, namespace: &str, pool: &str, state: &str) -> Result<(), StartError> {
        self.apply(
            &json!({
                "apiVersion": "aion.dev/v1alpha1", "kind": "MemoryPool", "metadata": {"name": pool, "namespace": namespace},
                "status": {"erasures": [{"node": self.name, "state": state}]},
            }),
            &["--subresource=status"],
        )
    }

    fn run(&self, args: &[&str]) -> Result<String, StartError> {
        self.cluster.kubectl_as(&self.kubeconfig, args)
    }

    fn apply(&self, object: &Value, more: &[&str]) -> Result<(), StartError> {
        let file = tempfile::Builder::new().suffix(".json").tempfile();
        let file = file.and_then(|mut file| {
            std::io::Write::write_all(&mut file, object.to_string().as_bytes()).map(|()| file)
        });
        let file = file.map_err(|source| StartError::Io {
            doing: "writing a manifest".into(),
            source,
        })?;
        let path = file.path().to_string_lossy().into_owned();
        let apply = [
            "apply",
            "--server-side",
            "--field-manager=aion-node",
            "--force-conflicts",
            "-f",
            &path,
        ];
        self.run(&[&apply[..], more].concat()).map(|_| ())
    }
}

/// Conditions as type, status, reason and message, since now.
pub(crate) fn conditions(told: &[(&str, &str, &str, &str)]) -> Vec<Value> {
    let now = now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    told.iter()
        .map(|(type_, status, reason, message)| {
            json!({"type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": now})
        })
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "a date, as a node writes it")]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
