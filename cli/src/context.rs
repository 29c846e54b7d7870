//! What every command is given: the screen, the namespace, and the way to a node. Also what a client's error means
//! to the person who typed the command.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use aion_abi::{
    code::Code,
    seen::{in_json, is_wild},
};
use aion_client::{Address, ClientError, Node};
use serde::Serialize;
use serde_json::Value;

#[cfg(feature = "kubernetes")]
use crate::cluster::{Cluster, Named};
use crate::{
    asked::Asked,
    failure::{Failure, Status},
    global::Global,
    home::Home,
    render::{message, screen::Screen},
    resources::Resources,
};

/// What every command is given.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) screen: Screen,
    pub(crate) namespace: String,
    home: Option<PathBuf>,
    #[cfg(feature = "kubernetes")]
    cluster: Option<Cluster>,
}

/// The namespace where nobody says another.
const NAMESPACE: &str = "default";

impl Context {
    /// The node on this machine, unless a cluster is named.
    #[cfg(not(feature = "kubernetes"))]
    pub(crate) async fn find(screen: Screen, global: &Global) -> Result<Self, Failure> {
        if in_cluster(global) {
            return Err(
                Failure::usage("this aionctl was built without the feature kubernetes")
                    .remedy("build one that has it: cargo build --release -p aion-cli --features kubernetes"),
            );
        }
        Ok(Self {
            screen,
            namespace: global.namespace.clone().unwrap_or(NAMESPACE.to_owned()),
            home: global.home.clone(),
        })
    }

    /// The node on this machine, unless a cluster is named.
    #[cfg(feature = "kubernetes")]
    pub(crate) async fn find(screen: Screen, global: &Global) -> Result<Self, Failure> {
        let cluster = match in_cluster(global) {
            false => None,
            true => Some(
                Cluster::find(&Named {
                    kubeconfig: global.kubeconfig.as_deref(),
                    context: global.context.as_deref(),
                    service_account: global.service_account.as_deref(),
                })
                .await?,
            ),
        };
        let own = cluster.as_ref().map_or(NAMESPACE, Cluster::namespace);
        let namespace = global.namespace.clone().unwrap_or(own.to_owned());
        Ok(Self {
            screen,
            namespace,
            home: global.home.clone(),
            cluster,
        })
    }

    pub(crate) fn home(&self) -> Result<Home, Failure> {
        Home::find(self.home.as_deref())
    }

    /// The cluster that was named.
    #[cfg(feature = "kubernetes")]
    pub(crate) fn cluster(&self) -> Option<&Cluster> {
        self.cluster.as_ref()
    }

    /// The node that answers for this machine, for what only it can do.
    pub(crate) fn node(&self) -> Result<Node, Failure> {
        #[cfg(feature = "kubernetes")]
        if self.cluster.is_some() {
            return Err(
                Failure::usage("this works on one machine, not in a cluster").remedy(
                    "leave out --cluster, --context and --kubeconfig, and unset AION_CLUSTER",
                ),
            );
        }
        let socket = self.home()?.admin_socket();
        let address = Address::unix(&socket).map_err(|why| {
            Failure::new(format!("cannot speak to the node: {why}")).at(socket.display())
        })?;
        Ok(Node { address })
    }

    /// Who has the resources.
    pub(crate) fn resources(&self) -> Result<Resources, Failure> {
        #[cfg(feature = "kubernetes")]
        if let Some(cluster) = &self.cluster {
            return Ok(Resources::Cluster(Box::new(cluster.clone())));
        }
        self.node().map(|node| Resources::Node(Box::new(node)))
    }

    /// The node that is asked about an agent.
    pub(crate) async fn node_of(
        &self,
        #[cfg_attr(not(feature = "kubernetes"), allow(unused_variables))] agent: &str,
    ) -> Result<Asked, Failure> {
        #[cfg(feature = "kubernetes")]
        if let Some(cluster) = &self.cluster {
            return cluster.node_of(&self.namespace, agent).await;
        }
        Ok(Asked {
            node: self.node()?,
            #[cfg(feature = "kubernetes")]
            name: None,
        })
    }

    /// The node of an agent's first replica.
    pub(crate) async fn first_node_of(&self, agent: &str) -> Result<Asked, Failure> {
        #[cfg(feature = "kubernetes")]
        if let Some(cluster) = &self.cluster {
            return cluster.first_node_of(&self.namespace, agent).await;
        }
        self.node_of(agent).await
    }

