//! One worker's start: its places, its key, its descriptors. All of them follow from turn and incarnation.

use std::{os::fd::OwnedFd, path::PathBuf, sync::Arc, time::Duration};

use aion_abi::boot::{Boot, Program};
use aion_kernel::{Called, Event, Exit, Failure, Incarnation, InstanceUid, TurnId};
use aion_policy::count;
use aion_sandbox::protocol::{Exited, Limits, Role, Rules, Start, WorkerId};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::{
    super::{boot, program::Programs},
    Beside, CrewParts, Member, used,
};
use crate::{
    call::Caller,
    callees::Callees,
    instance::{Instance, Prepared, SeenOf},
    launching::{FOR_MORE, Fifo, Launched, WorkerFds, below},
    network::{Granted, Network, Told},
    server::{Listener, Session},
    turns::{Asked, TurnFolder},
};

impl CrewParts {
    pub(super) fn member(
        &self,
        turn: TurnId,
        incarnation: Incarnation,
        instance: InstanceUid,
    ) -> Member {
        let pipes = self.run.join("l");
        let name = place(turn, incarnation);
        Member {
            turn,
            incarnation,
            instance,
            agent: None,
            trace: None,
            rules: None,
            broke: None,
            own_code: false,
            outside: false,
            starting: true,
            pressure_told: 0,
            kill: false,
            exited: false,
            listener: None,
            network: None,
            log: TaskTracker::new(),
            fifos: ["o", "e"].map(|stream| Fifo::new(&pipes, &format!("{name}.{stream}"))),
        }
    }

    pub(super) fn session(
        &self,
        turn: TurnId,
        incarnation: Incarnation,
        instance: &Arc<Instance>,
    ) -> Session {
        let caller = Caller {
            turn,
            instance: Arc::clone(instance),
        };
        Session::new(
            caller,
            incarnation,
            self.secret.derive(&instance.uid.to_string(), incarnation.0),
            Callees {
                shell: self.shell.clone(),
                instances: self.instances.clone(),
                turns: self.turns.clone(),
            },
            self.devices.clone(),
        )
    }

    pub(super) fn listen(&self, session: Session) -> Result<Listener, String> {
        let socket = self.socket(session.caller.turn, session.incarnation);
        Listener::start(&socket, Arc::new(session), Arc::clone(&self.reactors))
            .map_err(|error| error.to_string())
    }

    pub(super) fn socket(&self, turn: TurnId, incarnation: Incarnation) -> PathBuf {
        self.run
            .join("s")
            .join(place(turn, incarnation))
            .join(aion_abi::boot::SOCKET_NAME)
    }

    /// Reads a worker's streams into its agent's log until they end.
    pub(super) fn read_log(&self, member: &Member) {
        let Some(agent) = member.agent.as_ref().filter(|_| !member.outside) else {
            return;
        };
        for (fifo, source) in member.fifos.iter().zip(["stdout", "stderr"]) {
            match fifo.read() {
                Ok(stream) => {
                    let (logs, agent, incarnation) =
                        (self.logs.clone(), agent.clone(), member.incarnation);
                    member.log.spawn(async move {
                        logs.copy(&agent, incarnation, source, stream).await;
                    });
                }
                Err(error) => tracing::warn!(%agent, %error, "a worker's log cannot be read"),
            }
        }
    }

    /// A word of the node in its agent's log. One whose program never came has none.
    pub(super) fn note(&self, member: &Member, text: &str) {
        if let Some(agent) = &member.agent {
            self.logs.add(agent, member.incarnation, "node", text);
        }
    }

    /// What a worker used of the machine, for its turn and as a word on its instance.
    pub(super) fn judge_use(&self, member: &Member, exited: &Exited) {
        let instance = self.instances.get(member.instance);
        let limits = instance.as_ref().map(|it| &it.spec().limits);
        let used = used::used(exited, member.pressure_told, limits);
        self.telemetry.used(&used);
        let seen = SeenOf::Limits(used::judged(&used));
        let _ = self.seen.send((member.instance, seen));
        self.turns.used(member.turn, &used);
    }

