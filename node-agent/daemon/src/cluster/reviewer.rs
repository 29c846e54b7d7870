//! Who asks, and whether they may: TokenReview and SubjectAccessReview.
//!
//! Whom a token stands for is remembered for seconds, by the token's digest; whether they may is asked each
//! time, so that a right that is taken away is gone at once.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use aion_abi::{code::Code, problem::Problem};
use futures::future::BoxFuture;
use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec, UserInfo},
    authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
};
use kube::{Api, Client, api::PostParams};
use sha2::{Digest as _, Sha256};

use crate::admin::{Asked, Reviewer};

/// How long the API server's word on a token is believed.
const BELIEVED: Duration = Duration::from_secs(10);
/// Tokens that are remembered at most.
const REMEMBERED: usize = 1024;
/// The longest token that is shown to the API server, in bytes.
const LONGEST_TOKEN: usize = 16 * 1024;

type TokenDigest = [u8; 32];

/// Asks the API server.
pub(crate) struct ClusterReviewer {
    client: Client,
    known: Mutex<HashMap<TokenDigest, (Instant, Option<UserInfo>)>>,
}

impl ClusterReviewer {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            known: Mutex::default(),
        }
    }

    /// Whom `token` stands for; `None` where it is no token of this cluster.
    async fn user(&self, token: &str) -> Result<Option<UserInfo>, Problem> {
        let digest: TokenDigest = Sha256::digest(token.as_bytes()).into();
        if let Some(known) = self.known(&digest) {
            return Ok(known);
        }
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: Some(token.to_owned()),
                ..TokenReviewSpec::default()
            },
            ..TokenReview::default()
        };
        let reviews: Api<TokenReview> = Api::all(self.client.clone());
        let reviewed = reviews.create(&PostParams::default(), &review).await;
        let status = reviewed.map_err(|error| silent(&error))?.status;
        let user = status
            .filter(|it| it.authenticated == Some(true))
            .and_then(|it| it.user);
        self.remember(digest, user.clone());
        Ok(user)
    }

    fn known(&self, digest: &TokenDigest) -> Option<Option<UserInfo>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, user) = known.get(digest)?;
        (at.elapsed() < BELIEVED).then(|| user.clone())
    }

    fn remember(&self, digest: TokenDigest, user: Option<UserInfo>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.retain(|_, (at, _)| at.elapsed() < BELIEVED);
        }
        // Somebody tries tokens faster than they are forgotten: then each is asked about.
        if known.len() < REMEMBERED {
            known.insert(digest, (Instant::now(), user));
        }
    }

    async fn may(&self, user: &UserInfo, asked: &Asked) -> Result<bool, Problem> {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: user.username.clone(),
                groups: user.groups.clone(),
                uid: user.uid.clone(),
                extra: user.extra.clone(),
                resource_attributes: Some(ResourceAttributes {
                    group: Some(aion_api::GROUP.to_owned()),
                    resource: Some(asked.resource.to_owned()),
                    verb: Some(asked.verb.to_owned()),
                    namespace: some(&asked.namespace),
                    name: some(&asked.name),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let reviews: Api<SubjectAccessReview> = Api::all(self.client.clone());
        let reviewed = reviews.create(&PostParams::default(), &review).await;
        let status = reviewed.map_err(|error| silent(&error))?.status;
        Ok(status.is_some_and(|it| it.allowed && it.denied != Some(true)))
    }
}

impl Reviewer for ClusterReviewer {
    fn review<'a>(
        &'a self,
        token: &'a str,
        asked: &'a Asked,
    ) -> BoxFuture<'a, Result<String, Problem>> {
        Box::pin(async move {
            let unknown = || {
                Problem::new(Code::BadSignature, "the cluster does not know this token")
                    .remedy("log in again, or make a token: kubectl create token SERVICE-ACCOUNT")
            };
            if token.is_empty() || token.len() > LONGEST_TOKEN {
                return Err(unknown());
            }
            let user = self.user(token).await?.ok_or_else(unknown)?;
            let name = user.username.clone().unwrap_or_default();
            if self.may(&user, asked).await? {
                return Ok(name);
            }
            Err(refused(&name, asked))
        })
    }
}

fn refused(user: &str, asked: &Asked) -> Problem {
    let Asked {
        verb,
        resource,
        namespace,
        name,
    } = asked;
    let place = match namespace.as_str() {
        "" => String::new(),
        namespace => format!(" in namespace {namespace}"),
    };
    let remedy = match *verb {
        "invoke" => format!(
            "have somebody allow it: kubectl create rolebinding ask --clusterrole=aion-invoke --user={user} -n {namespace}"
        ),
        _ => format!("have somebody allow {verb} on {resource}.aion.dev{place}"),
    };
    Problem::new(
        Code::Denied,
        format!("{user} may not {verb} {resource} {name}{place}"),
    )
    .remedy(remedy)
}

fn silent(error: &kube::Error) -> Problem {
    Problem::new(
        Code::Unreachable,
        format!("the Kubernetes API cannot say who is asking: {error}"),
    )
    .remedy("try again when the Kubernetes API answers; agents that run go on meanwhile")
}
