//! What every handler works with: the node, asked in the name of whoever asks here.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, OnceLock},
};

use aion_abi::{
    admin::ASKING_SOCKET,
    key::{Admitted, Right},
    problem::Problem,
};
use aion_client::{Address, Node};
use anyhow::Context as _;

#[cfg(feature = "kubernetes")]
use crate::cluster::{Caller, Cluster};
pub(crate) use crate::unanswered::problem;
use crate::{
    events::Events,
    issuers::Issuers,
    lending::{By, Lending},
    nodes::Nodes,
    signing::Signer,
};

/// What to do where a program cannot be one of an agent.
pub(crate) const NO_PROGRAMS: &str = "run the program where its agent's node is, or ask the agent";

/// What stands for an agent's name where the question says who is meant.
pub(crate) const AUTO: &str = "auto";

/// See the module.
#[derive(Clone)]
pub(crate) struct Gateway {
    /// Asked in the name of whoever has a key, or a token of the cluster; else by the gateway itself.
    pub(crate) nodes: Nodes,
    /// Asked by the gateway itself, whoever asks here: about what was begun for somebody, and to nobody else. In a cluster it has no
    /// right of its own, and asks in the name of who began it.
    pub(crate) own: Nodes,
    /// The id of the key that is asked by, or who asks in a cluster; none where the gateway asks itself.
    pub(crate) key: Option<Arc<str>>,
    /// The budget of that key, in tokens an hour.
    tokens_per_hour: Option<u64>,
    /// Whether models of agents are for who asks.
    pub(crate) lends: bool,
    /// Whether what agents remember is for who asks.
    pub(crate) remembers: bool,
    /// The namespace of agents that are named without one.
    pub(crate) namespace: String,
    /// Says that a card is this gateway's; none where gateways that are to sign alike share no key.
    pub(crate) signer: Option<Arc<Signer>>,
    /// Where it is found, once it listens.
    pub(crate) base: Arc<OnceLock<String>>,
    /// Models of agents, for programs that know only models.
    pub(crate) lending: Arc<Lending>,
    /// Whose tokens are taken.
    pub(crate) issuers: Arc<Issuers>,
    /// What happens on the node, or on those of a cluster, as far as who asks may see it.
    pub(crate) events: Arc<Events>,
}

impl Gateway {
    /// Of the node beside it, whose state is in `home`.
    ///
    /// # Errors
    /// There is no way to speak to it.
    pub(crate) fn open(home: &Path, namespace: &str, signer: Signer) -> anyhow::Result<Arc<Self>> {
        let socket = home.join(ASKING_SOCKET);
        let address = Address::unix(&socket)
            .with_context(|| format!("cannot speak to a node at {}", socket.display()))?;
        let node = Node { address };
        Ok(Arc::new(Self {
            events: Arc::new(Events::of(node.clone(), namespace)),
            own: Nodes::One(node.clone()),
            nodes: Nodes::One(node),
            key: None,
            tokens_per_hour: None,
            lends: true,
            remembers: true,
            namespace: namespace.to_owned(),
            signer: Some(Arc::new(signer)),
            base: Arc::default(),
            lending: Arc::default(),
            issuers: Arc::default(),
        }))
    }

    /// Of the nodes of a cluster, asked by nobody yet.
    #[cfg(feature = "kubernetes")]
    pub(crate) fn in_cluster(
        cluster: &Arc<Cluster>,
        namespace: &str,
        signer: Option<Signer>,
    ) -> Arc<Self> {
        let nodes = Nodes::Many(cluster.nobody());
        Arc::new(Self {
            own: nodes.clone(),
            nodes,
            key: None,
            tokens_per_hour: None,
            lends: false,
            remembers: false,
            namespace: namespace.to_owned(),
            signer: signer.map(Arc::new),
            base: Arc::default(),
            lending: Arc::default(),
            issuers: Arc::default(),
            events: Arc::new(Events::of_cluster(cluster.nobody(), namespace)),
        })
    }

    /// The same for whoever has a key, and the node asked in that name.
    pub(crate) fn asked_by(&self, node: Node, admitted: Admitted) -> Self {
        Self {
            events: Arc::new(self.events.asked_of(node.clone())),
            nodes: Nodes::One(node),
            key: Some(admitted.id.into()),
            tokens_per_hour: admitted.tokens_per_hour,
            lends: admitted.may.contains(&Right::Serve),
            remembers: admitted.may.contains(&Right::Memory),
            namespace: admitted.namespace,
            ..self.clone()
        }
    }

    /// The same for whoever asks in a cluster, and its nodes asked in that name: also about what was begun.
    #[cfg(feature = "kubernetes")]
    pub(crate) fn asked_in_cluster(&self, caller: Caller) -> Self {
        let namespace = caller.namespace().unwrap_or(&self.namespace).to_owned();
        Self {
            events: Arc::new(self.events.asked_by(caller.clone(), &namespace)),
            namespace,
            key: Some(caller.name().into()),
            own: Nodes::Many(caller.clone()),
            nodes: Nodes::Many(caller),
            ..self.clone()
        }
    }

    /// Who asks, for what is lent.
    ///
    /// # Errors
    /// There are several nodes.
    pub(crate) fn by(&self) -> Result<By<'_>, Problem> {
        let of = |nodes| {
            Nodes::one(
                nodes,
                "models of agents are not offered to programs",
                NO_PROGRAMS,
            )
        };
        Ok(By {
            node: of(&self.nodes)?,
            own: of(&self.own)?,
            key: self.key.as_ref(),
            tokens_per_hour: self.tokens_per_hour,
        })
    }

    /// The gateway of a node, for tests.
    #[cfg(test)]
    #[allow(clippy::unwrap_used)]
    pub(crate) fn at(node: Node) -> Self {
        Self {
            events: Arc::new(Events::of(node.clone(), "default")),
            own: Nodes::One(node.clone()),
            nodes: Nodes::One(node),
            key: None,
            tokens_per_hour: None,
            lends: true,
            remembers: true,
            namespace: "default".to_owned(),
            signer: Some(Arc::new(Signer::of(&[7; 32]).unwrap())),
            base: Arc::default(),
            lending: Arc::default(),
            issuers: Arc::default(),
        }
    }

    /// Takes note of where it listens, which cards say: what a request calls this machine is its client's word.
    pub(crate) fn serves_at(&self, address: SocketAddr) {
        // It listens once.
        let _ = self.base.set(format!("http://{address}"));
    }

    /// Takes note of the address that clients have.
    #[cfg(feature = "kubernetes")]
    pub(crate) fn is_found_at(&self, url: &str) {
        let _ = self.base.set(url.trim_end_matches('/').to_owned());
    }

    /// The address that what is here is found below.
    pub(crate) fn base(&self) -> &str {
        self.base.get().map_or("", String::as_str)
    }
}