    pub(super) async fn launch(
        &self,
        turn: TurnId,
        incarnation: Incarnation,
        instance: &Arc<Instance>,
        beside: &mpsc::UnboundedSender<Beside>,
    ) -> Result<(Launched, Option<Network>), Failure> {
        if instance.program == Prepared::External {
            let offered = self.offer(turn, incarnation, instance, beside).await?;
            return Ok((offered, None));
        }
        let id = id(instance.uid, incarnation);
        let internal = |why: String| failure("internal", why);
        let programs = Programs {
            modules: &self.modules,
            store: &self.store,
            mounts: &self.mounts,
        };
        let called = self.called(turn).await;
        let opened = programs.open(instance, called.as_ref()).await;
        let startable = opened.map_err(|why| failure("not-running", why))?;
        let (boot, asked) = self
            .boot(turn, incarnation, instance, startable.program)
            .await?;
        let member = self.member(turn, incarnation, instance.uid);
        let prepared = || -> std::io::Result<WorkerFds> {
            Ok(WorkerFds {
                boot: boot::in_memory(&boot)?,
                stdout: member.fifos[0].make()?,
                stderr: member.fifos[1].make()?,
                rest: startable.descriptors,
            })
        };
        let fds = prepared().map_err(|error| internal(error.to_string()))?;
        let listener = self
            .listen(self.session(turn, incarnation, instance))
            .map_err(internal)?;
        let ready = Beside::Ready {
            id: id.clone(),
            listener,
            instance: Arc::clone(instance),
            trace: asked.trace(),
        };
        let _ = beside.send(ready);
        let role = startable.role;
        let start = Start {
            id: id.clone(),
            role,
            profile: instance.spec().runtime.as_str().to_owned(),
            limits: limits(instance),
            seccomp: instance.seccomp(),
            socket: Some(self.socket(turn, incarnation)),
            mounts: startable.mounts,
            user: startable.user,
            scratch_bytes: startable.scratch_bytes,
            ports: startable.ports,
            rules: self
                .rules(instance)
                .map_err(|why| failure("not-running", why))?,
        };
        let launched = self.launcher.start(start, fds).await;
        let mut launched = launched.map_err(|error| failure("not-running", error.why))?;
        if role == Role::Process {
            self.confined_enough(&id, &launched).await?;
        }
        let doors = std::mem::take(&mut launched.doors);
        let network = match doors.is_empty() {
            true => None,
            false => Some(
                self.open_network(&id, doors, (turn, incarnation), instance)
                    .await?,
            ),
        };
        Ok((launched, network))
    }

    /// What the program is told of its turn, and what was asked.
    pub(super) async fn boot(
        &self,
        turn: TurnId,
        incarnation: Incarnation,
        instance: &Arc<Instance>,
        program: Program,
    ) -> Result<(Boot, Asked), Failure> {
        let internal = |why: String| failure("internal", why);
        let (folder, turn_ms) = self.begin(turn, instance).await.map_err(internal)?;
        let key = self.secret.derive(&instance.uid.to_string(), incarnation.0);
        let asked = folder
            .asked()
            .map_err(|error| internal(error.to_string()))?;
        let checkpoint = self
            .checkpoints
            .get(instance)
            .map_err(|error| internal(format!("the checkpoint cannot be read: {error}")))?;
        let run = (turn, incarnation);
        let boot = boot::document(instance, run, program, key, &asked, checkpoint, turn_ms);
        Ok((boot, asked))
    }

    /// The rules that the program is held to here.
    fn rules(&self, instance: &Instance) -> Result<Rules, String> {
        let Some(resolved) = &instance.spec().on_violation else {
            return Ok(Rules::default());
        };
        let rules = aion_policy::in_force(resolved, |hook| self.kernel_traces.has(hook));
        if !rules.refused.is_empty() {
            return Err(format!(
                "this node cannot hold it to {}; aionctl local status says what its kernel lacks",
                rules.refused.join(", nor to ")
            ));
        }
        Ok(Rules {
            exec: rules.exec,
            open: rules.open,
            connect: rules.connect,
            programs: resolved.programs.clone(),
            reach: match instance.program {
                Prepared::Process { .. } => Granted::of(instance.spec()).reach(),
                Prepared::Declarative { .. }
                | Prepared::Steps
                | Prepared::Wasm { .. }
                | Prepared::External => Vec::new(),
            },
        })
    }

