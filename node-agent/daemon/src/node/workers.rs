//! The third storey: the crew of workers, and with it the kernel. Whoever outlived the last daemon is taken over
//! before the kernel works again.

use std::{sync::Arc, time::Duration};

use aion_abi::signing::NodeSecret;
use aion_bundle::{Room, Store};
use aion_kernel::{InstanceUid, LiveWorker};
use aion_sandbox::LayerReading;
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
    task::JoinHandle,
};

use super::{
    NodeError,
    adoption::Found,
    drivers::Drivers,
    recover::{Base, Recovered},
};
use crate::{
    external::Externals,
    instance::{Instances, SeenOf},
    kernel_trace::KernelTraces,
    launching::Launcher,
    logs::Logs,
    modules::Modules,
    network::Networks,
    server::{Doors, Reactors},
    shell::ShellError,
    telemetry::Telemetry,
    workers::{Crew, CrewParts},
};

/// See the module.
pub(super) struct Workers {
    pub(super) instances: Instances,
    pub(super) logs: Logs,
    pub(super) kernel_traces: KernelTraces,
    pub(super) store: Arc<Store>,
    pub(super) modules: Arc<Modules>,
    /// What a worker started now would have.
    pub(super) features: watch::Receiver<Option<Arc<[LayerReading]>>>,
    /// What became of workers.
    pub(super) seen: mpsc::UnboundedReceiver<(InstanceUid, SeenOf)>,
    /// Instances that the kernel let go of.
    pub(super) removed: mpsc::UnboundedReceiver<InstanceUid>,
    /// Programs that run elsewhere.
    pub(super) externals: Externals,
    pub(super) doors: Doors,
    pub(super) reactors: Arc<Reactors>,
    pub(super) shell_task: JoinHandle<Result<(), ShellError>>,
    pub(super) crew_task: JoinHandle<()>,
}

pub(super) async fn workers(
    base: &Base,
    drivers: &Drivers,
    recovered: Recovered,
    launcher: Arc<dyn Launcher>,
    secret: NodeSecret,
    kernel_traces: KernelTraces,
    telemetry: Arc<Telemetry>,
) -> Result<Workers, NodeError> {
    let instances = drivers.instances.clone();
    let logs = drivers.dispatch.logs.clone();
    let (features_in, features) = watch::channel(None);
    let (seen_in, seen) = mpsc::unbounded_channel();
    let (removed_in, removed) = mpsc::unbounded_channel();
    let reserve = base.reserve.clone();
    let room = Room::new(move |more| reserve.check(more));
    let clock = base.clock;
    let time = move || Duration::from_millis(clock.now().0);
    let store = Arc::new(Store::open_in(base.at("store"), room, time)?);
    let modules = Arc::new(Modules::new(Arc::clone(&store), Arc::clone(&launcher)));
    let reactors = Arc::new(Reactors::start().map_err(NodeError::Reactors)?);
    let (externals, from_externals) = Externals::new();
    let doors = Doors::default();
    let mut crew = Crew::new(CrewParts {
        externals: externals.clone(),
        doors: doors.clone(),
        launcher,
        shell: base.shell.clone(),
        instances: instances.clone(),
        turns: base.turns.clone(),
        checkpoints: drivers.dispatch.checkpoints.clone(),
        feed: base.feed.clone(),
        logs: logs.clone(),
        kernel_traces: kernel_traces.clone(),
        modules: Arc::clone(&modules),
        store: Arc::clone(&store),
        mounts: drivers.dispatch.mounts.clone(),
        tools: Arc::clone(&drivers.processes),
        devices: drivers.dispatch.devices.clone(),
        networks: Networks::default(),
        telemetry,
        secret,
        clock: base.clock,
        run: base.at("run"),
        reactors: Arc::clone(&reactors),
        features: features_in,
        seen: seen_in,
        removed: removed_in,
    });
    let alive = adopted(&mut crew, &recovered.found).await;
    let shell = recovered
        .shell
        .with(drivers.dispatch.clone(), Handle::current());
    Ok(Workers {
        instances,
        logs,
        kernel_traces,
        store,
        modules,
        features,
        seen,
        removed,
        shell_task: reactors.first().spawn(shell.run(alive)),
        externals,
        doors,
        reactors,
        crew_task: tokio::spawn(crew.run(recovered.events, recovered.orders, from_externals)),
    })
}

/// Takes over the workers that run. One that cannot be is not told to the kernel as alive, which has it killed.
async fn adopted(crew: &mut Crew, found: &[Found]) -> Vec<LiveWorker> {
    let mut alive = Vec::new();
    for it in found {
        match crew.adopt(it.turn, it.incarnation, it.input).await {
            Ok(()) => alive.push(LiveWorker {
                turn: it.turn,
                incarnation: it.incarnation,
            }),
            Err(why) => tracing::warn!(turn = %it.turn, %why, "a running worker is given up"),
        }
    }
    alive
}
