//! This node's KernelNode: made where it is missing, its status kept as the node is. The spec is people's,
//! the condition Ready the operator's.

use std::{collections::BTreeMap, ffi::CStr, sync::Arc, time::Duration};

use aion_api::{
    API_VERSION, KernelNode, KernelNodeSpec, KernelNodeStatus, NodeApi, NodeCapacity,
    metadata::MANAGER_NODE,
};
use aion_backoff::Backoff;
use aion_sandbox::{Layer, LayerReading};
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use rustix::system::Uname;
use serde_json::json;
use tokio::{sync::watch, time::timeout};

use crate::instances::RUNTIMES;

/// How often the labels of the Node are looked at: they change seldom, and a watch of it needs a right that
/// a node agent does not have.
const LOOK: Duration = Duration::from_secs(60);
/// How long the first word on layers is waited for: a restart is not to seem a loss of all of them.
const LAYERS: Duration = Duration::from_secs(10);
/// After a failure.
const PAUSES: Backoff = Backoff::new(Duration::from_secs(1), LOOK);

/// See the module.
pub(super) struct Registration {
    pub(super) client: Client,
    pub(super) node: String,
    pub(super) capacity: NodeCapacity,
    pub(super) volumes: Vec<String>,
    pub(super) api: Option<NodeApi>,
    pub(super) features: watch::Receiver<Option<Arc<[LayerReading]>>>,
}

impl Registration {
    /// Works for ever.
    pub(super) async fn keep(mut self) {
        let known = self.features.wait_for(Option::is_some);
        if timeout(LAYERS, known).await.is_err() {
            tracing::warn!("the launcher does not answer: this node is registered without layers");
        }
        let mut layers = Vec::new();
        let mut written = None;
        let mut pauses = PAUSES;
        loop {
            // While the launcher is away, what it could do before is what is expected again.
            if let Some(found) = &*self.features.borrow_and_update() {
                layers = proven(found);
            }
            let wait = match self.write(&layers, &mut written).await {
                Ok(()) => {
                    pauses.reset();
                    LOOK
                }
                Err(error) => {
                    tracing::warn!(%error, "the KernelNode is written later");
                    pauses.pause()
                }
            };
            tokio::select! {
                changed = self.features.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Writes the status where it differs from what was `written` last.
    async fn write(
        &self,
        layers: &[Layer],
        written: &mut Option<KernelNodeStatus>,
    ) -> Result<(), kube::Error> {
        let status = KernelNodeStatus {
            capacity: Some(self.capacity),
            layers: layers.to_vec(),
            runtimes: RUNTIMES.to_vec(),
            volumes: self.volumes.clone(),
            labels: self.labels().await?,
            api: self.api.clone(),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            kernel_version: uname(|it| it.release()),
            architecture: uname(|it| it.machine()),
            ..KernelNodeStatus::default()
        };
        if written.as_ref() == Some(&status) {
            return Ok(());
        }
        let nodes: Api<KernelNode> = Api::all(self.client.clone());
        if nodes.get_metadata_opt(&self.node).await?.is_none() {
            let new = KernelNode::new(&self.node, KernelNodeSpec::default());
            let params = PostParams {
                field_manager: Some(MANAGER_NODE.to_owned()),
                ..PostParams::default()
            };
            match nodes.create(&params, &new).await {
                Ok(_) => tracing::info!(node = self.node, "the KernelNode was made"),
                // Somebody else was faster.
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(error) => return Err(error),
            }
        }
        let object = json!({
            "apiVersion": API_VERSION,
            "kind": "KernelNode",
            "metadata": {"name": self.node},
            "status": status,
        });
        let params = PatchParams::apply(MANAGER_NODE).force();
        nodes
            .patch_status(&self.node, &params, &Patch::Apply(&object))
            .await?;
        *written = Some(status);
        Ok(())
    }

    /// The labels of the Node, where there is one.
    async fn labels(&self) -> Result<BTreeMap<String, String>, kube::Error> {
        let nodes: Api<Node> = Api::all(self.client.clone());
        let node = nodes.get_metadata_opt(&self.node).await?;
        Ok(node.and_then(|it| it.metadata.labels).unwrap_or_default())
    }
}

/// The layers that are enforced.
fn proven(layers: &[LayerReading]) -> Vec<Layer> {
    let enforced = layers.iter().filter(|it| it.is_enforced());
    enforced.map(|it| it.name).collect()
}

fn uname(part: impl FnOnce(&Uname) -> &CStr) -> Option<String> {
    let uname = rustix::system::uname();
    let text = part(&uname).to_str().ok()?;
    // As long as the schema lets them be.
    Some(text.chars().take(32).collect())
}
