//! This node's KernelNode: made where it is missing, its status kept as the node is, with the condition Degraded. The
//! spec is people's, the condition Ready the operator's.
//!
//! A KernelNode that is being deleted is a node that somebody forgets: it is let go, and the node registers as a new one
//! right after. What its memory held before is no pool's then, since pools that lost something are known by another name.

use std::{
    collections::BTreeMap,
    ffi::CStr,
    sync::Arc,
    time::{Duration, Instant},
};

use aion_api::{
    API_VERSION, KernelNode, KernelNodeSpec, KernelNodeStatus, NodeApi, NodeCapacity, NodeHook,
    condition::{self, Condition, Judgement, Status},
    metadata::MANAGER_NODE,
};
use aion_backoff::Backoff;
use aion_drivers::outbound::{NodeAddresses, Sight};
use aion_sandbox::{Layer, LayerReading};
use aion_serve::certificate::Announced;
use k8s_openapi::{api::core::v1::Node, apimachinery::pkg::apis::meta::v1::Time};
use kube::{
    Api, Client,
    api::{GetParams, Patch, PatchParams, PostParams},
    core::{DynamicObject, PartialObjectMeta},
    discovery::ApiResource,
};
use rustix::system::Uname;
use serde_json::json;
use tokio::{sync::watch, time::timeout};

use super::{
    certificate::{Trouble, trouble},
    sight::judgement,
};
use crate::{clock, instances::runtimes, kernel_trace::KernelTraces};

/// How often the labels of the Node are looked at: they change seldom, and a watch of it needs a right that
/// a node agent does not have.
const LOOK: Duration = Duration::from_secs(60);
/// How often it is looked whether the KernelNode is there still: a node that was forgotten and lives comes back.
const PRESENT: Duration = Duration::from_secs(10);
/// How long the first word on layers is waited for: a restart is not to seem a loss of all of them.
const LAYERS: Duration = Duration::from_secs(10);
/// How long a restarted node agent leaves the condition as an earlier run wrote it, while it looks at its network.
const SETTLES: Duration = Duration::from_secs(30);
/// After a failure.
const PAUSES: Backoff = Backoff::new(Duration::from_secs(1), LOOK);

/// See the module.
pub(super) struct Registration {
    pub(super) client: Client,
    pub(super) node: String,
    pub(super) capacity: NodeCapacity,
    pub(super) volumes: Vec<String>,
    pub(super) api: Option<ServedAt>,
    pub(super) features: watch::Receiver<Option<Arc<[LayerReading]>>>,
    /// What the launcher uses of the kernel, known when the features are.
    pub(super) kernel: KernelTraces,
    pub(super) nodes: NodeAddresses,
    /// Since when it is looked at the network.
    pub(super) begun: Instant,
}

/// Where others ask this node.
pub(crate) struct ServedAt {
    pub(crate) url: String,
    /// Without one it is plain text, on loopback only.
    pub(crate) certificate: Option<Announced>,
}

/// What is said of the certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Checked {
    authority: Option<String>,
    trouble: Option<Trouble>,
}

/// What was written last, and of which KernelNode.
#[derive(Debug, Default)]
struct Written {
    uid: Option<String>,
    layers: Vec<Layer>,
    hooks: Vec<NodeHook>,
    sight: Option<Sight>,
    checked: Checked,
    status: Option<KernelNodeStatus>,
    at: Option<Instant>,
}

