//! What a node agent is shown: a token of a service account, made for node agents and for nobody else.
//!
//! What may not enter: what the kubeconfig logs in with. A node agent that was taken over could use it as its owner.

use aion_api::metadata::{AUDIENCE_NODE_AGENT, INVOKER};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{Api, api::PostParams};

use super::Cluster;
use crate::failure::{Failure, Status};

/// For how long a token is asked for: the least there is.
const SECONDS: i64 = 600;

impl Cluster {
    /// A token for the node agents, of the service account in `namespace` that is asked as.
    pub(super) async fn token(&self, namespace: &str) -> Result<String, Failure> {
        let account = self.service_account.as_deref().unwrap_or(INVOKER);
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let made = accounts
            .create_token_request(account, &PostParams::default(), &request())
            .await;
        let doing = format!("make a token of the service account {account}");
        let made = made.map_err(|why| {
            let failure = self.failure(&doing, &why);
            match failure.status {
                Status::NotFound => failure.remedy(format!(
                    "have somebody make it, and let it ask: kubectl -n {namespace} create serviceaccount {account} && kubectl -n {namespace} create rolebinding {account} --clusterrole=aion-invoke --serviceaccount={namespace}:{account}"
                )),
                Status::Refused => failure.remedy(format!(
                    "have somebody allow you to ask as it: kubectl -n {namespace} create rolebinding ask --clusterrole=aion-ask --user=YOU; or name another with --service-account"
                )),
                _ => failure,
            }
        })?;
        let token = made.status.map(|it| it.token);
        token.ok_or_else(|| Failure::new(format!("cannot {doing}: the answer has none")))
    }
}

fn request() -> TokenRequest {
    TokenRequest {
        spec: TokenRequestSpec {
            audiences: vec![AUDIENCE_NODE_AGENT.to_owned()],
            expiration_seconds: Some(SECONDS),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_for_node_agents_alone_and_for_minutes() {
        let spec = request().spec;
        assert_eq!(spec.audiences, [AUDIENCE_NODE_AGENT]);
        assert_eq!(spec.expiration_seconds, Some(SECONDS));
    }
}
