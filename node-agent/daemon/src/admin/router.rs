//! The table of endpoints, as `aion_abi::admin` has it.

use std::sync::Arc;

use aion_abi::{code::Code, problem::Problem};
use aion_drivers::{files::FolderFiles, memory::MemoryDriver, tool::ToolDriver};
use aion_sandbox::LayerReading;
use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{delete, get, post, put},
};
use tokio::sync::watch;

use super::{
    Access, Leaving, access, access::Guard, agents, answer::Refused, approvals, audit, devices,
    events, keys, leaving, memory, metrics, mounts, programs, proposals, pushes, queues, resources,
    status, tools, triggers, turns, usage, why,
};
use crate::{
    clock::Clock,
    devices::Devices,
    external::Externals,
    feed::Feed,
    instance::Instances,
    instances::{Folder, Standings},
    kernel_trace::KernelTraces,
    keys::Keys,
    logs::Logs,
    mounts::Mounts,
    pushes::Pushes,
    server::Doors,
    shell::Handle,
    telemetry::Telemetry,
    triggers::Triggers,
    turns::Turns,
};

/// The largest body of a request that is not an upload, in bytes.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// What the interface works with.
pub struct Admin {
    /// The node's name.
    pub node: String,
    /// Whether `OFFLINE_MODE` is on.
    pub offline: bool,
    /// Where the state is.
    pub home: std::path::PathBuf,
    /// The clock.
    pub clock: Clock,
    /// The kernel.
    pub shell: Handle,
    /// Instances that are ready.
    pub instances: Instances,
    /// How all instances stand.
    pub standings: Standings,
    /// Turns.
    pub turns: Turns,
    /// What starts turns.
    pub(crate) triggers: Triggers,
    /// Who is told the ends of turns.
    pub(crate) pushes: Pushes,
    /// Programs that run elsewhere.
    pub(crate) externals: Externals,
    pub(crate) doors: Doors,
    /// What happens.
    pub(crate) feed: Feed,
    /// Logs.
    pub logs: Logs,
    /// What agents do in the kernel of the machine.
    pub(crate) kernel_traces: KernelTraces,
    /// Mounts, where people map them.
    pub mounts: Mounts,
    /// The driver that checks folders.
    pub files: Arc<FolderFiles>,
    /// The folder of manifests; `None` in a cluster, where the API server has them.
    pub folder: Option<Folder>,
    /// API keys, where a gateway asks this node.
    pub(crate) keys: Keys,
    /// Memory, to erase pools.
    pub memory: Arc<dyn MemoryDriver>,
    /// Devices, to look at them.
    pub(crate) devices: Devices,
    /// Tools, to list them.
    pub tools: Arc<dyn ToolDriver>,
    /// What the launcher can enforce.
    pub features: watch::Receiver<Option<Arc<[LayerReading]>>>,
    /// Whether it is being stopped.
    pub leaving: Leaving,
    /// Counters.
    pub telemetry: Arc<Telemetry>,
}

/// The interface. `access` says who may, and what there is: in a cluster the API server has the resources.
pub(crate) fn router(admin: Arc<Admin>, access: Access) -> Router {
    let mut api = of_agents();
    // For who watches the node; who only asks has no business with it.
    let watched = match access {
        Access::Asking(_) => Router::new(),
        Access::Socket | Access::Token(_) | Access::Cluster(_) => metrics::probes(),
    };
    if !matches!(access, Access::Cluster(_)) {
        api = api.merge(of_resources());
    }
    let guard = Arc::new(Guard {
        access,
        node: admin.node.clone(),
        turns: admin.turns.clone(),
        keys: admin.keys.clone(),
        folder: admin.folder.clone(),
        approvals: access::of_shell(admin.shell.clone()),
    });
    let leaving = admin.leaving.clone();
    let api = api
        .route_layer(middleware::from_fn_with_state(guard, access::check))
        .route_layer(middleware::from_fn_with_state(leaving, leaving::check));
    Router::new()
        .merge(api)
        .merge(watched)
        .fallback(|| async {
            Refused(Problem::new(
                Code::NotFound,
                "there is nothing at this address",
            ))
        })
        .with_state(admin)
}

/// Agents: asking them, and what became of it.
fn of_agents() -> Router<Arc<Admin>> {
    let router = Router::new()
        .route("/api/v1/status", get(status::status))
        .route("/api/v1/events", get(events::events))
        .route(
            "/api/v1/namespaces/{namespace}/events",
            get(events::of_namespace),
        )
        .route(
            "/api/v1/namespaces/{namespace}/agents/{agent}/turns",
            get(turns::list).post(turns::ask),
        )
        .route(
            "/api/v1/turns/{turn}",
            get(turns::get).delete(turns::cancel),
        )
        .route("/api/v1/turns/{turn}/events", get(turns::events))
        .route("/api/v1/turns/{turn}/files/{*path}", get(turns::file))
        .route("/api/v1/push", get(pushes::granted).post(pushes::judge))
        .route(
            "/api/v1/turns/{turn}/push",
            get(pushes::list).post(pushes::add),
        )
        .route("/api/v1/turns/{turn}/push/{id}", delete(pushes::remove))
        .route(
            "/api/v1/namespaces/{namespace}/agents/{agent}/logs",
            get(agents::logs),
        )
        .route(
            "/api/v1/namespaces/{namespace}/agents/{agent}/why",
            get(why::why),
        )
        .route(
            "/api/v1/namespaces/{namespace}/agents/{agent}/kernel-events",
            get(agents::kernel_events),
        )
        .merge(looks())
        .merge(of_devices())
        .merge(of_approvals())
        .merge(of_programs())
        .merge(of_triggers())
        .layer(DefaultBodyLimit::max(MAX_BODY));
    // An upload is bounded as it is written.
    router.merge(
        Router::new()
            .route(
                "/api/v1/namespaces/{namespace}/agents/{agent}/uploads",
                post(agents::upload),
            )
            .layer(DefaultBodyLimit::disable()),
    )
}

