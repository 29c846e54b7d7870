//! Who asks, and whether they may: the cluster's word (`aion_review`) on what a request needs. What may not enter: what that
//! is, which `admin` says.

use aion_abi::problem::Problem;
use aion_review::{Reviews, Wanted, refused};
use futures::future::BoxFuture;
use kube::Client;

use crate::admin::{Asked, Reviewer};

/// Asks the API server.
pub(crate) struct ClusterReviewer(Reviews);

impl ClusterReviewer {
    pub(super) fn new(client: Client) -> Self {
        Self(Reviews::new(client))
    }
}

impl Reviewer for ClusterReviewer {
    fn review<'a>(
        &'a self,
        token: &'a str,
        asked: &'a Asked,
    ) -> BoxFuture<'a, Result<String, Problem>> {
        Box::pin(async move {
            let user = self.0.user(token, &asked.namespace).await?;
            let wanted = Wanted {
                verb: asked.verb,
                resource: asked.resource,
                namespace: &asked.namespace,
                name: &asked.name,
            };
            let name = user.username.clone().unwrap_or_default();
            match self.0.may(&user, &wanted).await? {
                true => Ok(name),
                false => Err(refused(&name, &wanted)),
            }
        })
    }
}