    /// Ends a program of an image that is confined by less than the floor, whatever policy requires.
    async fn confined_enough(&self, id: &WorkerId, launched: &Launched) -> Result<(), Failure> {
        let below = below(&launched.layers);
        if below.is_empty() {
            return Ok(());
        }
        // Nothing of it has run: its gate is shut.
        let _ = self.launcher.kill(id, Duration::ZERO).await;
        let why = format!(
            "this machine does not confine a program enough to run one of an image: it lacks {}; {FOR_MORE}",
            below.join(", ")
        );
        Err(failure("not-running", why))
    }

    async fn open_network(
        &self,
        id: &WorkerId,
        doors: Vec<OwnedFd>,
        (turn, incarnation): (TurnId, Incarnation),
        instance: &Arc<Instance>,
    ) -> Result<Network, Failure> {
        let told = Told::to(self.logs.clone(), &instance.agent(), incarnation);
        let caller = Caller {
            turn,
            instance: Arc::clone(instance),
        };
        let shell = self.shell.clone();
        match self.networks.open(doors, caller, shell, told) {
            Ok(network) => Ok(network),
            Err(error) => {
                // Nothing of it has run: its gate is shut.
                let _ = self.launcher.kill(id, Duration::ZERO).await;
                Err(failure("internal", format!("its network: {error}")))
            }
        }
    }

    /// What the turn bears of those that called it.
    async fn called(&self, turn: TurnId) -> Option<Called> {
        let called = self
            .shell
            .look(move |kernel| kernel.state().turn(turn)?.called.as_deref().cloned());
        called.await.flatten()
    }

    /// The turn's folder, with the instance kept in it, and how long it may take.
    async fn begin(
        &self,
        turn: TurnId,
        instance: &Arc<Instance>,
    ) -> Result<(TurnFolder, u64), String> {
        let row = self
            .shell
            .look(move |kernel| {
                let row = kernel.state().turn(turn)?;
                Some((row.input.digest, row.deadline))
            })
            .await
            .flatten();
        let (input, deadline) = row.ok_or("the turn has ended")?;
        let unusable = |error| format!("the turn's folder: {error}");
        let folder = self.turns.folder(turn, input).await.map_err(unusable)?;
        folder.keep_instance(instance).map_err(unusable)?;
        let most = u64::from(count(instance.spec().limits.turn_seconds)) * 1000;
        let left = deadline.map_or(most, |at| at.since(self.clock.now()));
        Ok((folder, most.min(left)))
    }

    pub(super) fn failed_start(&self, turn: TurnId, incarnation: Incarnation, failure: Failure) {
        self.exited(turn, incarnation, Exit::StartFailed(failure));
    }

    pub(super) fn exited(&self, turn: TurnId, incarnation: Incarnation, exit: Exit) {
        self.shell.tell(Event::WorkerExited {
            turn,
            incarnation,
            exit,
        });
    }
}

pub(super) fn failure(code: &str, why: impl Into<String>) -> Failure {
    Failure {
        code: code.into(),
        detail: why.into().into(),
    }
}

fn limits(instance: &Instance) -> Limits {
    let limits = &instance.spec().limits;
    Limits {
        memory_bytes: Some(u64::from(count(limits.memory_mib)) << 20),
        memory_high_bytes: limits
            .memory_high_mib
            .map(|mib| u64::from(count(mib)) << 20),
        pids: limits.pids.map(count),
        cpu_milli: Some(count(limits.cpu_millis)),
        cpu_weight: limits.cpu_weight.map(count),
        io_weight: limits.io_weight.map(count),
        io_read_bps: limits.io_read_kib.map(|kib| u64::from(count(kib)) << 10),
        io_write_bps: limits.io_write_kib.map(|kib| u64::from(count(kib)) << 10),
    }
}

pub(super) fn id(instance: InstanceUid, incarnation: Incarnation) -> WorkerId {
    WorkerId {
        instance: instance.to_string(),
        incarnation: incarnation.0,
    }
}

/// The name of a worker's places: short, since a socket's path has 107 bytes at most.
fn place(turn: TurnId, incarnation: Incarnation) -> String {
    format!("{:x}.{:x}", turn.0, incarnation.0)
}
