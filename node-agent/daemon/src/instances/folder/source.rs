//! The folder as a source of instances, and as what the admin interface applies to.

use std::{
    fs,
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aion_abi::admin::{Applied, ApplyRequest, ApplyResponse, Change as Made};
use aion_api::{AgentInstance, AgentInstanceStatus, NodeCapacity, crd, sandbox::Layer};
use aion_policy::Trust;
use aion_resolve::{Manifest, NodeState, NodeView, Object, identity, parse_manifests};
use futures::{future::BoxFuture, stream::BoxStream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;
use tokio::sync::{Notify, mpsc};

use super::{
    manifests::{self, FolderError, Kept, ObjectKey},
    rejection::{rejection, twice},
    watch::Watch,
    world::{Moves, World},
};
use crate::instances::{Change, InstanceSource, RUNTIMES, SourceError};

/// How long after a failed watch the folder is looked at again.
const REWATCH: Duration = Duration::from_secs(5);

/// What placement must know of this node.
#[derive(Debug, Clone)]
pub struct NodeFacts {
    /// Its name.
    pub name: String,
    /// What it takes at most.
    pub capacity: NodeCapacity,
    /// Layers that the launcher can enforce.
    pub layers: Vec<Layer>,
    /// Mounts that are mapped.
    pub volumes: Vec<String>,
}

/// See the module. Clones share it.
#[derive(Clone)]
pub struct Folder {
    shared: Arc<Shared>,
}

struct Shared {
    root: PathBuf,
    state: Mutex<State>,
    /// Something changed that instances follow from.
    look: Notify,
}

struct State {
    world: World,
    node: NodeFacts,
    /// Changes go here once somebody watches.
    out: Option<mpsc::UnboundedSender<Change>>,
    /// What was last said about files that cannot be read.
    wrong: Vec<String>,
}

impl Folder {
    /// The folder `root`, made where it is missing, with what is in it now.
    ///
    /// # Errors
    /// Where it cannot be read. Single files that are broken are only said.
    pub fn open(root: PathBuf, node: NodeFacts) -> Result<Self, FolderError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&root)
            .map_err(FolderError::io("create", &root))?;
        let folder = Self {
            shared: Arc::new(Shared {
                root,
                state: Mutex::new(State {
                    world: World::default(),
                    node,
                    out: None,
                    wrong: Vec::new(),
                }),
                look: Notify::new(),
            }),
        };
        folder.reload()?;
        Ok(folder)
    }

    /// Layers, mounts or capacity changed.
    pub fn node_changed(&self, change: impl FnOnce(&mut NodeFacts)) {
        change(&mut self.lock().node);
        self.shared.look.notify_one();
    }

    /// What this node takes at most.
    pub fn capacity(&self) -> NodeCapacity {
        self.lock().node.capacity
    }

    /// Takes manifests in: all of them or none.
    ///
    /// # Errors
    /// Where the folder cannot be written. What is wrong with manifests is in the response.
    pub fn apply(&self, request: &ApplyRequest) -> Result<ApplyResponse, FolderError> {
        let mut objects = Vec::new();
        let mut rejected = Vec::new();
        for manifest in &request.manifests {
            match parse_manifests(&manifest.text, &manifest.file) {
                Ok(read) => objects.extend(read),
                Err(problems) => rejected.extend(
                    problems
                        .iter()
                        .map(|problem| rejection(&manifest.file, problem)),
                ),
            }
        }
        for Manifest { object, .. } in &mut objects {
            manifests::fill_namespace(object);
        }
        rejected.extend(twice(&objects));
        if !rejected.is_empty() {
            return Ok(ApplyResponse {
                applied: Vec::new(),
                rejected,
            });
        }
        let mut applied = Vec::new();
        let mut state = self.lock();
        let mut next = state.world.objects.clone();
        for Manifest { mut object, .. } in objects {
            let key = ObjectKey::of(&object);
            let uid = fresh_uid(&object);
            let change = settle(&mut object, next.get(&key).map(|kept| &kept.object), uid);
            if change != Made::Unchanged && !request.dry_run {
                let file = manifests::write(&self.shared.root, &object, &next)?;
                next.insert(key.clone(), Kept { object, file });
            }
            applied.push(Applied {
                kind: key.kind.to_owned(),
                namespace: (!key.namespace.is_empty()).then_some(key.namespace),
                name: key.name,
                change,
            });
        }
        if !request.dry_run {
            state.take(next);
        }
        Ok(ApplyResponse {
            applied,
            rejected: Vec::new(),
        })
    }

    /// Takes an object away; `false` where there is none.
    ///
    /// # Errors
    /// Where its file cannot be removed.
    pub fn delete(&self, key: &ObjectKey) -> Result<bool, FolderError> {
        let mut state = self.lock();
        if !state.world.objects.contains_key(key) {
            return Ok(false);
        }
        manifests::remove(key, &state.world.objects)?;
        let mut next = state.world.objects.clone();
        next.remove(key);
        state.take(next);
        Ok(true)
    }

    /// Whole objects of a kind, with their status; `namespace` narrows.
    pub fn list(&self, kind: &str, namespace: Option<&str>) -> Vec<Value> {
        let state = self.lock();
        let fits = |it: &str| namespace.is_none_or(|namespace| it.is_empty() || it == namespace);
        if kind == "AgentInstance" {
            let instances = state.world.instances.iter();
            return instances
                .filter(|(key, _)| fits(&key.namespace))
                .filter_map(|(_, it)| serde_json::to_value(it).ok())
                .collect();
        }
        let objects = state.world.objects.iter();
        objects
            .filter(|(key, _)| key.kind == kind && fits(&key.namespace))
            .filter_map(|(key, kept)| shown(&state.world, key, kept))
            .collect()
    }

    /// One whole object.
    pub fn get(&self, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        self.list(kind, Some(namespace)).into_iter().find(|it| {
            it["metadata"]["name"] == name
                && it["metadata"]["namespace"].as_str().unwrap_or_default() == namespace
        })
    }

    /// Agents that use a memory pool.
    pub fn users_of_pool(&self, namespace: &str, pool: &str) -> Vec<String> {
        let state = self.lock();
        let uses = |object: &Object| match object {
            Object::Agent(agent) => agent.spec.memory.as_ref().is_some_and(|it| it.pool == pool),
            _ => false,
        };
        let objects = state.world.objects.iter();
        objects
            .filter(|(key, kept)| key.namespace == namespace && uses(&kept.object))
            .map(|(key, _)| key.name.clone())
            .collect()
    }

    /// Whether nothing of an agent is left here: its instances are drained, and what it left is erased.
    pub fn is_rid_of(&self, namespace: &str, agent: &str) -> bool {
        let state = self.lock();
        let mut instances = state.world.instances.iter();
        !instances.any(|(key, it)| key.namespace == namespace && it.spec.agent.name == agent)
    }

    fn reload(&self) -> Result<(), FolderError> {
        let mut state = self.lock();
        let (objects, wrong) = manifests::read_all(&self.shared.root, &state.world.objects)?;
        for why in wrong.iter().filter(|why| !state.wrong.contains(why)) {
            tracing::warn!(folder = %self.shared.root.display(), %why, "a manifest was not taken in");
        }
        state.wrong = wrong;
        state.take(objects);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn view(&self) -> NodeView {
        NodeView {
            name: self.node.name.clone(),
            state: NodeState::Ready,
            capacity: self.node.capacity,
            layers: self.node.layers.clone(),
            runtimes: RUNTIMES.to_vec(),
            volumes: self.node.volumes.clone(),
            ..NodeView::default()
        }
    }

    fn take(&mut self, mut objects: std::collections::BTreeMap<ObjectKey, Kept>) {
        for kept in objects.values_mut() {
            // What a person wrote by hand has no uid; one that follows from the name outlives a restart.
            let key = ObjectKey::of(&kept.object);
            let before = self.world.objects.get(&key).map(|it| it.object.clone());
            let object = &kept.object;
            let uid = object.metadata().uid.clone().unwrap_or_else(|| {
                identity::uid(&[object.kind(), object.namespace(), object.name()])
            });
            settle(&mut kept.object, before.as_ref(), uid);
        }
        let (view, now) = (self.view(), now());
        let moves = self.world.take(objects, &view, &now);
        self.send(moves);
    }

    fn look(&mut self) {
        let (view, now) = (self.view(), now());
        let moves = self.world.look(&view, &now);
        self.send(moves);
    }

    fn send(&mut self, moves: Result<Moves, String>) {
        let moves = match moves {
            Ok(moves) => moves,
            Err(why) => {
                tracing::error!(%why, "the resources cannot be resolved");
                return;
            }
        };
        let Some(out) = &self.out else {
            return;
        };
        if moves.trust {
            let _ = out.send(Change::Trust(None));
        }
        for instance in moves.applied {
            let _ = out.send(Change::Applied(Box::new(instance)));
        }
        for instance in moves.deleted {
            let _ = out.send(Change::Deleted(Box::new(instance)));
        }
    }
}

impl InstanceSource for Folder {
    fn watch(&self) -> BoxStream<'static, Change> {
        let (out, mut changes) = mpsc::unbounded_channel();
        {
            let mut state = self.lock();
            let mut uids = Vec::new();
            for instance in state.world.instances.values() {
                uids.extend(instance.metadata.uid.clone());
                let _ = out.send(Change::Applied(Box::new(instance.clone())));
            }
            let _ = out.send(Change::Synced(uids));
            state.out = Some(out);
        }
        let folder = self.clone();
        let keeping = tokio::spawn(async move { folder.keep().await });
        let keeping = tokio_util::task::AbortOnDropHandle::new(keeping);
        Box::pin(futures::stream::poll_fn(move |cx| {
            let _held = &keeping;
            changes.poll_recv(cx)
        }))
    }

    fn patch_status<'a>(
        &'a self,
        instance: &'a AgentInstance,
        status: AgentInstanceStatus,
    ) -> BoxFuture<'a, Result<(), SourceError>> {
        let wanted = self.lock().world.patched(instance, status);
        self.shared.look.notify_one();
        Box::pin(async move {
            if wanted {
                Ok(())
            } else {
                Err(SourceError::Gone)
            }
        })
    }

    fn released<'a>(
        &'a self,
        instance: &'a AgentInstance,
    ) -> BoxFuture<'a, Result<(), SourceError>> {
        self.lock().world.released(instance);
        self.shared.look.notify_one();
        Box::pin(async { Ok(()) })
    }

    fn agent_is_gone<'a>(
        &'a self,
        instance: &'a AgentInstance,
    ) -> BoxFuture<'a, Result<bool, SourceError>> {
        let key = ObjectKey {
            kind: "Agent",
            namespace: instance.metadata.namespace.clone().unwrap_or_default(),
            name: instance.spec.agent.name.clone(),
        };
        let uid = |kept: &Kept| kept.object.metadata().uid.clone();
        let there = self.lock().world.objects.get(&key).and_then(uid);
        Box::pin(async move { Ok(there.as_ref() != Some(&instance.spec.agent.uid)) })
    }

    fn trust(&self, namespace: &str) -> Trust {
        let state = self.lock();
        state.world.trust(namespace, &state.view())
    }
}

