//! What every handler works with: the node, asked in the name of whoever asks here.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use aion_abi::{
    admin::ASKING_SOCKET,
    key::{Admitted, Right},
};
use aion_client::{Address, Node};
use anyhow::Context as _;

pub(crate) use crate::unanswered::problem;
use crate::{
    args::Args,
    events::Events,
    lending::{By, Lending},
    signing::Signer,
    state::State,
};

/// What stands for an agent's name where the question says who is meant.
pub(crate) const AUTO: &str = "auto";

/// See the module.
#[derive(Clone)]
pub(crate) struct Gateway {
    /// Asked in the name of whoever has a key; else by the gateway itself.
    pub(crate) node: Node,
    /// Asked by the gateway itself, whoever asks here: about what was begun for somebody, and to nobody else.
    pub(crate) own: Node,
    /// The id of the key that is asked by; none where the gateway asks itself.
    pub(crate) key: Option<Arc<str>>,
    /// Whether models of agents are for who asks.
    pub(crate) lends: bool,
    /// The namespace of agents that are named without one.
    pub(crate) namespace: String,
    /// Says that a card is this gateway's.
    pub(crate) signer: Arc<Signer>,
    /// Where it is found, once it listens.
    pub(crate) base: Arc<OnceLock<String>>,
    /// Models of agents, for programs that know only models.
    pub(crate) lending: Arc<Lending>,
    /// What happens on the node, as far as who asks may see it.
    pub(crate) events: Arc<Events>,
}

impl Gateway {
    /// # Errors
    /// The key of cards cannot be read.
    pub(crate) fn open(args: &Args, state: &State) -> anyhow::Result<Arc<Self>> {
        let signer = state.signer(args.card_key_file.as_deref())?;
        let socket = args.home.join(ASKING_SOCKET);
        let address = Address::unix(&socket)
            .with_context(|| format!("cannot speak to a node at {}", socket.display()))?;
        let node = Node { address };
        Ok(Arc::new(Self {
            events: Arc::new(Events::of(node.clone(), &args.namespace)),
            own: node.clone(),
            node,
            key: None,
            lends: true,
            namespace: args.namespace.clone(),
            signer: Arc::new(signer),
            base: Arc::default(),
            lending: Arc::default(),
        }))
    }

    /// The same for whoever has a key, and the node asked in that name.
    pub(crate) fn asked_by(&self, node: Node, admitted: Admitted) -> Self {
        Self {
            events: Arc::new(self.events.asked_of(node.clone())),
            node,
            key: Some(admitted.id.into()),
            lends: admitted.may.contains(&Right::Serve),
            namespace: admitted.namespace,
            ..self.clone()
        }
    }

    /// Who asks, for what is lent.
    pub(crate) fn by(&self) -> By<'_> {
        By {
            node: &self.node,
            own: &self.own,
            key: self.key.as_ref(),
        }
    }

    /// The gateway of a node, for tests.
    #[cfg(test)]
    #[allow(clippy::unwrap_used)]
    pub(crate) fn at(node: Node) -> Self {
        Self {
            events: Arc::new(Events::of(node.clone(), "default")),
            own: node.clone(),
            node,
            key: None,
            lends: true,
            namespace: "default".to_owned(),
            signer: Arc::new(Signer::of(&[7; 32]).unwrap()),
            base: Arc::default(),
            lending: Arc::default(),
        }
    }

    /// Takes note of where it listens, which cards say: what a request calls this machine is its client's word.
    pub(crate) fn serves_at(&self, address: SocketAddr) {
        // It listens once.
        let _ = self.base.set(format!("http://{address}"));
    }

    /// The address that what is here is found below.
    pub(crate) fn base(&self) -> &str {
        self.base.get().map_or("", String::as_str)
    }
}
