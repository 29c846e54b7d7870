//! What a node agent is shown: the token that the kubeconfig logs in with, or one of a service account.

use std::{
    error::Error,
    future::{Ready, ready},
    task::{Context, Poll},
};

use http::header::AUTHORIZATION;
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{
    Api,
    api::PostParams,
    client::{Body, ConfigExt},
};
use tower::{Layer, Service, ServiceExt};

use super::Cluster;
use crate::failure::{Failure, Status};

/// For how long a token of a service account is asked for: the least there is.
const SECONDS: i64 = 600;

impl Cluster {
    /// A token of the caller.
    pub(super) async fn token(&self, namespace: &str) -> Result<String, Failure> {
        match &self.service_account {
            Some(account) => self.token_of(namespace, account).await,
            None => self.own_token().await,
        }
    }

    async fn token_of(&self, namespace: &str, account: &str) -> Result<String, Failure> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                expiration_seconds: Some(SECONDS),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let made = accounts
            .create_token_request(account, &PostParams::default(), &request)
            .await;
        let doing = format!("make a token of the service account {account}");
        let made = made.map_err(|why| self.failure(&doing, &why))?;
        let token = made.status.map(|it| it.token);
        token.ok_or_else(|| Failure::new(format!("cannot {doing}: the answer has none")))
    }

    /// Whatever the kubeconfig says (a token, a file, a program that makes one), as kube's client sends it.
    async fn own_token(&self) -> Result<String, Failure> {
        let layer = self.config.auth_layer();
        let layer = layer.map_err(|why| self.failure("log in", &why))?;
        let Some(layer) = layer else {
            return Err(Failure::new(
                "this kubeconfig logs in with a client certificate, which a node agent cannot check",
            )
            .remedy("name a service account that may invoke the agent: --service-account NAME")
            .status(Status::Refused));
        };
        let asked = layer
            .layer(Shown)
            .oneshot(http::Request::new(Body::empty()));
        let shown = asked.await.map_err(|why| {
            Failure::new(format!("cannot log in: {why}"))
                .remedy("see whether kubectl can: kubectl auth whoami")
                .status(Status::Refused)
        })?;
        shown.into_body().ok_or_else(|| {
            Failure::new("this kubeconfig logs in with a password, which a node agent cannot check")
                .remedy("name a service account that may invoke the agent: --service-account NAME")
                .status(Status::Refused)
        })
    }
}

type BoxError = Box<dyn Error + Send + Sync>;

/// Answers a request with the bearer token it came with.
#[derive(Clone)]
struct Shown;

impl Service<http::Request<Body>> for Shown {
    type Response = http::Response<Option<String>>;
    type Error = BoxError;
    type Future = Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let value = request.headers().get(AUTHORIZATION);
        let token = value
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        ready(Ok(http::Response::new(token.map(str::to_owned))))
    }
}