impl Folder {
    /// Notices edits, and looks anew when it is asked to.
    async fn keep(&self) {
        loop {
            match Watch::start(&self.shared.root) {
                Ok(watch) => {
                    // What changed before the watch stood.
                    self.said(self.reload());
                    loop {
                        tokio::select! {
                            changed = watch.changed() => match changed {
                                Ok(()) => self.said(self.reload()),
                                Err(error) => {
                                    tracing::warn!(%error, "the folder of manifests is not watched for a moment");
                                    break;
                                }
                            },
                            () = self.shared.look.notified() => self.lock().look(),
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the folder of manifests cannot be watched: files that are edited by hand are noticed late");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(REWATCH) => {}
                () = self.shared.look.notified() => self.lock().look(),
            }
            self.said(self.reload());
        }
    }

    fn said(&self, reloaded: Result<(), FolderError>) {
        if let Err(error) = reloaded {
            tracing::warn!(%error, "the manifests stay as they were");
        }
    }
}

/// The uid of an object that is applied for the first time: another than that of one of the same name that
/// was deleted before.
fn fresh_uid(object: &Object) -> String {
    identity::uid(&[
        object.kind(),
        object.namespace(),
        object.name(),
        &now().0.to_string(),
    ])
}

/// Fills in what an API server would: uid, generation, time. Says what changed against `before`.
fn settle(object: &mut Object, before: Option<&Object>, uid: String) -> Made {
    let Some(before) = before else {
        let metadata = object.metadata_mut();
        metadata.uid = Some(uid);
        metadata.generation.get_or_insert(1);
        metadata.creation_timestamp.get_or_insert_with(now);
        return Made::Created;
    };
    let old = before.metadata().clone();
    let metadata = object.metadata_mut();
    metadata.uid = old.uid;
    metadata.generation = old.generation;
    metadata.creation_timestamp = old.creation_timestamp;
    if object == before {
        return Made::Unchanged;
    }
    if spec(object) != spec(before) {
        let metadata = object.metadata_mut();
        metadata.generation = Some(metadata.generation.unwrap_or(1) + 1);
    }
    Made::Configured
}

fn spec(object: &Object) -> Option<Value> {
    object.to_json().ok().map(|mut json| json["spec"].take())
}

/// An object as it is shown: with its kind, and the status that was found.
fn shown(world: &World, key: &ObjectKey, kept: &Kept) -> Option<Value> {
    let mut json = kept.object.to_json().ok()?;
    json["apiVersion"] = aion_api::API_VERSION.into();
    json["kind"] = key.kind.into();
    let name = aion_resolve::Key::new(&key.namespace, &key.name);
    let status = match key.kind {
        "Agent" => world.agents.get(&name).map(serde_json::to_value),
        "MemoryPool" => world.pools.get(&name).map(serde_json::to_value),
        _ => None,
    };
    if let Some(status) = status {
        json["status"] = status.ok()?;
    }
    Some(json)
}

fn now() -> Time {
    Time(k8s_openapi::jiff::Timestamp::now())
}

/// The kind with this plural, if there is one.
pub(crate) fn kind_of(plural: &str) -> Option<&'static crd::Kind> {
    crd::KINDS.iter().find(|it| it.plural == plural)
}
