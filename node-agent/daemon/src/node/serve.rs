//! The top storey: the keeper of instances, the daily work, and the interface that people ask.

use std::sync::Arc;

use aion_trust::TrustRoots;
use tokio_util::sync::CancellationToken;

use super::{
    Node, NodeError, drivers::Drivers, recover::Base, setting::Setting, state::io_error,
    workers::Workers,
};
use crate::{
    admin::{Access, Admin, Leaving, router, serve_unix},
    housekeeping::Housekeeping,
    instances::{Fetcher, Keeper, Preparer, Standings},
    keys::{Issuers, Keys},
    pushes::Pushes,
    shell::tell_depths,
    telemetry::Telemetry,
    traces::Traces,
    triggers::{self, Triggers},
};

pub(super) async fn serve(
    base: Base,
    setting: Setting,
    drivers: Drivers,
    workers: Workers,
    telemetry: Arc<Telemetry>,
) -> Result<Node, NodeError> {
    let config = &base.config;
    let dispatch = &drivers.dispatch;
    let standings = Standings::default();
    let place = base.at("state/triggers.jsonl");
    let parts = triggers::Parts {
        clock: base.clock,
        turns: base.turns.clone(),
        shell: base.shell.clone(),
        instances: workers.instances.clone(),
        secrets: setting.secrets(&config.home),
        devices: dispatch.devices.clone(),
        telemetry: Arc::clone(&telemetry),
    };
    let triggers = Triggers::open(place.clone(), parts).map_err(io_error("read", place))?;
    let keeper = Keeper {
        source: setting.source(),
        preparer: Preparer::new(
            Arc::clone(&workers.store),
            Fetcher::new(
                config.sources.clone(),
                config.offline,
                setting.secrets(&config.home),
            ),
            TrustRoots::new(config.settings.join("trust_roots")),
            workers.modules,
        ),
        instances: workers.instances.clone(),
        standings: standings.clone(),
        traces: Traces {
            triggers: triggers.clone(),
            turns: base.turns.clone(),
            checkpoints: dispatch.checkpoints.clone(),
            logs: workers.logs.clone(),
            kernel: workers.kernel_traces.clone(),
            memory: Arc::clone(&dispatch.memory),
        },
        shell: base.shell.clone(),
        features: workers.features.clone(),
        seen: workers.seen,
        removed: workers.removed,
        externals: workers.externals.clone(),
        feed: base.feed.clone(),
        limits: config.limits.clone(),
    };
    let keeper_task = tokio::spawn(keeper.run());
    let housekeeping = Housekeeping {
        instances: workers.instances.clone(),
        standings: standings.clone(),
        memory: Arc::clone(&dispatch.memory),
        store: workers.store,
    };
    let issuers = Issuers::read(&config.settings.join("issuers.yaml"), config.offline)?;
    let keys = Keys::open(base.at("state/keys.json"), base.clock, issuers)?;
    let place = base.at("state/pushes");
    let (hosts, outbound) = (config.push_hosts.clone(), Arc::clone(&dispatch.outbound));
    let pushes = Pushes::open(place.clone(), hosts, outbound, base.turns.clone());
    let (pushes, watched) = pushes.map_err(io_error("read", place))?;
    let admin = Arc::new(Admin {
        node: config.node.clone(),
        offline: config.offline,
        home: config.home.clone(),
        clock: base.clock,
        shell: base.shell.clone(),
        instances: workers.instances,
        standings,
        turns: base.turns.clone(),
        triggers: triggers.clone(),
        pushes: pushes.clone(),
        externals: workers.externals,
        doors: workers.doors,
        feed: base.feed.clone(),
        logs: workers.logs,
        kernel_traces: workers.kernel_traces,
        mounts: dispatch.mounts.clone(),
        files: drivers.files,
        folder: setting.folder(),
        keys: keys.clone(),
        memory: Arc::clone(&dispatch.memory),
        devices: dispatch.devices.clone(),
        tools: Arc::clone(&dispatch.tools),
        features: workers.features,
        leaving: Leaving::default(),
        telemetry,
    });
    let stop = CancellationToken::new();
    tokio::spawn(
        stop.clone()
            .run_until_cancelled_owned(admin.turns.clone().keep_tidy(base.shell.clone())),
    );
    tokio::spawn(stop.clone().run_until_cancelled_owned(housekeeping.work()));
    tokio::spawn(stop.clone().run_until_cancelled_owned(keys.keep()));
    let depths = tell_depths(base.shell.clone(), base.feed.clone());
    tokio::spawn(stop.clone().run_until_cancelled_owned(depths));
    tokio::spawn(stop.clone().run_until_cancelled_owned(triggers.run()));
    tokio::spawn(stop.clone().run_until_cancelled_owned(pushes.run(watched)));
    let devices = dispatch.devices.clone().follow(setting.devices());
    tokio::spawn(stop.clone().run_until_cancelled_owned(devices));
    let serving = serve_unix(
        &base.at("run/admin.sock"),
        None,
        router(Arc::clone(&admin), Access::Socket),
        stop.clone(),
    )
    .await?;
    let beside = setting.serve(config, &admin, &stop).await?;
    let serving = async move {
        tokio::join!(serving, beside);
    };
    Ok(Node {
        shell: base.shell,
        stop,
        _reactors: workers.reactors,
        shell_task: workers.shell_task,
        crew_task: workers.crew_task,
        admin_task: tokio::spawn(serving),
        keeper_task,
        admin,
    })
}
