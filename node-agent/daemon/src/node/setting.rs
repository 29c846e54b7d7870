//! Where a node is, standing alone or in a cluster, and everything that differs: where instances and
//! secrets come from, what may be dialled, who may use the interface over TCP.

use std::{path::Path, sync::Arc};

use aion_abi::{admin::ASKING_SOCKET, kernel_event::Hook};
use aion_drivers::{
    outbound::{NodeAddresses, Place, Rule},
    secrets::{SecretFolder, Secrets},
    tool::StdioServers,
};
use aion_sandbox::LayerReading;
use aion_serve::{Tcp, serve_tcp};
use futures::{FutureExt, future::BoxFuture};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{NodeError, state::io_error};
use crate::{
    admin::{Access, Admin, router, serve_unix},
    config::{Config, Mode},
    devices::{DeviceSource, Elsewhere, Tenure},
    instances::{Folder, InstanceSource, folder::NodeFacts},
    kernel_trace::KernelTraces,
    mounts::Mounts,
    workers::ToolProcesses,
};

#[cfg(feature = "kubernetes")]
use aion_drivers::tool::NoStdioServers;
#[cfg(feature = "kubernetes")]
use aion_serve::certificate;
#[cfg(feature = "kubernetes")]
use k8s_openapi::jiff::Timestamp;

#[cfg(feature = "kubernetes")]
use crate::cluster::{Duties, Member, ServedAt};

/// See the module.
pub(super) enum Setting {
    /// The folder of manifests.
    Alone(Folder),
    /// The Kubernetes API.
    #[cfg(feature = "kubernetes")]
    Member(Member),
}

impl Setting {
    /// As the configuration says.
    pub(super) async fn find(config: &Config, mounts: &Mounts) -> Result<Self, NodeError> {
        match config.mode {
            Mode::Standalone => {
                let manifests = config.home.join("manifests");
                let going = config.home.join("state/going");
                Ok(Self::Alone(Folder::open(
                    manifests,
                    going,
                    facts(config, mounts),
                )?))
            }
            #[cfg(feature = "kubernetes")]
            Mode::Kubernetes => Ok(Self::Member(Member::join(config.node.clone()).await?)),
            #[cfg(not(feature = "kubernetes"))]
            Mode::Kubernetes => Err(NodeError::NoKubernetes),
        }
    }

    pub(super) fn source(&self) -> Arc<dyn InstanceSource> {
        match self {
            Self::Alone(folder) => Arc::new(folder.clone()),
            #[cfg(feature = "kubernetes")]
            Self::Member(member) => Arc::new(member.source()),
        }
    }

    /// Where devices come from.
    pub(super) fn devices(&self) -> Arc<dyn DeviceSource> {
        match self {
            Self::Alone(folder) => Arc::new(folder.clone()),
            #[cfg(feature = "kubernetes")]
            Self::Member(member) => Arc::new(member.devices()),
        }
    }

    /// For how long devices may be served.
    pub(super) fn tenure(&self) -> Tenure {
        match self {
            Self::Alone(_) => Tenure::endless(),
            #[cfg(feature = "kubernetes")]
            Self::Member(member) => member.tenure(),
        }
    }

    /// Where devices are that are not here.
    pub(super) fn elsewhere(&self) -> Option<Arc<dyn Elsewhere>> {
        match self {
            Self::Alone(_) => None,
            #[cfg(feature = "kubernetes")]
            Self::Member(member) => Some(Arc::new(member.devices())),
        }
    }

    /// Tools as processes: on a machine that stands alone only, since a cluster's node has no programs of users.
    pub(super) fn stdio(&self, processes: &Arc<ToolProcesses>) -> Arc<dyn StdioServers> {
        match self {
            Self::Alone(_) => processes.clone(),
            #[cfg(feature = "kubernetes")]
            Self::Member(_) => Arc::new(NoStdioServers),
        }
    }

    pub(super) fn secrets(&self, home: &Path) -> Arc<dyn Secrets> {
        match self {
            Self::Alone(_) => Arc::new(SecretFolder::new(home.join("config/secrets"))),
            #[cfg(feature = "kubernetes")]
            Self::Member(member) => Arc::new(member.secrets()),
        }
    }

    /// What may be dialled on an agent's behalf.
    pub(super) fn rule(&self, config: &Config) -> Rule {
        let (place, nodes) = match self {
            Self::Alone(_) => (Place::Standalone, NodeAddresses::none()),
            #[cfg(feature = "kubernetes")]
            Self::Member(member) => (Place::Cluster, member.nodes()),
        };
        Rule {
            offline: config.offline,
            place,
            nodes,
        }
    }

    /// The manifests, where this node has them.
    pub(super) fn folder(&self) -> Option<Folder> {
        match self {
            Self::Alone(folder) => Some(folder.clone()),
            #[cfg(feature = "kubernetes")]
            Self::Member(_) => None,
        }
    }

