//! What every handler works with: the node, and who may ask.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use aion_abi::admin::ASKING_SOCKET;
use aion_client::{Address, Node};
use anyhow::Context as _;

pub(crate) use crate::unanswered::problem;
use crate::{args::Args, events::Events, lending::Lending, signing::Signer, state::State};

/// What stands for an agent's name where the question says who is meant.
pub(crate) const AUTO: &str = "auto";

/// See the module.
pub(crate) struct Gateway {
    pub(crate) node: Node,
    /// The namespace of agents that are named without one.
    pub(crate) namespace: String,
    pub(crate) token: String,
    /// Says that a card is this gateway's.
    pub(crate) signer: Signer,
    /// Where it is found, once it listens.
    pub(crate) base: OnceLock<String>,
    /// Models of agents, for programs that know only models.
    pub(crate) lending: Lending,
    /// What happens on the node.
    pub(crate) events: Arc<Events>,
}

impl Gateway {
    /// # Errors
    /// The token cannot be read.
    pub(crate) fn open(args: &Args, state: &State) -> anyhow::Result<Arc<Self>> {
        let token = state.token(args.token_file.as_deref())?;
        let signer = state.signer(args.card_key_file.as_deref())?;
        let socket = args.home.join(ASKING_SOCKET);
        let address = Address::unix(&socket)
            .with_context(|| format!("cannot speak to a node at {}", socket.display()))?;
        let node = Node { address };
        Ok(Arc::new(Self {
            lending: Lending::of(node.clone()),
            events: Arc::new(Events::of(node.clone(), &args.namespace)),
            node,
            namespace: args.namespace.clone(),
            token,
            signer,
            base: OnceLock::new(),
        }))
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