impl Registration {
    /// Works for ever.
    pub(super) async fn keep(mut self) {
        let known = self.features.wait_for(Option::is_some);
        if timeout(LAYERS, known).await.is_err() {
            tracing::warn!("the launcher does not answer: this node is registered without layers");
        }
        let mut layers = Vec::new();
        let mut written = Written::default();
        let mut pauses = PAUSES;
        loop {
            // While the launcher is away, what it could do before is what is expected again.
            if let Some(found) = &*self.features.borrow_and_update() {
                layers = proven(found);
            }
            let wait = match self.look(&layers, &mut written).await {
                Ok(()) => {
                    pauses.reset();
                    PRESENT
                }
                Err(error) => {
                    tracing::warn!(%error, "the KernelNode is written later");
                    pauses.pause()
                }
            };
            tokio::select! {
                changed = self.features.changed() => if changed.is_err() { return },
                () = renewed(self.api.as_mut()) => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Looks whether all is as it was `written` last: the KernelNode and the network each time, the Node's labels from
    /// time to time.
    async fn look(&self, layers: &[Layer], written: &mut Written) -> Result<(), kube::Error> {
        let nodes: Api<KernelNode> = Api::all(self.client.clone());
        // From the API server's cache: this is asked by every node, all the time.
        let cached = GetParams::any();
        let there = nodes.get_metadata_opt_with(&self.node, &cached).await?;
        let there = there.map(|it| it.metadata);
        if there
            .as_ref()
            .is_some_and(|it| it.deletion_timestamp.is_some())
        {
            if written.uid.take().is_some() {
                tracing::warn!(
                    node = self.node,
                    "this node is being forgotten; it registers as a new one after"
                );
            }
            return Ok(());
        }
        let uid = there.and_then(|it| it.uid);
        let sight = self.nodes.sight();
        let checked = self.checked();
        let same = uid.is_some()
            && uid == written.uid
            && layers == written.layers
            && self.hooks() == written.hooks
            && written.sight == Some(sight)
            && written.checked == checked;
        if same && written.at.is_some_and(|at| at.elapsed() < LOOK) {
            return Ok(());
        }
        self.write(layers, (sight, checked), uid, written).await
    }

    /// Writes the status where it differs from what was `written` last of the KernelNode with `uid`, which is made where
    /// there is none.
    async fn write(
        &self,
        layers: &[Layer],
        (sight, checked): (Sight, Checked),
        uid: Option<String>,
        written: &mut Written,
    ) -> Result<(), kube::Error> {
        let judged = judgement(sight, self.nodes.failure(), &self.node);
        let judged = and_certificate(judged, checked.trouble.clone());
        let before = match &written.status {
            Some(status) => status.conditions.clone(),
            None => self.conditions().await?,
        };
        let conditions = conditions(before, judged, self.begun.elapsed());
        let status = KernelNodeStatus {
            conditions,
            capacity: Some(self.capacity),
            layers: layers.to_vec(),
            hooks: self.hooks(),
            runtimes: runtimes(layers),
            volumes: self.volumes.clone(),
            labels: self.labels().await?,
            api: self.api.as_ref().map(|api| NodeApi {
                url: api.url.clone(),
                ca_bundle: checked.authority.clone(),
            }),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            kernel_version: uname(|it| it.release()),
            architecture: uname(|it| it.machine()),
            ..KernelNodeStatus::default()
        };
        let same = uid.is_some() && uid == written.uid;
        if same && written.status.as_ref() == Some(&status) {
            written.at = Some(Instant::now());
            return Ok(());
        }
        if uid.is_none() {
            let nodes: Api<KernelNode> = Api::all(self.client.clone());
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
        // Of the answer only the metadata is read: the spec may be of a newer release.
        let nodes: Api<PartialObjectMeta<KernelNode>> = Api::all(self.client.clone());
        let patch = Patch::Apply(&object);
        let patched = nodes.patch_status(&self.node, &params, &patch).await?;
        if let (Some(certificate), Some(authority)) = (self.certificate(), &checked.authority) {
            certificate.written.send_replace(authority.clone());
        }
        *written = Written {
            uid: patched.metadata.uid,
            layers: layers.to_vec(),
            hooks: status.hooks.clone(),
            sight: Some(sight),
            checked,
            status: Some(status),
            at: Some(Instant::now()),
        };
        Ok(())
    }

    fn hooks(&self) -> Vec<NodeHook> {
        let hooks = self.kernel.hooks().into_iter();
        let hooks = hooks.map(|hook| NodeHook {
            name: hook.name,
            // As long as the schema lets it be.
            lacking: hook.lacking.map(|why| why.chars().take(1024).collect()),
        });
        hooks.collect()
    }

    fn certificate(&self) -> Option<&Announced> {
        self.api.as_ref()?.certificate.as_ref()
    }

    fn checked(&self) -> Checked {
        self.certificate().map_or_else(Checked::default, |it| {
            let state = it.state.borrow();
            Checked {
                authority: Some(state.authority.clone()),
                trouble: trouble(&state, clock::timestamp()),
            }
        })
    }

    /// This node agent's condition of the KernelNode as an earlier run left it: where it still holds it keeps its time.
    /// The spec may be of a newer release, and is not read.
    async fn conditions(&self) -> Result<Vec<Condition>, kube::Error> {
        let kind = ApiResource::erase::<KernelNode>(&());
        let nodes: Api<DynamicObject> = Api::all_with(self.client.clone(), &kind);
        let node = nodes.get_opt(&self.node).await?;
        let conditions = node.map(|it| it.data["status"]["conditions"].clone());
        let conditions: Option<Vec<Condition>> =
            conditions.and_then(|it| serde_json::from_value(it).ok());
        let ours = conditions.into_iter().flatten();
        Ok(ours.filter(|it| it.type_ == condition::DEGRADED).collect())
    }

    /// The labels of the Node, where there is one.
    async fn labels(&self) -> Result<BTreeMap<String, String>, kube::Error> {
        let nodes: Api<Node> = Api::all(self.client.clone());
        let node = nodes.get_metadata_opt(&self.node).await?;
        Ok(node.and_then(|it| it.metadata.labels).unwrap_or_default())
    }
}

/// Returns when something else is to be said of the certificate.
async fn renewed(api: Option<&mut ServedAt>) {
    let changed = match api.and_then(|api| api.certificate.as_mut()) {
        Some(certificate) => certificate.state.changed().await.is_ok(),
        None => false,
    };
    if !changed {
        std::future::pending::<()>().await;
    }
}

/// The condition, with what is wrong with the certificate beside what is wrong with the network.
fn and_certificate(judged: Judgement, trouble: Option<Trouble>) -> Judgement {
    match trouble {
        None => judged,
        Some(Trouble { reason, message }) if judged.status == Status::False => {
            Judgement::new(judged.type_, true, reason, message)
        }
        Some(Trouble { message, .. }) => Judgement {
            status: Status::True,
            message: format!("{}; and {message}", judged.message),
            ..judged
        },
    }
}

/// What is written after those of `before`, by a node agent that has looked for so long: at a start they stay while
/// nothing is known.
fn conditions(before: Vec<Condition>, judged: Judgement, looked: Duration) -> Vec<Condition> {
    let starts = looked < SETTLES && judged.status == Status::Unknown;
    match starts && !before.is_empty() {
        true => before,
        false => condition::write(&before, &[judged], None, &Time(clock::second())),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_stays_unknown_after_a_restart_is_not_said_to_be_seen() {
        let at = |before, sight, seconds| {
            let failure = Some("forbidden".to_owned());
            let judged = judgement(sight, failure, "a");
            conditions(before, judged, Duration::from_secs(seconds))
        };
        let first = at(Vec::new(), Sight::NotKnown, 0);
        assert_eq!(first[0].status, "Unknown");
        let seen = at(first, Sight::Seen, 1);
        assert_eq!(seen[0].status, "False");
        assert_eq!(at(seen.clone(), Sight::NotKnown, 1), seen, "a restart");
        let unknown = at(seen, Sight::NotKnown, 60);
        assert_eq!(unknown[0].status, "Unknown");
        assert!(unknown[0].message.ends_with("forbidden"), "{unknown:?}");
    }
}
