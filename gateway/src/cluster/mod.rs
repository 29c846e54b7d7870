//! The nodes of a cluster, asked in the name of who asks here: with the token that they show, which a node judges as it does
//! that of `aionctl`. The gateway itself may see where agents are, and ask nobody anything.
//!
//! What may not enter: protocols, and what is kept from one request to the next.

mod caller;
mod table;
mod watching;

use std::sync::Arc;

use aion_abi::{code::Code, problem::Problem};
use aion_client::ClientError;
use aion_review::Reviews;
use anyhow::Context as _;
use kube::Client;
use parking_lot::RwLock;
use tokio::sync::watch;

pub(crate) use self::caller::Caller;
use self::{caller::Who, table::Table};

/// See the module.
pub(crate) struct Cluster {
    client: Client,
    reviews: Reviews,
    table: Arc<RwLock<Table>>,
    filled: watch::Receiver<bool>,
}

impl Cluster {
    /// Finds the API server as kubectl does, or by the pod's service account, and begins to watch. It need not answer yet.
    ///
    /// # Errors
    /// Nothing says where it is.
    pub(crate) async fn join() -> anyhow::Result<Arc<Self>> {
        let client = Client::try_default().await.context(
            "cannot tell where the Kubernetes API is; set KUBECONFIG, or run in a pod with a service account",
        )?;
        let table = Arc::default();
        Ok(Arc::new(Self {
            filled: watching::fill(&client, &table),
            reviews: Reviews::new(client.clone()),
            client,
            table,
        }))
    }

    /// Whether it has seen once where agents are.
    pub(crate) fn is_ready(&self) -> bool {
        *self.filled.borrow()
    }

    /// Whoever has the token.
    ///
    /// # Errors
    /// It was not made for node agents alone; or the API server does not say.
    pub(crate) async fn caller(self: &Arc<Self>, token: &str) -> Result<Caller, Problem> {
        let user = self.reviews.user(token, "").await?;
        Ok(Caller::new(self, Some(Who::new(token, user))))
    }

    /// Nobody: what asks in no name may nothing.
    pub(crate) fn nobody(self: &Arc<Self>) -> Caller {
        Caller::new(self, None)
    }
}

/// What the API server does not say.
fn silent(doing: &str, error: &kube::Error) -> ClientError {
    let what = format!("the Kubernetes API cannot {doing}: {error}");
    let problem = Problem::new(Code::Unreachable, what);
    problem
        .remedy("try again when the Kubernetes API answers; agents that run go on meanwhile")
        .retry_after_ms(1_000)
        .into()
}
