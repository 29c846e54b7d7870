//! The folder as a source of instances, and as what the admin interface applies to.

use std::{
    collections::BTreeSet, ffi::OsString, path::PathBuf, pin::pin, sync::Arc, time::Duration,
};

use aion_abi::admin::Change as Made;
use aion_abi::kernel_event::Hook;
use aion_api::program::Runtime;
use aion_api::{AgentInstance, AgentInstanceStatus, NodeCapacity, sandbox::Layer};
use aion_policy::Trust;
use aion_resolve::{Key, NodeState, NodeView, Object, device::LiveDevice, identity};
use futures::{future::BoxFuture, stream::BoxStream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, mpsc};

use super::{
    files::Files,
    going::Going,
    manifests::{FolderError, ObjectKey},
    objects::settle,
    watch::{Noticed, Watch},
    world::World,
};
use crate::{
    devices::{DeviceChange, DeviceSource},
    files::private_folder,
    instances::{Change, InstanceSource, SourceError},
};

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
    /// What of the kernel it uses.
    pub hooks: Vec<Hook>,
    /// Mounts that are mapped.
    pub volumes: Vec<String>,
}

/// See the module. Clones share it.
#[derive(Clone)]
pub struct Folder {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    root: PathBuf,
    /// Something changed that instances follow from.
    look: Notify,
}

pub(super) struct State {
    pub(super) world: World,
    pub(super) files: Files,
    pub(super) going: Going,
    node: NodeFacts,
    /// Changes go here once somebody watches.
    out: Option<mpsc::UnboundedSender<Change>>,
    /// Those of devices.
    devices_out: Option<mpsc::UnboundedSender<Vec<DeviceChange>>>,
    /// Whether it was said which devices there are.
    devices_said: bool,
    /// What was last said about files that cannot be read.
    wrong: Vec<String>,
    /// A file could not be read since the start: nothing that was here before is taken for gone meanwhile.
    unknown: bool,
    /// Whether it was said that all instances were told.
    synced: bool,
    /// Instances that were going when the daemon before ended, while it is not known whether their agents are back.
    left: Vec<AgentInstance>,
}

impl Folder {
    /// The folder `root`, made where it is missing, with what is in it now. In `going` is noted what is still
    /// to be erased of agents that are gone.
    ///
    /// # Errors
    /// Where they cannot be read. Single files that are broken are only said.
    pub fn open(root: PathBuf, going: PathBuf, node: NodeFacts) -> Result<Self, FolderError> {
        private_folder(&root).map_err(FolderError::io("create", &root))?;
        let (going, left) = Going::open(going)?;
        let mut state = State {
            world: World::new(),
            files: Files::new(root.clone()),
            going,
            node,
            out: None,
            devices_out: None,
            devices_said: false,
            wrong: Vec::new(),
            unknown: false,
            synced: false,
            left,
        };
        let (changed, gone) = state.read()?;
        state.put(changed, &gone);
        state.judge_left()?;
        state.look();
        Ok(Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                root,
                look: Notify::new(),
            }),
        })
    }

    /// Layers, mounts or capacity changed.
    pub fn node_changed(&self, change: impl FnOnce(&mut NodeFacts)) {
        let mut state = self.lock();
        change(&mut state.node);
        state.world.touch_all();
        drop(state);
        self.shared.look.notify_one();
    }

    /// What this node takes at most.
    pub fn capacity(&self) -> NodeCapacity {
        self.lock().node.capacity
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock()
    }
}

impl State {
    fn view(&self) -> NodeView {
        NodeView {
            name: self.node.name.clone(),
            state: NodeState::Ready,
            capacity: self.node.capacity,
            layers: self.node.layers.clone(),
            hooks: self.node.hooks.clone(),
            runtimes: Runtime::ALL.to_vec(),
            volumes: self.node.volumes.clone(),
            ..NodeView::default()
        }
    }

    /// Takes in what changed in the files.
    pub(super) fn reload(&mut self) -> Result<(), FolderError> {
        let (changed, gone) = self.read()?;
        self.take(changed, &gone);
        self.tell_all();
        self.tell_all_devices();
        Ok(())
    }

    /// Whether these files are as they were taken in, and nothing else is open.
    fn knows(&self, files: &BTreeSet<OsString>) -> bool {
        self.wrong.is_empty() && self.left.is_empty() && files.iter().all(|it| self.files.knows(it))
    }

    /// What was going at the start goes on going, unless its agent is back.
    fn judge_left(&mut self) -> Result<(), FolderError> {
        for instance in std::mem::take(&mut self.left) {
            if self.world.has_agent_of(&instance) {
                self.going.done(&instance)?;
            } else if self.unknown && !self.world.has_agent_of_the_name(&instance) {
                self.left.push(instance);
            } else {
                self.world.remember(instance);
            }
        }
        Ok(())
    }

    /// Says that all instances were told, once it is known which there are.
    fn tell_all(&mut self) {
        if self.out.is_some() && !self.synced && !self.unknown {
            self.synced = true;
            let instances = self.world.instances();
            let uids = instances.filter_map(|(_, it)| it.metadata.uid.clone());
            self.send(Change::Synced(uids.collect()));
        }
    }

    /// Says which devices there are, once that is known.
    fn tell_all_devices(&mut self) {
        if let Some(out) = self.devices_out.as_ref()
            && !self.devices_said
            && !self.unknown
        {
            self.devices_said = true;
            let all = self.world.all_devices().cloned().collect();
            let _ = out.send(vec![DeviceChange::All(all)]);
        }
    }

