//! The second storey: what carries out effects. Where the node is decides what they may reach.

use std::sync::Arc;

use aion_drivers::{
    device::{MqttBrokers, http::HttpDevices},
    embed::{Embedder, HttpEmbedder},
    files::FolderFiles,
    memory::{Means, MemoryDriver},
    model::{OpenAiModels, Patience},
    outbound::Outbound,
    secrets::Secrets,
    tool::Tools,
};

use super::{
    NodeError, proofs,
    recover::Base,
    setting::Setting,
    state::{io_error, mounts_file},
};
use crate::{
    clock,
    devices::{self, Devices},
    dispatch::Dispatch,
    instance::Instances,
    launching::Launcher,
    logs::Logs,
    mounts::Mounts,
    telemetry::Telemetry,
    turns::Checkpoints,
    workers::ToolProcesses,
};

/// See the module.
pub(super) struct Drivers {
    pub(super) dispatch: Arc<Dispatch>,
    /// Checks the folders of mounts.
    pub(super) files: Arc<FolderFiles>,
    /// Tools that are processes.
    pub(super) processes: Arc<ToolProcesses>,
    /// Those that the processes are for.
    pub(super) instances: Instances,
}

pub(super) async fn drivers(
    base: &Base,
    launcher: &Arc<dyn Launcher>,
    telemetry: &Arc<Telemetry>,
) -> Result<(Setting, Drivers), NodeError> {
    let config = &base.config;
    let files = FolderFiles::new([config.home.clone()]).with_reserve(base.reserve.clone());
    let files = Arc::new(files);
    let mounts = Mounts::open(mounts_file(config)?, Arc::clone(&files))?;
    let looked_at = mounts.clone();
    tokio::task::spawn_blocking(move || looked_at.tell_closed());
    let setting = Setting::find(config, &mounts).await?;
    let outbound = Arc::new(Outbound::new(setting.rule(config)));
    let secrets = setting.secrets(&config.home);
    let instances = Instances::default();
    let processes = ToolProcesses::new(
        Arc::clone(launcher),
        mounts.clone(),
        instances.clone(),
        Arc::clone(telemetry),
    );
    tokio::spawn(processes.clone().end_unwanted());
    let processes = Arc::new(processes);
    let embedder = HttpEmbedder::new(Arc::clone(&outbound), Arc::clone(&secrets));
    let embedder: Arc<dyn Embedder> = Arc::new(embedder);
    let tasks = base.at("state/tasks.key");
    let devices = Devices::new(devices::Parts {
        node: config.node.clone(),
        driver: Arc::new(MqttBrokers::new(
            Arc::clone(&outbound),
            Arc::clone(&secrets),
        )),
        http: Arc::new(HttpDevices::new(
            Arc::clone(&outbound),
            Arc::clone(&secrets),
        )),
        secrets: Arc::clone(&secrets),
        tell: {
            let shell = base.shell.clone();
            Box::new(move |event| shell.tell(event))
        },
        telemetry: Arc::clone(telemetry),
        clock: base.clock,
        tenure: setting.tenure(),
        elsewhere: setting.elsewhere(),
    });
    let dispatch = Dispatch {
        files: files.clone(),
        mounts,
        memory: memory(base, &outbound, &secrets, &embedder)?,
        embedder,
        models: Arc::new(OpenAiModels::new(
            Arc::clone(&outbound),
            Arc::clone(&secrets),
            Patience::default(),
        )),
        tools: Arc::new(Tools::new(
            Arc::clone(&outbound),
            secrets,
            setting.stdio(&processes),
            proofs::key(&tasks).map_err(io_error("read", tasks))?,
        )),
        devices,
        outbound,
        clock: base.clock,
        turns: base.turns.clone(),
        checkpoints: Checkpoints::new(base.at("state/checkpoints")),
        logs: Logs::new(base.at("logs"), base.reserve.clone(), base.feed.clone()),
        reserve: base.reserve.clone(),
        telemetry: Arc::clone(telemetry),
        standing: base.standing.clone(),
    };
    let drivers = Drivers {
        dispatch: Arc::new(dispatch),
        files,
        processes,
        instances,
    };
    Ok((setting, drivers))
}

/// What agents remember, where the configuration keeps it.
fn memory(
    base: &Base,
    outbound: &Arc<Outbound>,
    secrets: &Arc<dyn Secrets>,
    embedder: &Arc<dyn Embedder>,
) -> Result<Arc<dyn MemoryDriver>, NodeError> {
    let memory = base.config.memory.open(&Means {
        folder: base.at("state/memory"),
        outbound: Arc::clone(outbound),
        secrets: Arc::clone(secrets),
        embedder: Arc::clone(embedder),
        now: clock::reading,
    });
    Ok(Arc::new(memory.map_err(|problem| {
        NodeError::Memory(problem.to_string())
    })?))
}
