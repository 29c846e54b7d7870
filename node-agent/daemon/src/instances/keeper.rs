//! The keeper: makes what the source wants into what the kernel has, and says how it stands.
//!
//! One task. What takes long (fetching, verifying, writing status) runs beside it and comes back as a
//! message with the version it was made for; an older version's result is dropped. What cannot be had now
//! is tried again with a growing pause; what runs goes on meanwhile where nothing was found against it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use aion_api::{
    AgentInstance, AgentInstanceStatus,
    condition::{self, Judgement},
};
use aion_backoff::Backoff;
use aion_kernel::{Event, InstanceUid, Limits};
use aion_sandbox::LayerReading;
use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    Change, InstanceSource, PrepareError, Preparer,
    alike::Alike,
    release::release,
    shared::Shared,
    standings::{PAUSES, Standing, Standings},
    status::{Found, status},
};
use crate::instance::{ByAgent, Instance, Instances, Prepared};
use crate::{dispatch::memory_is_kept, shell::Handle, traces::Traces, turns::turn_rights};

/// See the module.
pub struct Keeper {
    /// Where instances come from.
    pub source: Arc<dyn InstanceSource>,
    /// Lets programs in.
    pub preparer: Preparer,
    /// Those that are ready.
    pub instances: Instances,
    /// How all of them stand.
    pub standings: Standings,
    /// What agents leave.
    pub traces: Traces,
    /// The kernel.
    pub shell: Handle,
    /// What a worker started now would have; `None` while the launcher does not answer.
    pub features: watch::Receiver<Option<Arc<[LayerReading]>>>,
    /// The layers of workers as they were started, by instance.
    pub started: mpsc::UnboundedReceiver<(InstanceUid, Arc<[LayerReading]>)>,
    /// Instances that the kernel has let go of.
    pub removed: mpsc::UnboundedReceiver<InstanceUid>,
    /// The kernel's limits, as the node has them without instances.
    pub limits: Limits,
}

/// An instance at work.
struct Kept {
    instance: Arc<AgentInstance>,
    /// That of its newest preparation, or of its draining. What comes of one before it is out of date.
    version: u64,
    /// Gives the preparation up, once another is begun or the instance goes.
    under_way: Option<DropGuard>,
    found: Found,
    status: Arc<AgentInstanceStatus>,
    pauses: Backoff,
}

/// What comes back from beside.
enum Beside {
    Prepared {
        uid: String,
        version: u64,
        result: Result<(Prepared, Judgement), PrepareError>,
    },
    /// Verified, and its module is being compiled.
    Compiling {
        uid: String,
        version: u64,
        verified: Judgement,
    },
    TryAgain {
        uid: String,
        version: u64,
    },
    /// Nothing of it is left here.
    Released(String),
}

impl Keeper {
    /// Works until the source is given up.
    pub async fn run(mut self) {
        let mut changes = self.source.watch();
        let (beside, mut from_beside) = mpsc::unbounded_channel();
        let mut work = Work {
            shared: Shared::new(self.limits.clone()),
            alike: Alike::default(),
            kept: HashMap::new(),
            of_agents: ByAgent::default(),
            releasing: HashSet::new(),
            versions: 0,
            beside,
            keeper: &mut self,
        };
        loop {
            tokio::select! {
                change = changes.next() => match change {
                    Some(change) => work.change(change),
                    None => return,
                },
                Some(message) = from_beside.recv() => work.came_back(message),
                Ok(()) = work.keeper.features.changed() => work.features(),
                Some((uid, layers)) = work.keeper.started.recv() => work.layers(uid, layers),
                Some(uid) = work.keeper.removed.recv() => work.removed(uid),
            }
        }
    }
}

struct Work<'a> {
    kept: HashMap<String, Kept>,
    /// Them, by the uid of their agent.
    of_agents: ByAgent<String>,
    /// Instances that are let go of: what is told of them meanwhile changes nothing.
    releasing: HashSet<String>,
    shared: Shared,
    /// Statuses, of which most are alike.
    alike: Alike<AgentInstanceStatus>,
    versions: u64,
    beside: mpsc::UnboundedSender<Beside>,
    keeper: &'a mut Keeper,
}