    /// The same node as it is found now: in a cluster with the certificate that it has now, and a token of now.
    pub(crate) async fn again(&self, asked: &Asked) -> Result<Asked, Failure> {
        #[cfg(feature = "kubernetes")]
        if let (Some(cluster), Some(name)) = (&self.cluster, &asked.name) {
            return cluster.node_named(&self.namespace, name).await;
        }
        Ok(asked.clone())
    }

    /// Prints to standard output. A reader that went away (`| head`) is not a failure: the command is done then.
    pub(crate) fn print(&self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        match written {
            Err(why) if why.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
            Err(why) => Err(Failure::new(format!("cannot write the output: {why}"))),
            Ok(()) => Ok(()),
        }
    }

    /// A remark on standard error.
    pub(crate) fn note(&self, text: &str) {
        eprint!("{}", message::note(&self.screen, text));
    }

    /// Something to mend, on standard error, where what was asked for was done.
    pub(crate) fn warn(&self, text: &str) {
        eprint!("{}", message::warning(&self.screen, text));
    }

    /// A failure after which the command goes on, on standard error.
    pub(crate) fn complain(&self, failure: &Failure) {
        eprint!("{}", message::failure(&self.screen, failure));
    }

    /// Prints a value whole.
    pub(crate) fn print_json(&self, value: &Value) -> Result<(), Failure> {
        self.print(&in_json(&format!("{value:#}\n")))
    }

    /// Prints a value in one line, of many that follow one another.
    pub(crate) fn print_json_line(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value)
            .map_err(|why| Failure::new(format!("cannot write what was seen: {why}")))?;
        self.print(&format!("{}\n", in_json(&text)))
    }

    /// Prints a value whole, as YAML.
    pub(crate) fn print_yaml(&self, value: &Value) -> Result<(), Failure> {
        let text = yaml(value)?;
        self.print(&text)
    }
}

fn in_cluster(global: &Global) -> bool {
    global.cluster || global.kubeconfig.is_some() || global.context.is_some()
}

/// A value as YAML, with a newline at its end. Where a text in it would do something to a screen, it is in the form of JSON, which
/// is YAML and has an escape for each character.
pub(crate) fn yaml(value: &Value) -> Result<String, Failure> {
    let text = serde_saphyr::to_string(value)
        .map_err(|why| Failure::new(format!("cannot write the answer as YAML: {why}")))?;
    Ok(match text.chars().any(is_wild) {
        true => in_json(&format!("{value:#}\n")),
        false => format!("{}\n", text.trim_end()),
    })
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let what = error.to_string();
        match error {
            ClientError::Unreachable { at, why } if is_remote(&at) => {
                Self::new(format!("the node agent does not answer: {why}"))
                    .at(at)
                    .remedy("check its node: aionctl --cluster get nodes")
                    .status(Status::Unreachable)
            }
            ClientError::Broken { at, why } if is_remote(&at) => {
                Self::new(format!("the connection to the node agent broke: {why}"))
                    .at(at)
                    .remedy("check its node: aionctl --cluster get nodes")
                    .status(Status::Unreachable)
            }
            ClientError::Unreachable { at, why } => Self::new(format!(
                "the node does not answer: {}",
                match why.kind() {
                    io::ErrorKind::NotFound => "it is not running".to_owned(),
                    io::ErrorKind::ConnectionRefused => "it is not running any more".to_owned(),
                    _ => why.to_string(),
                }
            ))
            .at(at)
            .remedy("start it: aionctl local start")
            .status(Status::Unreachable),
            ClientError::Forbidden { at } => {
                Self::new("the node on this machine belongs to another user")
                    .at(at)
                    .remedy("use it as that user, or your own with AION_HOME")
                    .status(Status::Refused)
            }
            ClientError::Broken { at, why } => {
                Self::new(format!("the connection to the node broke: {why}"))
                    .at(at)
                    .remedy("check it: aionctl local status")
                    .status(Status::Unreachable)
            }
            ClientError::Unexpected { at, .. } => Self::new(what)
                .at(at)
                .remedy("compare the versions: aionctl version"),
            ClientError::Refused(problem) => {
                let status = match problem.code {
                    Code::NotFound => Status::NotFound,
                    Code::Denied
                    | Code::ApprovalRequired
                    | Code::ApprovalDenied
                    | Code::ApprovalExpired
                    | Code::Offline
                    | Code::BadSignature => Status::Refused,
                    Code::BadRequest => Status::Usage,
                    _ => Status::Failed,
                };
                Self::new(&problem.detail)
                    .remedy(&problem.remedy)
                    .status(status)
            }
        }
    }
}

/// A socket on this machine is a path; anything else is another's address.
fn is_remote(at: &str) -> bool {
    !at.starts_with('/')
}
