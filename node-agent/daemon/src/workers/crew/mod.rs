//! The crew: carries out the kernel's orders about workers, and tells it what became of them.
//!
//! One task; what takes long runs beside it. A worker's socket, key, pipes and folder follow from its turn
//! and incarnation alone, so a daemon that finds it running takes it over without having seen it start.

mod broken;
mod ended;
mod launch;
mod member;
mod outside;
mod pressure;
mod records;
mod used;

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use aion_abi::{kernel_event::OnViolation, signing::NodeSecret};
use aion_bundle::Store;
use aion_kernel::{Event, Exit, Failure, Incarnation, InstanceUid, TurnId};
use aion_sandbox::{
    LayerReading,
    protocol::{ExitStatus, Exited, Worker, WorkerId},
};
use tokio::sync::{mpsc, watch};

use super::ToolProcesses;
use crate::{
    clock::Clock,
    devices::Devices,
    external::{Externals, Told},
    feed::Feed,
    instance::{Instance, Instances, PREPARING, Prepared, SeenOf},
    kernel_trace::KernelTraces,
    launching::{LaunchError, Launched, Launcher, LauncherEvent},
    logs::Logs,
    modules::Modules,
    mounts::Mounts,
    network::{Network, Networks},
    server::{Doors, Listener, Reactors},
    shell::{Handle, WorkerOrder},
    telemetry::Telemetry,
    turns::{Checkpoints, Turns},
};
use launch::{failure, id};
use member::Member;
use records::Records;

/// Between the request to stop and the kill.
const GRACE: Duration = Duration::from_secs(2);
/// How long an exit may be behind the list that lacks its worker.
const EXIT_BEHIND: Duration = Duration::from_secs(1);

/// What the crew works with.
pub(crate) struct CrewParts {
    /// Starts and ends processes.
    pub launcher: Arc<dyn Launcher>,
    /// The kernel.
    pub shell: Handle,
    /// The instances that are ready.
    pub instances: Instances,
    /// The turns.
    pub turns: Turns,
    /// What programs keep for their next turn.
    pub checkpoints: Checkpoints,
    /// Programs that run elsewhere.
    pub externals: Externals,
    /// The ways into their runs.
    pub doors: Doors,
    /// Is told what happens.
    pub feed: Feed,
    /// The logs.
    pub logs: Logs,
    /// What workers do in the kernel of the machine.
    pub kernel_traces: KernelTraces,
    /// What WASM programs are run from.
    pub modules: Arc<Modules>,
    /// Where images are.
    pub store: Arc<Store>,
    /// What programs of images are shown.
    pub mounts: Mounts,
    /// Tools that are processes.
    pub tools: Arc<ToolProcesses>,
    /// What calls of its workers aim at.
    pub devices: Devices,
    /// What the networks of programs share.
    pub networks: Networks,
    /// The metrics.
    pub telemetry: Arc<Telemetry>,
    /// What keys are derived from.
    pub secret: NodeSecret,
    /// The clock.
    pub clock: Clock,
    /// Where sockets and pipes are.
    pub run: PathBuf,
    /// The threads that syscalls run on.
    pub reactors: Arc<Reactors>,
    /// What a worker started now would have; `None` while the launcher does not answer.
    pub features: watch::Sender<Option<Arc<[LayerReading]>>>,
    /// What is to be said of instances by what became of their workers.
    pub seen: mpsc::UnboundedSender<(InstanceUid, SeenOf)>,
    /// Instances that the kernel let go of.
    pub removed: mpsc::UnboundedSender<InstanceUid>,
}

/// See the module.
pub(crate) struct Crew {
    parts: Arc<CrewParts>,
    workers: HashMap<WorkerId, Member>,
    records: Records,
    beside: mpsc::UnboundedSender<Beside>,
    from_beside: mpsc::UnboundedReceiver<Beside>,
}

enum Beside {
    Started {
        id: WorkerId,
        result: Result<(Launched, Option<Network>), Failure>,
    },
    Ready {
        id: WorkerId,
        listener: Listener,
        instance: Arc<Instance>,
        trace: String,
    },
    Gone(Vec<WorkerId>),
}