impl Work<'_> {
    fn change(&mut self, change: Change) {
        match change {
            Change::Applied(instance) if instance.metadata.deletion_timestamp.is_some() => {
                self.drain(instance);
            }
            Change::Applied(instance) => self.applied(instance),
            Change::Deleted(instance) => self.drain(instance),
            Change::Synced(uids) => {
                let told: HashSet<&str> = uids.iter().map(String::as_str).collect();
                let gone: Vec<Arc<AgentInstance>> = self
                    .kept
                    .iter()
                    .filter(|(uid, _)| !told.contains(uid.as_str()))
                    .map(|(_, kept)| Arc::clone(&kept.instance))
                    .collect();
                for instance in gone {
                    self.drain(instance);
                }
                self.forget_unknown(uids);
                self.keeper.standings.be_complete();
            }
            Change::Trust(namespace) => {
                let concerned = |kept: &&Kept| {
                    namespace.is_none() || kept.instance.metadata.namespace == namespace
                };
                let kept = self.kept.iter().filter(|(_, kept)| concerned(kept));
                for uid in kept.map(|(uid, _)| uid.clone()).collect::<Vec<_>>() {
                    self.prepare(&uid);
                }
            }
            Change::Unavailable(why) => {
                tracing::warn!(%why, "the source of instances cannot be reached; what runs goes on");
            }
        }
    }

    /// Instances that the kernel remembers from an earlier run and nobody wants any more.
    fn forget_unknown(&self, told: Vec<String>) {
        let shell = self.keeper.shell.clone();
        tokio::spawn(async move {
            let told: HashSet<String> = told.into_iter().collect();
            let unknown = shell.look(move |kernel| {
                kernel
                    .state()
                    .instances()
                    .map(|it| it.uid)
                    .filter(|uid| !told.contains(&uid.to_string()))
                    .collect::<Vec<_>>()
            });
            for instance in unknown.await.unwrap_or_default() {
                shell.tell(Event::Remove { instance });
            }
        });
    }

    fn applied(&mut self, instance: Arc<AgentInstance>) {
        let Some(uid) = instance.metadata.uid.clone() else {
            return;
        };
        // It begins anew, under the uid that it had.
        self.releasing.remove(&uid);
        if let Some(kept) = self.kept.get_mut(&uid)
            && kept.instance.spec == instance.spec
            && !kept.found.draining
        {
            kept.instance = instance;
            return;
        }
        let before = self.kept.get(&uid);
        let status = match (&instance.status, before) {
            (Some(status), _) => Arc::new(status.clone()),
            (None, Some(before)) => Arc::clone(&before.status),
            (None, None) => Arc::default(),
        };
        let kept = Kept {
            instance,
            version: 0,
            under_way: None,
            found: Found {
                verified: None,
                rejected: None,
                compiling: false,
                layers: self.keeper.features.borrow().clone(),
                draining: false,
            },
            status,
            pauses: PAUSES,
        };
        let agent = &kept.instance.spec.agent.uid;
        self.of_agents.insert("", agent, uid.clone());
        self.kept.insert(uid.clone(), kept);
        self.prepare(&uid);
    }

    /// Begins anew what makes an instance ready, under the trust of this moment. What was begun before, and
    /// what was to be tried again, is out of date.
    fn prepare(&mut self, uid: &str) {
        let kept = self.kept.get_mut(uid);
        let Some(kept) = kept.filter(|kept| !kept.found.draining) else {
            return;
        };
        self.versions += 1;
        kept.version = self.versions;
        let given_up = CancellationToken::new();
        kept.under_way = Some(given_up.clone().drop_guard());
        let namespace = kept.instance.metadata.namespace.clone().unwrap_or_default();
        let trust = self.keeper.source.trust(&namespace);
        let (preparer, instance) = (self.keeper.preparer.clone(), Arc::clone(&kept.instance));
        let (uid, version, beside) = (uid.to_owned(), self.versions, self.beside.clone());
        tokio::spawn(async move {
            let compiling = |verified: &Judgement| {
                let _ = beside.send(Beside::Compiling {
                    uid: uid.clone(),
                    version,
                    verified: verified.clone(),
                });
            };
            let preparing = preparer.prepare(&instance, &trust, compiling);
            if let Some(result) = given_up.run_until_cancelled(preparing).await {
                let _ = beside.send(Beside::Prepared {
                    uid,
                    version,
                    result,
                });
            }
        });
    }

    fn came_back(&mut self, message: Beside) {
        let (uid, version) = match &message {
            Beside::Released(uid) => {
                self.releasing.remove(uid);
                return;
            }
            Beside::Prepared { uid, version, .. }
            | Beside::Compiling { uid, version, .. }
            | Beside::TryAgain { uid, version } => (uid.clone(), *version),
        };
        let newest = |kept: &&mut Kept| kept.version == version;
        let current = self.kept.get_mut(&uid).filter(newest);
        let Some(kept) = current.filter(|kept| !kept.found.draining) else {
            return;
        };
        match message {
            Beside::Released(_) => {}
            Beside::TryAgain { .. } => self.prepare(&uid),
            Beside::Compiling { verified, .. } => {
                kept.found.verified = Some(verified);
                kept.found.compiling = true;
                kept.found.rejected = None;
                self.publish(&uid);
            }
            Beside::Prepared {
                result: Ok((program, judgement)),
                ..
            } => {
                kept.under_way = None;
                kept.pauses.reset();
                kept.found.verified = Some(judgement);
                kept.found.compiling = false;
                let instance = Arc::clone(&kept.instance);
                let rejected = self.admit(&instance, program).err().map(|why| {
                    Judgement::new(condition::READY, false, condition::reason::INVALID, why)
                });
                if rejected.is_some() {
                    self.withdraw(&uid);
                }
                if let Some(kept) = self.kept.get_mut(&uid) {
                    kept.found.rejected = rejected;
                }
                self.publish(&uid);
            }
            Beside::Prepared {
                result: Err(error), ..
            } => {
                tracing::warn!(
                    instance = %uid,
                    reason = error.judgement.reason,
                    why = %error.judgement.message,
                    "the program was not let in"
                );
                kept.found.compiling = false;
                match error.judgement {
                    ready if ready.type_ == condition::READY => kept.found.rejected = Some(ready),
                    verified => kept.found.verified = Some(verified),
                }
                if error.passing {
                    let pause = kept.pauses.pause();
                    let beside = self.beside.clone();
                    let again = Beside::TryAgain {
                        uid: uid.clone(),
                        version,
                    };
                    tokio::spawn(async move {
                        tokio::time::sleep(pause).await;
                        let _ = beside.send(again);
                    });
                }
                if !error.stands {
                    // What was let in under other trust takes no further turns.
                    self.withdraw(&uid);
                }
                self.publish(&uid);
            }
        }
    }

    /// Tells the kernel of an instance whose program is there.
    fn admit(&mut self, instance: &Arc<AgentInstance>, program: Prepared) -> Result<(), String> {
        let mut spec = aion_policy::lower(instance).map_err(|error| error.to_string())?;
        Arc::make_mut(&mut spec.profile.grants).extend_from_slice(turn_rights());
        let uid = spec.uid;
        let made = Instance {
            uid,
            resource: Arc::clone(instance),
            program,
        };
        memory_is_kept(&made, &*self.keeper.traces.memory)
            .map_err(|problem| format!("{}: {}", problem.detail, problem.remedy))?;
        self.keeper.instances.put(made);
        let limits = self.shared.put(uid, instance);
        self.limit(limits);
        self.keeper.shell.tell(Event::Apply(spec));
        Ok(())
    }

    fn limit(&self, changed: Option<Limits>) {
        if let Some(limits) = changed {
            self.keeper.shell.tell(Event::SetLimits(limits));
        }
    }

    /// Its turns end and it takes no more, until it is admitted again. The kernel is told also of one that was
    /// not let in since the start: it may have a turn from before.
    fn withdraw(&self, uid: &str) {
        if let Ok(instance) = uid.parse::<InstanceUid>() {
            self.keeper.instances.remove(instance);
            self.keeper.shell.tell(Event::Withdraw { instance });
        }
    }

    fn drain(&mut self, instance: Arc<AgentInstance>) {
        let Some(uid) = instance.metadata.uid.clone() else {
            return;
        };
        let Ok(parsed) = uid.parse::<InstanceUid>() else {
            return;
        };
        if self.releasing.contains(&uid) {
            return;
        }
        if let Some(kept) = self.kept.get_mut(&uid)
            && kept.found.draining
        {
            kept.instance = instance;
            return;
        }
        self.versions += 1;
        let agent = &instance.spec.agent.uid;
        self.of_agents.insert("", agent, uid.clone());
        let kept = self.kept.entry(uid.clone()).or_insert_with(|| Kept {
            status: Arc::new(instance.status.clone().unwrap_or_default()),
            instance: Arc::clone(&instance),
            version: 0,
            under_way: None,
            found: Found {
                verified: None,
                rejected: None,
                compiling: false,
                layers: None,
                draining: true,
            },
            pauses: PAUSES,
        });
        kept.version = self.versions;
        kept.under_way = None;
        kept.found.draining = true;
        kept.instance = instance;
        // The kernel says when it is gone, also of one that it never had.
        self.keeper.shell.tell(Event::Remove { instance: parsed });
        self.publish(&uid);
    }

    /// The kernel has let go of an instance.
    fn removed(&mut self, uid: InstanceUid) {
        let text = uid.to_string();
        if !self.kept.get(&text).is_some_and(|kept| kept.found.draining) {
            // It came back while it was drained, and the kernel did not listen to that.
            self.prepare(&text);
            return;
        }
        self.keeper.instances.remove(uid);
        let limits = self.shared.remove(uid);
        self.limit(limits);
        self.keeper.standings.remove(&text);
        if let Some(kept) = self.kept.remove(&text) {
            let agent = &kept.instance.spec.agent.uid;
            self.of_agents.remove("", agent, &text);
            let is_of_it = |uid: &String| {
                let other = self.kept.get(uid);
                other.is_some_and(|it| it.instance.spec.agent.uid == *agent)
            };
            let last = !self.of_agents.of("", agent).any(is_of_it);
            let source = Arc::clone(&self.keeper.source);
            let traces = last.then(|| self.keeper.traces.clone());
            self.releasing.insert(text.clone());
            let beside = self.beside.clone();
            tokio::spawn(async move {
                release(&*source, traces, &kept.instance).await;
                let _ = beside.send(Beside::Released(text));
            });
        }
    }

    fn features(&mut self) {
        let layers = self.keeper.features.borrow().clone();
        for uid in self.kept.keys().cloned().collect::<Vec<_>>() {
            if let Some(kept) = self.kept.get_mut(&uid) {
                kept.found.layers.clone_from(&layers);
            }
            self.publish(&uid);
        }
    }

    fn layers(&mut self, uid: InstanceUid, layers: Arc<[LayerReading]>) {
        let uid = uid.to_string();
        if let Some(kept) = self.kept.get_mut(&uid)
            && kept.found.layers.as_ref() != Some(&layers)
        {
            kept.found.layers = Some(layers);
            self.publish(&uid);
        }
    }

    /// Judges anew, and writes what changed.
    fn publish(&mut self, uid: &str) {
        let Some(kept) = self.kept.get_mut(uid) else {
            return;
        };
        let now = Time(crate::clock::second());
        let judged = status(&kept.instance, &kept.status, &kept.found, &now);
        let judged = self.alike.one(judged);
        let standing = Standing {
            instance: Arc::clone(&kept.instance),
            status: Arc::clone(&judged),
        };
        self.keeper.standings.put(uid, standing);
        if judged == kept.status {
            return;
        }
        kept.status = judged;
        self.keeper.standings.write_up(uid, &self.keeper.source);
    }
}