    /// Serves the interface over TCP, if it is to be, and does what this setting asks of a node beside that.
    /// What is given ends after `stop`.
    pub(super) async fn serve(
        self,
        config: &Config,
        admin: &Arc<Admin>,
        stop: &CancellationToken,
    ) -> Result<BoxFuture<'static, ()>, NodeError> {
        match self {
            Self::Alone(folder) => {
                let layers =
                    layers_to_folder(admin.features.clone(), admin.kernel_traces.clone(), folder);
                tokio::spawn(stop.clone().run_until_cancelled_owned(layers));
                let asking = serve_asking(config, admin, stop).await?;
                let Some(tcp) = &config.tcp else {
                    return Ok(asking);
                };
                let token = aion_serve::token(&config.home.join("config/admin.token"))?;
                let router = router(Arc::clone(admin), Access::Token(token));
                let served = serve_tcp(tcp.address, Tcp::Plain, router, stop.clone()).await?;
                tracing::info!(address = %served.0, "serving over TCP, with the token of config/admin.token");
                let both = async move {
                    tokio::join!(asking, served.1);
                };
                Ok(both.boxed())
            }
            #[cfg(feature = "kubernetes")]
            Self::Member(member) => member_serves(member, config, admin, stop).await,
        }
    }
}

/// Serves what a gateway needs, and no more, on a socket of its own.
async fn serve_asking(
    config: &Config,
    admin: &Arc<Admin>,
    stop: &CancellationToken,
) -> Result<BoxFuture<'static, ()>, NodeError> {
    let socket = config.home.join(ASKING_SOCKET);
    // Another user's way to it is made by who starts both.
    if let (None, Some(folder)) = (config.gateway, socket.parent()) {
        crate::files::private_folder(folder).map_err(io_error("create", folder))?;
    }
    let token = aion_serve::token(&config.home.join("config/approver.token"))?;
    let router = router(Arc::clone(admin), Access::Asking(token));
    let serving = serve_unix(&socket, config.gateway, router, stop.clone()).await?;
    Ok(serving.boxed())
}

#[cfg(feature = "kubernetes")]
async fn member_serves(
    member: Member,
    config: &Config,
    admin: &Arc<Admin>,
    stop: &CancellationToken,
) -> Result<BoxFuture<'static, ()>, NodeError> {
    let (mut api, mut renewal) = (None, None);
    let mut serving = futures::future::ready(()).boxed();
    if let Some(tcp) = &config.tcp {
        let (wire, scheme, certificate) = match &tcp.tls {
            Some(files) => {
                let ends = admin.telemetry.certificate_ends()?;
                let ends = Box::new(move |until: Timestamp| ends.set(until.as_second()));
                let opened = certificate::open(files.clone(), ends)?;
                let (acceptor, announced, renews) = opened;
                renewal = Some(renews);
                (Tcp::Tls(acceptor), "https", Some(announced))
            }
            None => (Tcp::Plain, "http", None),
        };
        let access = Access::Cluster(Arc::new(member.reviewer()));
        let router = router(Arc::clone(admin), access);
        let served = serve_tcp(tcp.address, wire, router, stop.clone()).await?;
        let own = format!("{scheme}://{}", served.0);
        let url = tcp.url.clone().unwrap_or(own);
        tracing::info!(address = %served.0, url, "serving the cluster over TCP");
        api = Some(ServedAt { url, certificate });
        serving = served.1.boxed();
    }
    let duties = Duties {
        capacity: config.capacity,
        volumes: admin.mounts.all().into_keys().collect(),
        api,
        renewal,
        features: admin.features.clone(),
        kernel: admin.kernel_traces.clone(),
        shell: admin.shell.clone(),
        memory: Arc::clone(&admin.memory),
    };
    let tasks = member.serve(duties, stop);
    Ok(async move {
        tokio::join!(serving, tasks.wait());
    }
    .boxed())
}

/// Placement counts on what the launcher can enforce.
async fn layers_to_folder(
    mut features: watch::Receiver<Option<Arc<[LayerReading]>>>,
    kernel: KernelTraces,
    folder: Folder,
) {
    loop {
        let layers = features.borrow_and_update().clone();
        // While it does not answer, what it could do before is what is expected again.
        if let Some(layers) = layers {
            let enforced = layers.iter().filter(|it| it.is_enforced());
            let layers = enforced.map(|it| it.name).collect();
            folder.node_changed(|node| {
                node.layers = layers;
                node.hooks = Hook::ALL.into_iter().filter(|it| kernel.has(*it)).collect();
            });
        }
        if features.changed().await.is_err() {
            return;
        }
    }
}

fn facts(config: &Config, mounts: &Mounts) -> NodeFacts {
    NodeFacts {
        name: config.node.clone(),
        capacity: config.capacity,
        layers: Vec::new(),
        hooks: Vec::new(),
        volumes: mounts.all().into_keys().collect(),
    }
}