impl Crew {
    /// A crew without workers.
    pub(crate) fn new(parts: CrewParts) -> Self {
        let (beside, from_beside) = mpsc::unbounded_channel();
        let records = Records::start(
            parts.turns.clone(),
            parts.feed.clone(),
            parts.removed.clone(),
        );
        Self {
            parts: Arc::new(parts),
            workers: HashMap::new(),
            records,
            beside,
            from_beside,
        }
    }

    /// Takes over a worker that was found running: binds its socket again, reads its log on. Before the
    /// kernel is told of it.
    ///
    /// # Errors
    /// Why not; it is then to be killed.
    pub(crate) async fn adopt(
        &mut self,
        turn: TurnId,
        incarnation: Incarnation,
        input: aion_kernel::BodyDigest,
    ) -> Result<(), String> {
        let folder = self
            .parts
            .turns
            .folder(turn, input)
            .await
            .map_err(|error| format!("its turn's folder cannot be read: {error}"))?;
        let instance = folder
            .instance()
            .map_err(|error| format!("its instance was not kept: {error}"))?;
        let id = id(instance.uid, incarnation);
        let instance = Arc::new(instance);
        let mut member = self.parts.member(turn, incarnation, instance.uid);
        member.trace = folder.asked().ok().map(|it| it.trace());
        member.is_of(&instance);
        let session = self
            .parts
            .session(turn, incarnation, &instance)
            .taken_over();
        let listener = match member.outside {
            true => Listener::door(&self.parts.doors, Arc::new(session)),
            false => self.parts.listen(session)?,
        };
        member.listener = Some(listener);
        if member.outside {
            let offer = self.parts.offered(turn, incarnation, &instance);
            self.parts.externals.adopt(offer);
        }
        self.parts.read_log(&member);
        member.starting = false;
        tracing::info!(worker = %id, agent = %instance.agent(), "took over a running worker");
        self.parts.logs.add(
            &instance.agent(),
            incarnation,
            "node",
            "the daemon is back and took this turn over",
        );
        self.workers.insert(id, member);
        Ok(())
    }

