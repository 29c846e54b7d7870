//! What every handler works with: the node, and who may ask.

use std::sync::Arc;

use aion_abi::admin::ASKING_SOCKET;
use aion_client::{Address, Node};
use anyhow::Context as _;

pub(crate) use crate::unanswered::problem;
use crate::{args::Args, lending::Lending, state::State};

/// What stands for an agent's name where the question says who is meant.
pub(crate) const AUTO: &str = "auto";

/// See the module.
pub(crate) struct Gateway {
    pub(crate) node: Node,
    /// The namespace of agents that are named without one.
    pub(crate) namespace: String,
    pub(crate) token: String,
    /// Models of agents, for programs that know only models.
    pub(crate) lending: Lending,
}

impl Gateway {
    /// # Errors
    /// The token cannot be read.
    pub(crate) fn open(args: &Args, state: &State) -> anyhow::Result<Arc<Self>> {
        let token = state.token(args.token_file.as_deref())?;
        let socket = args.home.join(ASKING_SOCKET);
        let address = Address::unix(&socket)
            .with_context(|| format!("cannot speak to a node at {}", socket.display()))?;
        let node = Node { address };
        Ok(Arc::new(Self {
            lending: Lending::of(node.clone()),
            node,
            namespace: args.namespace.clone(),
            token,
        }))
    }
}