/// What agents have, remember, did and used, as `aion_abi::{tools, memory, audit, usage}` have it.
fn looks() -> Router<Arc<Admin>> {
    const OF_AGENT: &str = "/api/v1/namespaces/{namespace}/agents/{agent}";
    let of_agent = |below: &str| format!("{OF_AGENT}/{below}");
    Router::new()
        .route(&of_agent("tools"), get(tools::list))
        .route(&of_agent("memory"), get(memory::list))
        .route(
            &of_agent("memory/{item}"),
            get(memory::get).delete(memory::forget),
        )
        .route(&of_agent("audit"), get(audit::of_agent))
        .route("/api/v1/turns/{turn}/audit", get(audit::of_turn))
        .route("/api/v1/usage", get(usage::usage))
        .route("/api/v1/queues", get(queues::queues))
}

/// Devices, as `aion_abi::device` has them.
fn of_devices() -> Router<Arc<Admin>> {
    const ALL: &str = "/api/v1/namespaces/{namespace}/devices";
    Router::new()
        .route(ALL, get(devices::list))
        .route(&format!("{ALL}/{{device}}"), get(devices::get))
        .route(&format!("{ALL}/{{device}}/write"), post(devices::write))
        .route(&format!("{ALL}/{{device}}/command"), post(devices::command))
        .route(
            "/api/v1/namespaces/{namespace}/device-changes",
            get(devices::watch),
        )
        .route(
            &format!("{ALL}/{{device}}/history/{{property}}"),
            get(devices::history),
        )
}

/// What people are asked, as `aion_abi::approval` has it.
fn of_approvals() -> Router<Arc<Admin>> {
    const OF_AGENT: &str = "/api/v1/namespaces/{namespace}/agents/{agent}/approvals";
    Router::new()
        .route("/api/v1/approvals", get(approvals::list))
        .route(
            "/api/v1/approvals/{approval}",
            get(approvals::get).delete(approvals::revoke_one),
        )
        .route(
            "/api/v1/namespaces/{namespace}/approvals",
            get(approvals::of_namespace),
        )
        .route(OF_AGENT, get(approvals::of_agent))
        .route(
            &format!("{OF_AGENT}/{{approval}}"),
            get(approvals::get_of_agent)
                .post(approvals::answer)
                .delete(approvals::revoke),
        )
}

/// What starts turns, as `aion_abi::trigger` has it.
fn of_triggers() -> Router<Arc<Admin>> {
    const OF_AGENT: &str = "/api/v1/namespaces/{namespace}/agents/{agent}";
    Router::new()
        .route("/api/v1/triggers", get(triggers::list))
        .route(&format!("{OF_AGENT}/triggers"), get(triggers::of_agent))
        .route(
            &format!("{OF_AGENT}/triggers/{{trigger}}/fire"),
            post(triggers::fire),
        )
        .route(
            &format!("{OF_AGENT}/hooks/{{trigger}}"),
            post(triggers::deliver),
        )
}

/// Programs that run elsewhere, as `aion_abi::external` has it.
fn of_programs() -> Router<Arc<Admin>> {
    const PROGRAMS: &str = "/api/v1/namespaces/{namespace}/agents/{agent}/programs";
    let at = |below: &str| format!("{PROGRAMS}/{{program}}{below}");
    Router::new()
        .route(PROGRAMS, post(programs::register))
        .route(&at(""), delete(programs::leave))
        .route(&at("/turn"), post(programs::next))
        .route(&at("/heartbeat"), post(programs::hear))
        .route(&at("/begin"), post(programs::begin))
        .route(&at("/end"), post(programs::end))
        .route(
            &at("/turns/{turn}/{incarnation}/v1/{*syscall}"),
            post(programs::syscall),
        )
}

/// Resources, keys and mounts, where this node has them.
fn of_resources() -> Router<Arc<Admin>> {
    Router::new()
        .route("/api/v1/apply", post(resources::apply))
        .route("/api/v1/resources/{kind}", get(resources::list))
        .route(
            "/api/v1/resources/{kind}/{namespace}/{name}",
            get(resources::get).delete(resources::delete),
        )
        .route("/api/v1/keys", get(keys::list).post(keys::make))
        .route("/api/v1/keys/{name}", get(keys::get).delete(keys::revoke))
        .route("/api/v1/key", post(keys::admit))
        .route("/api/v1/issuers", get(keys::issuers))
        .route("/api/v1/mounts", get(mounts::list))
        .route(
            "/api/v1/mounts/{name}",
            put(mounts::put).delete(mounts::remove),
        )
        .merge(of_proposals())
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

/// Devices that are announced, as `aion_abi::proposal` has them.
fn of_proposals() -> Router<Arc<Admin>> {
    const ALL: &str = "/api/v1/namespaces/{namespace}/device-proposals";
    let at = |below: &str| format!("{ALL}/{{proposal}}{below}");
    Router::new()
        .route(ALL, get(proposals::list))
        .route(&at(""), get(proposals::get))
        .route(&at("/approve"), post(proposals::approve))
        .route(&at("/reject"), post(proposals::reject))
}