    /// Works until the shell is gone and the records of all turns that ended are written; leaves what runs to the
    /// next daemon. `events` are the launcher's, `orders` what the kernel wants.
    pub(crate) async fn run(
        mut self,
        mut events: mpsc::UnboundedReceiver<LauncherEvent>,
        mut orders: mpsc::UnboundedReceiver<WorkerOrder>,
        mut external: mpsc::UnboundedReceiver<Told>,
    ) {
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.order(order),
                    None => break,
                },
                Some(event) = events.recv() => self.event(event),
                Some(told) = external.recv() => self.external(told),
                Some(message) = self.from_beside.recv() => self.came_back(message),
            }
        }
        for (_, member) in self.workers {
            if let Some(listener) = member.listener {
                listener.leave();
            }
        }
        self.records.finish().await;
    }

    fn order(&mut self, order: WorkerOrder) {
        match order {
            WorkerOrder::Start {
                turn,
                instance,
                incarnation,
            } => self.start(turn, instance, incarnation),
            WorkerOrder::OpenGate { turn, incarnation } => {
                let Some(id) = self.find(turn, incarnation) else {
                    return;
                };
                self.parts.turns.started(turn, incarnation);
                if self.workers.get(&id).is_some_and(|it| it.outside) {
                    self.parts.externals.open_gate(&id);
                    return;
                }
                let parts = Arc::clone(&self.parts);
                tokio::spawn(async move {
                    if let Err(error) = parts.launcher.open_gate(&id).await {
                        tracing::warn!(worker = %id, %error, "the gate was not opened");
                        // Without a gate it never runs; a launcher that is gone lets it die.
                        let _ = parts.launcher.kill(&id, Duration::ZERO).await;
                    }
                });
            }
            WorkerOrder::Kill { turn, incarnation } => {
                if let Some(id) = self.find(turn, incarnation) {
                    self.kill(id);
                }
            }
            WorkerOrder::Done { input, end } => {
                self.dismiss(end.turn);
                self.records.ended(input, end);
            }
            WorkerOrder::Tell { turn, event } => self.parts.turns.tell(turn, event),
            WorkerOrder::Removed { instance } => self.records.removed(instance),
        }
    }

    fn find(&self, turn: TurnId, incarnation: Incarnation) -> Option<WorkerId> {
        self.workers
            .iter()
            .find(|(_, it)| (it.turn, it.incarnation) == (turn, incarnation))
            .map(|(id, _)| id.clone())
    }

    fn start(&mut self, turn: TurnId, uid: InstanceUid, incarnation: Incarnation) {
        let id = id(uid, incarnation);
        let member = self.parts.member(turn, incarnation, uid);
        self.workers.insert(id.clone(), member);
        let (parts, beside) = (Arc::clone(&self.parts), self.beside.clone());
        tokio::spawn(async move {
            let result = match parts.instances.wait(uid, PREPARING).await {
                Some(instance) => parts.launch(turn, incarnation, &instance, &beside).await,
                None => Err(failure(
                    "not-running",
                    "the instance's program is not there: aionctl why AGENT says what is missing",
                )),
            };
            let _ = beside.send(Beside::Started { id, result });
        });
    }

    fn kill(&mut self, id: WorkerId) {
        let Some(member) = self.workers.get_mut(&id) else {
            return;
        };
        if member.starting {
            member.kill = true;
        }
        if member.outside {
            self.parts.externals.kill(&id);
            return;
        }
        let (parts, beside, starting) = (
            Arc::clone(&self.parts),
            self.beside.clone(),
            member.starting,
        );
        tokio::spawn(async move {
            match parts.launcher.kill(&id, GRACE).await {
                Ok(()) => {}
                Err(LaunchError {
                    unreachable: false, ..
                }) if !starting => {
                    // It does not know the worker: it ended, and its exit may be on its way.
                    tokio::time::sleep(EXIT_BEHIND).await;
                    let _ = beside.send(Beside::Gone(vec![id]));
                }
                Err(error) => tracing::warn!(worker = %id, %error, "a worker was not killed"),
            }
        });
    }

    fn came_back(&mut self, message: Beside) {
        match message {
            Beside::Ready {
                id,
                listener,
                instance,
                trace,
            } => {
                if let Some(member) = self.workers.get_mut(&id) {
                    member.listener = Some(listener);
                    member.trace = Some(trace);
                    member.is_of(&instance);
                    self.parts.read_log(member);
                }
            }
            Beside::Started { id, result } => {
                let Some(member) = self.workers.get_mut(&id) else {
                    return;
                };
                member.starting = false;
                match result {
                    Ok((launched, network)) => {
                        member.network = network;
                        let layers = launched.layers.iter().filter(|it| it.is_enforced());
                        let layers = layers.map(|it| it.name.as_str().into()).collect();
                        self.parts.shell.tell(Event::WorkerReady {
                            turn: member.turn,
                            incarnation: member.incarnation,
                            pid: launched.pid,
                            start_time: launched.start_time,
                            layers,
                        });
                        let seen = SeenOf::Layers(launched.layers.into());
                        let _ = self.parts.seen.send((member.instance, seen));
                        if let Some(rules) =
                            member.rules.as_ref().filter(|_| member.broke.is_none())
                        {
                            let seen = SeenOf::Rules(broken::judged(None, rules));
                            let _ = self.parts.seen.send((member.instance, seen));
                        }
                        if member.kill {
                            self.kill(id);
                        }
                    }
                    Err(failure) => {
                        let (turn, incarnation) = (member.turn, member.incarnation);
                        let text = format!("the worker was not started: {}", failure.detail);
                        self.parts.note(member, &text);
                        member.exited = true;
                        self.parts.failed_start(turn, incarnation, failure);
                    }
                }
            }
            Beside::Gone(ids) => {
                for id in ids {
                    if let Some(member) = self.workers.get_mut(&id)
                        && !member.exited
                        && !member.starting
                    {
                        member.exited = true;
                        member.network = None;
                        self.parts
                            .exited(member.turn, member.incarnation, Exit::Lost);
                    }
                }
            }
        }
    }

    fn event(&mut self, event: LauncherEvent) {
        match event {
            LauncherEvent::Up {
                layers,
                hooks,
                workers,
            } => {
                self.parts.kernel_traces.found(hooks);
                self.parts.features.send_replace(Some(layers.into()));
                self.compare(&workers);
            }
            LauncherEvent::Down(why) => {
                tracing::warn!(%why, "no worker can be started for now");
                self.parts.features.send_replace(None);
            }
            LauncherEvent::Exited(exited) => {
                self.parts.kernel_traces.ended(&exited.id);
                self.exited(exited);
            }
            LauncherEvent::Traced(traced) => self.traced(traced),
            LauncherEvent::Pressure(pressure) => self.pressed(&pressure),
        }
    }

    /// Workers that nobody knows are killed; those that are known and not listed are gone.
    fn compare(&mut self, listed: &[Worker]) {
        for worker in listed {
            let known = self.workers.contains_key(&worker.id)
                || self.parts.modules.awaits(&worker.id)
                || self.parts.tools.runs(&worker.id);
            if !known {
                tracing::warn!(worker = %worker.id, "a worker that no turn knows is killed");
                let (parts, id) = (Arc::clone(&self.parts), worker.id.clone());
                tokio::spawn(async move { parts.launcher.kill(&id, Duration::ZERO).await });
            }
        }
        let gone: Vec<_> = self
            .workers
            .iter()
            .filter(|(id, it)| {
                !it.starting && !it.outside && !listed.iter().any(|worker| worker.id == **id)
            })
            .map(|(id, _)| id.clone())
            .collect();
        let beside = self.beside.clone();
        tokio::spawn(async move {
            tokio::time::sleep(EXIT_BEHIND).await;
            let _ = beside.send(Beside::Gone(gone));
        });
    }

    fn exited(&mut self, exited: Exited) {
        if let Some(violation) = &exited.violation {
            self.broke(&exited.id, OnViolation::Kill, violation.kind);
        }
        let Some(member) = self.workers.get_mut(&exited.id) else {
            let parts = Arc::clone(&self.parts);
            parts.tools.exited(&exited);
            tokio::spawn(async move { parts.launcher.acknowledge(&exited.id).await });
            return;
        };
        if member.exited {
            return;
        }
        member.exited = true;
        member.network = None;
        if exited.status == ExitStatus::Code(aion_sandbox::exit::ARTIFACT)
            && let Some(instance) = self.parts.instances.get(member.instance)
            && let Prepared::Wasm { bundle } = &instance.program
        {
            self.parts.modules.distrust(bundle);
        }
        if exited.status == ExitStatus::Evicted {
            // Nobody is at its other end; where the turn runs again, its next worker has a socket of its own.
            member.listener = None;
        }
        if !member.outside {
            self.parts.judge_use(member, &exited);
        }
        let exit = ended::exit(&exited, member.own_code, member.rules.as_ref());
        let text = ended::told(&exit, &exited);
        self.parts.note(member, &text);
        self.parts.exited(member.turn, member.incarnation, exit);
    }

    /// A turn is over: its workers' places are cleared.
    fn dismiss(&mut self, turn: TurnId) {
        let ids: Vec<_> = self
            .workers
            .iter()
            .filter(|(_, it)| it.turn == turn)
            .map(|(id, _)| id.clone())
            .collect();
        for id in ids {
            if let Some(member) = self.workers.remove(&id) {
                let outside = member.outside;
                member.clear();
                if outside {
                    continue;
                }
            }
            let parts = Arc::clone(&self.parts);
            tokio::spawn(async move { parts.launcher.acknowledge(&id).await });
        }
    }
}