    /// What changed in the files: objects as they are now, and those that are gone.
    fn read(&mut self) -> Result<(Vec<Object>, Vec<ObjectKey>), FolderError> {
        let found = self.files.scan()?;
        for why in found.wrong.iter().filter(|why| !self.wrong.contains(why)) {
            tracing::warn!(folder = %self.files.root().display(), %why, "a manifest was not taken in");
        }
        self.wrong = found.wrong;
        self.unknown = found.unknown;
        let mut changed = Vec::new();
        for mut object in found.read {
            let key = ObjectKey::of(&object);
            // What a person wrote by hand has no uid; one that follows from the name outlives a restart.
            let uid = object.metadata().uid.clone();
            let uid = uid.unwrap_or_else(|| identity::uid(&[key.kind, &key.namespace, &key.name]));
            let before = self.world.object(&key);
            if settle(&mut object, before.as_ref(), uid) != Made::Unchanged {
                changed.push(object);
            }
        }
        Ok((changed, found.gone))
    }

    /// Takes in objects as they are now, and that others are gone.
    pub(super) fn take(&mut self, changed: Vec<Object>, gone: &[ObjectKey]) {
        self.put(changed, gone);
        if let Err(error) = self.judge_left() {
            tracing::warn!(%error, "the note of an agent that is back stays");
        }
        self.look();
    }

    fn put(&mut self, changed: Vec<Object>, gone: &[ObjectKey]) {
        let kinds = changed.iter().map(Object::kind);
        let trust = kinds
            .chain(gone.iter().map(|it| it.kind))
            .any(|kind| kind == "TrustPolicy");
        for object in changed {
            self.world.put(object);
        }
        for key in gone {
            self.world.remove(key);
        }
        if trust {
            self.send(Change::Trust(None));
        }
    }

    fn look(&mut self) {
        let (view, now) = (self.view(), now());
        let moves = self.world.look(&view, &now);
        for why in moves.failed {
            tracing::error!(%why, "an agent cannot be resolved");
        }
        if let Some(out) = self
            .devices_out
            .as_ref()
            .filter(|_| !moves.devices.is_empty())
        {
            let _ = out.send(moves.devices);
        }
        for instance in moves.applied {
            self.send(Change::Applied(instance));
        }
        for instance in moves.deleted {
            if !self.world.has_agent_of(&instance)
                && let Err(error) = self.going.note(&instance)
            {
                tracing::warn!(%error, "what an agent left is not erased if the daemon stops before it is");
            }
            self.send(Change::Deleted(instance));
        }
    }

    fn send(&self, change: Change) {
        if let Some(out) = &self.out {
            let _ = out.send(change);
        }
    }
}

impl InstanceSource for Folder {
    fn watch(&self) -> BoxStream<'static, Change> {
        let (out, mut changes) = mpsc::unbounded_channel();
        {
            let mut state = self.lock();
            for (_, instance) in state.world.instances() {
                let _ = out.send(match state.world.has_agent_of(instance) {
                    true => Change::Applied(Arc::clone(instance)),
                    false => Change::Deleted(Arc::clone(instance)),
                });
            }
            state.out = Some(out);
            state.synced = false;
            state.tell_all();
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
        status: Arc<AgentInstanceStatus>,
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
        let mut state = self.lock();
        // The note first: one that came back later would have a later agent of the name erased.
        let done = state.going.done(instance);
        if done.is_ok() {
            state.world.released(instance);
        }
        drop(state);
        self.shared.look.notify_one();
        Box::pin(async { done.map_err(|error| SourceError::Unavailable(error.to_string())) })
    }

    fn agent_is_gone<'a>(
        &'a self,
        instance: &'a AgentInstance,
    ) -> BoxFuture<'a, Result<bool, SourceError>> {
        let state = self.lock();
        // What is released already may have another agent of its name after it.
        let gone = match state.world.is_there(instance) {
            true => Ok(!state.world.has_agent_of(instance)),
            false => Err(SourceError::Gone),
        };
        Box::pin(async move { gone })
    }

    fn trust(&self, namespace: &str) -> Trust {
        self.lock().world.trust(namespace)
    }
}

impl DeviceSource for Folder {
    fn devices(&self) -> BoxStream<'static, Vec<DeviceChange>> {
        let (out, mut changes) = mpsc::unbounded_channel();
        let mut state = self.lock();
        let _ = out.send(state.world.devices().collect());
        state.devices_out = Some(out);
        state.devices_said = false;
        state.tell_all_devices();
        Box::pin(futures::stream::poll_fn(move |cx| changes.poll_recv(cx)))
    }

    fn pause(&self) -> Duration {
        // A word is a row in memory.
        Duration::from_secs(1)
    }

    fn stands(&self, device: &Key, live: LiveDevice) {
        self.lock().world.device_stands(device, live, &now());
    }
}

impl Folder {
    /// Notices edits, and looks anew when it is asked to.
    async fn keep(&self) {
        loop {
            match Watch::start(&self.shared.root) {
                Ok(watch) => {
                    // What changed before the watch stood.
                    self.reload();
                    // One wait until it is over: given up halfway it would have taken the events along.
                    let mut changed = pin!(watch.changed());
                    loop {
                        tokio::select! {
                            noticed = &mut changed => match noticed {
                                Ok(noticed) => {
                                    self.noticed(&noticed);
                                    changed.set(watch.changed());
                                }
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
            self.reload();
        }
    }

    /// What this daemon itself wrote, or what a person wrote and left as it was, costs a look at those files alone.
    fn noticed(&self, noticed: &Noticed) {
        let known = !noticed.more && self.lock().knows(&noticed.files);
        if !known {
            self.reload();
        }
    }

    fn reload(&self) {
        if let Err(error) = self.lock().reload() {
            tracing::warn!(%error, "the manifests stay as they were");
        }
    }
}

pub(super) fn now() -> Time {
    Time(crate::clock::second())
}
