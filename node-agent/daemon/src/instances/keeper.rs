//! The keeper: makes what the source wants into what the kernel has, and says how it stands.
//!
//! One task. What takes long (fetching, verifying, writing status) runs beside it and comes back as a
//! message with the version it was made for; an older version's result is dropped. What cannot be had now
//! is tried again with a growing pause; what runs goes on meanwhile where nothing was found against it.
//!
//! What follows from a message about an instance is decided in `kept`; here it is carried out.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use aion_api::{AgentInstance, AgentInstanceStatus};
use aion_kernel::{Event, InstanceUid, Limits};
use aion_sandbox::LayerReading;
use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    Change, InstanceSource, Meanwhile, Preparer,
    alike::Alike,
    kept::{Kept, Message, Move, Outcome, decide},
    release::release,
    shared::Shared,
    standings::{Standing, Standings},
    status::status,
    telling,
};
use crate::external::Externals;
use crate::feed::Feed;
use crate::instance::{ByAgent, Instance, Instances, Prepared, SeenOf};
use crate::{dispatch::memory_is_kept, shell::Handle, traces::Traces, turns::turn_rights};

/// See the module.
pub(crate) struct Keeper {
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
    /// What became of workers, by instance.
    pub seen: mpsc::UnboundedReceiver<(InstanceUid, SeenOf)>,
    /// Instances that the kernel has let go of.
    pub removed: mpsc::UnboundedReceiver<InstanceUid>,
    /// Programs that run elsewhere.
    pub externals: Externals,
    /// Is told how they stand.
    pub feed: Feed,
    /// The kernel's limits, as the node has them without instances.
    pub limits: Limits,
}

/// What comes back from beside, of the instance with this uid.
enum Beside {
    Told(String, Message),
    /// Nothing of it is left here.
    Released(String),
}

impl Keeper {
    /// Works until the source is given up.
    pub(crate) async fn run(mut self) {
        let mut changes = self.source.watch();
        let (beside, mut from_beside) = mpsc::unbounded_channel();
        let mut work = Work {
            shared: Shared::new(self.limits.clone()),
            alike: Alike::default(),
            kept: HashMap::new(),
            under_way: HashMap::new(),
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
                Some((uid, seen)) = work.keeper.seen.recv() => work.tell(&uid.to_string(), Message::Seen(seen)),
                Some(uid) = work.keeper.removed.recv() => work.tell(&uid.to_string(), Message::Removed),
            }
        }
    }
}

/// `namespace/name` of its agent.
fn agent_of(instance: &AgentInstance) -> String {
    let namespace = instance.metadata.namespace.as_deref().unwrap_or_default();
    format!("{namespace}/{}", instance.spec.agent.name)
}

