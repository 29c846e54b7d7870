//! A cluster, as a kubeconfig names it: resources are the Kubernetes API's, turns are a node agent's.
//!
//! What may not enter: decisions about who may do what, which are the API server's.

mod apply;
mod forget;
mod nodes;
mod resources;
mod token;
mod why;

use std::path::Path;

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

use crate::failure::{Failure, Status};

/// What a person says about the cluster.
#[derive(Debug, Clone, Default)]
pub(crate) struct Named<'a> {
    pub(crate) kubeconfig: Option<&'a Path>,
    pub(crate) context: Option<&'a str>,
    pub(crate) service_account: Option<&'a str>,
}

/// A cluster that can be spoken to.
#[derive(Clone)]
pub(crate) struct Cluster {
    client: Client,
    config: Config,
    service_account: Option<String>,
}

impl Cluster {
    /// Finds it as kubectl does; nothing is asked of it yet.
    pub(crate) async fn find(named: &Named<'_>) -> Result<Self, Failure> {
        let config = configuration(named).await?;
        let client = Client::try_from(config.clone())
            .map_err(|why| Failure::usage(format!("the kubeconfig cannot be used: {why}")))?;
        Ok(Self {
            client,
            config,
            service_account: named.service_account.map(str::to_owned),
        })
    }

    /// The namespace that the context says.
    pub(crate) fn namespace(&self) -> &str {
        &self.config.default_namespace
    }

    /// The version of its API server.
    pub(crate) async fn version(&self) -> Result<String, Failure> {
        let version = self.client.apiserver_version().await;
        let version = version.map_err(|why| self.failure("ask for its version", &why))?;
        Ok(version.git_version)
    }

    /// What an error of the Kubernetes API means to the person who typed the command.
    fn failure(&self, doing: &str, error: &kube::Error) -> Failure {
        let at = self.config.cluster_url.to_string();
        let kube::Error::Api(status) = error else {
            return Failure::new(format!("cannot {doing}: {}", root(error)))
                .at(at)
                .remedy("see whether the cluster answers: kubectl get --raw /readyz")
                .status(Status::Unreachable);
        };
        let failure = Failure::new(format!("cannot {doing}: {}", status.message)).at(at);
        match status.code {
            401 => failure
                .remedy("log in again, or name another user with --context")
                .status(Status::Refused),
            403 => failure
                .remedy("have somebody allow it: policies/rbac/people.yaml has the roles")
                .status(Status::Refused),
            404 => Failure::new(&status.message).status(Status::NotFound),
            409 | 422 | 400 => failure.status(Status::Usage),
            _ => failure,
        }
    }
}

async fn configuration(named: &Named<'_>) -> Result<Config, Failure> {
    let wrong = |why: String| {
        Failure::usage(format!("the kubeconfig cannot be used: {why}"))
            .remedy("name another with --kubeconfig FILE and --context NAME, or KUBECONFIG")
    };
    let options = KubeConfigOptions {
        context: named.context.map(str::to_owned),
        ..KubeConfigOptions::default()
    };
    match named.kubeconfig {
        Some(path) => {
            let read = Kubeconfig::read_from(path).map_err(|why| wrong(why.to_string()))?;
            let config = Config::from_custom_kubeconfig(read, &options).await;
            config.map_err(|why| wrong(why.to_string()))
        }
        None if named.context.is_some() => {
            let config = Config::from_kubeconfig(&options).await;
            config.map_err(|why| wrong(why.to_string()))
        }
        // Within a pod there is no kubeconfig, and none is needed.
        None => Config::infer().await.map_err(|why| wrong(why.to_string())),
    }
}

/// The innermost reason, which is the one that says something.
fn root(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
