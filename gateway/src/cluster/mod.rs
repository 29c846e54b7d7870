//! The nodes of a cluster, asked in the name of who asks here: with the token that they show, which a node judges as it does
//! that of `aionctl`. The gateway itself may see where agents are, and ask nobody anything.
//!
//! What may not enter: protocols, and what is kept from one request to the next.

mod approvals;
mod caller;
mod feeds;
mod lists;
mod table;
mod watching;

use std::{sync::Arc, time::Duration};

use aion_abi::{code::Code, problem::Problem};
use aion_review::Reviews;
use anyhow::Context as _;
use kube::Client;
use parking_lot::RwLock;
use tokio::sync::watch;

pub(crate) use self::{caller::Caller, feeds::FeedOf};
use self::{caller::Who, lists::Lists, table::Table};

/// How long a request waits for a word of the API server's, as at a node.
const REVIEW: Duration = Duration::from_secs(10);

/// See the module.
pub(crate) struct Cluster {
    client: Client,
    reviews: Reviews,
    table: Arc<RwLock<Table>>,
    filled: watch::Receiver<bool>,
    lists: Lists,
}

impl Cluster {
    /// Finds the API server as kubectl does, or by the pod's service account, and begins to watch. It need not answer yet. `plain` says that
    /// nodes of this machine are asked without TLS, for tests.
    ///
    /// # Errors
    /// Nothing says where it is.
    pub(crate) async fn join(plain: bool) -> anyhow::Result<Arc<Self>> {
        let client = Client::try_default().await.context(
            "cannot tell where the Kubernetes API is; set KUBECONFIG, or run in a pod with a service account",
        )?;
        Ok(Self::of(client, plain))
    }

    fn of(client: Client, plain: bool) -> Arc<Self> {
        let table = Arc::default();
        Arc::new(Self {
            filled: watching::fill(&client, &table, plain),
            reviews: Reviews::new(client.clone()),
            client,
            table,
            lists: Lists::default(),
        })
    }

    /// Whether it has seen once where agents are.
    pub(crate) fn is_ready(&self) -> bool {
        *self.filled.borrow()
    }

    /// # Errors
    /// It has not: what is not in its table may be there all the same.
    fn ready(&self) -> Result<(), Problem> {
        match self.is_ready() {
            true => Ok(()),
            false => Err(Problem::new(
                Code::Unreachable,
                "the gateway does not know yet where agents are",
            )
            .retry_after_ms(1_000)),
        }
    }

    /// Whoever has the token.
    ///
    /// # Errors
    /// It was not made for node agents alone; or the API server does not say.
    pub(crate) async fn caller(self: &Arc<Self>, token: &str) -> Result<Caller, Problem> {
        let user = in_time("say who is asking", self.reviews.user(token, "")).await?;
        Ok(Caller::new(self, Some(Who::new(token, user))))
    }

    /// Nobody: what asks in no name may nothing.
    pub(crate) fn nobody(self: &Arc<Self>) -> Caller {
        Caller::new(self, None)
    }
}

/// Its word, where it comes in time.
async fn in_time<T>(
    doing: &str,
    word: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    match tokio::time::timeout(REVIEW, word).await {
        Ok(word) => word,
        Err(_) => Err(away(format!(
            "the Kubernetes API does not {doing} in {} s",
            REVIEW.as_secs()
        ))),
    }
}

/// What the API server does not say.
fn silent(doing: &str, error: &kube::Error) -> Problem {
    let what = format!("the Kubernetes API cannot {doing}: {error}");
    match error {
        // Asked again it says the same.
        kube::Error::Api(status) if (400..429).contains(&status.code) => {
            Problem::new(Code::UpstreamFailed, what).remedy(
                "compare the rights of the gateway's service account with those of its chart",
            )
        }
        _ => away(what),
    }
}

fn away(what: String) -> Problem {
    Problem::new(Code::Unreachable, what)
        .remedy("try again when the Kubernetes API answers; agents that run go on meanwhile")
        .retry_after_ms(1_000)
}

#[cfg(test)]
mod tests;