struct Work<'a> {
    kept: HashMap<String, Kept>,
    /// Give a preparation up, once another is begun or the instance goes. By instance.
    under_way: HashMap<String, DropGuard>,
    /// Those that are kept, by the uid of their agent.
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
                    self.tell(&uid, Message::Trust);
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
        self.of_agents
            .insert("", &instance.spec.agent.uid, uid.clone());
        let layers = self.keeper.features.borrow().clone();
        self.tell(&uid, Message::Applied(instance, layers));
    }

    fn drain(&mut self, instance: Arc<AgentInstance>) {
        let Some(uid) = instance.metadata.uid.clone() else {
            return;
        };
        if uid.parse::<InstanceUid>().is_err() || self.releasing.contains(&uid) {
            return;
        }
        self.of_agents
            .insert("", &instance.spec.agent.uid, uid.clone());
        self.tell(&uid, Message::Unwanted(instance));
    }

    fn features(&mut self) {
        let layers = self.keeper.features.borrow().clone();
        for uid in self.kept.keys().cloned().collect::<Vec<_>>() {
            self.tell(&uid, Message::Features(layers.clone()));
        }
    }

    fn came_back(&mut self, message: Beside) {
        match message {
            Beside::Told(uid, message) => self.tell(&uid, message),
            Beside::Released(uid) => drop(self.releasing.remove(&uid)),
        }
    }

    /// Decides what follows for an instance, and carries it out.
    fn tell(&mut self, uid: &str, message: Message) {
        self.versions += 1;
        let (kept, moves) = decide(self.kept.remove(uid), message, self.versions);
        if let Some(kept) = kept {
            self.kept.insert(uid.to_owned(), kept);
        }
        for it in moves {
            self.carry_out(uid, it);
        }
    }

    fn carry_out(&mut self, uid: &str, it: Move) {
        match it {
            Move::Prepare => self.prepare(uid),
            Move::EndPreparing => drop(self.under_way.remove(uid)),
            Move::Admit(program) => {
                if let Some(kept) = self.kept.get(uid) {
                    let admitted = self.admit(&Arc::clone(&kept.instance), program);
                    self.tell(uid, Message::Admitted(admitted));
                }
            }
            Move::Warn(judgement) => tracing::warn!(
                instance = %uid,
                reason = judgement.reason,
                why = %judgement.message,
                "the program was not let in"
            ),
            Move::PrepareLater => self.prepare_later(uid),
            Move::Withdraw => self.withdraw(uid),
            Move::Close => self.close(uid),
            Move::Remove => {
                if let Ok(instance) = uid.parse::<InstanceUid>() {
                    self.keeper.shell.tell(Event::Remove { instance });
                }
            }
            Move::Publish => self.publish(uid),
            Move::Release(instance) => self.release(uid, instance),
        }
    }

    fn prepare(&mut self, uid: &str) {
        let Some(kept) = self.kept.get(uid) else {
            return;
        };
        let given_up = CancellationToken::new();
        let guard = given_up.clone().drop_guard();
        self.under_way.insert(uid.to_owned(), guard);
        let namespace = kept.instance.metadata.namespace.clone().unwrap_or_default();
        let trust = self.keeper.source.trust(&namespace);
        let (preparer, instance) = (self.keeper.preparer.clone(), Arc::clone(&kept.instance));
        let (uid, version, beside) = (uid.to_owned(), kept.version, self.beside.clone());
        let tell = move |outcome| {
            let _ = beside.send(Beside::Told(uid.clone(), Message::Of(version, outcome)));
        };
        tokio::spawn(async move {
            let meanwhile = |it: Meanwhile| tell(Outcome::Meanwhile(it));
            let preparing = preparer.prepare(&instance, &trust, meanwhile);
            if let Some(result) = given_up.run_until_cancelled(preparing).await {
                tell(Outcome::Prepared(result));
            }
        });
    }

    fn prepare_later(&mut self, uid: &str) {
        if let Some(kept) = self.kept.get_mut(uid) {
            let (pause, beside) = (kept.pauses.pause(), self.beside.clone());
            let again = Message::Of(kept.version, Outcome::TryAgain);
            let again = Beside::Told(uid.to_owned(), again);
            tokio::spawn(async move {
                tokio::time::sleep(pause).await;
                let _ = beside.send(again);
            });
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
            self.keeper.shell.tell(Event::Withdraw {
                instance,
                spare_running: false,
            });
        }
    }

    /// It takes no more turns, until it is admitted again, and the one that runs ends as it would. What was not let in since
    /// the start has nothing here that a turn could go on with.
    fn close(&self, uid: &str) {
        if let Ok(instance) = uid.parse::<InstanceUid>() {
            let spare_running = self.keeper.instances.close(instance);
            self.keeper.shell.tell(Event::Withdraw {
                instance,
                spare_running,
            });
        }
    }

    /// The kernel has let go of an instance that is to be gone.
    fn release(&mut self, uid: &str, instance: Arc<AgentInstance>) {
        if let Ok(uid) = uid.parse() {
            self.keeper.instances.remove(uid);
            let limits = self.shared.remove(uid);
            self.limit(limits);
        }
        self.keeper.standings.remove(uid);
        if self.keeper.feed.is_heard() {
            let told = telling::gone(&instance);
            self.keeper.feed.tell(Some(agent_of(&instance)), told);
        }
        let uid = uid.to_owned();
        let agent = &instance.spec.agent.uid;
        self.of_agents.remove("", agent, &uid);
        let is_of_it = |uid: &String| {
            let other = self.kept.get(uid);
            other.is_some_and(|it| it.instance.spec.agent.uid == *agent)
        };
        let last = !self.of_agents.of("", agent).any(is_of_it);
        let source = Arc::clone(&self.keeper.source);
        let traces = last.then(|| self.keeper.traces.clone());
        self.releasing.insert(uid.clone());
        let beside = self.beside.clone();
        tokio::spawn(async move {
            release(&*source, traces, &instance).await;
            let _ = beside.send(Beside::Released(uid));
        });
    }

    /// Judges anew, and writes what changed.
    fn publish(&mut self, uid: &str) {
        let Some(kept) = self.kept.get_mut(uid) else {
            return;
        };
        let now = Time(crate::clock::second());
        let kernel = &self.keeper.traces.kernel;
        let has = |hook| kernel.has(hook);
        let externals = &self.keeper.externals;
        let is_connected = || externals.is_connected(&agent_of(&kept.instance));
        let judged = status(
            &kept.instance,
            &kept.status,
            &kept.found,
            has,
            is_connected,
            &now,
        );
        let judged = self.alike.one(judged);
        let standing = Standing {
            instance: Arc::clone(&kept.instance),
            status: Arc::clone(&judged),
        };
        self.keeper.standings.put(uid, standing);
        if judged == kept.status {
            return;
        }
        if self.keeper.feed.is_heard()
            && let Some(told) = telling::changed(&kept.instance, &kept.status, &judged)
        {
            self.keeper.feed.tell(Some(agent_of(&kept.instance)), told);
        }
        kept.status = judged;
        self.keeper.standings.write_up(uid, &self.keeper.source);
    }
}
