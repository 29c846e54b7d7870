//! Who shows a token, and what they may, in a cluster's own word: TokenReview and SubjectAccessReview. For node agents, and
//! for a gateway that tells who asks it what they may see.
//!
//! A token counts only if it was made for node agents, and for nobody else: one that also opens the API server would let
//! whoever it is shown to, taken over, act as its owner there. Whom a token stands for is remembered for seconds, by the
//! token's digest; whether they may is asked each time, so that a right that is taken away is gone at once.
//!
//! What may not enter: what a request needs.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use aion_abi::{code::Code, problem::Problem};
use aion_api::metadata::{AUDIENCE_NODE_AGENT, INVOKER};
use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus, UserInfo},
    authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
};
use kube::{Api, Client, api::PostParams};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

/// How long the API server's word on a token is believed.
const BELIEVED: Duration = Duration::from_secs(10);
/// Tokens that are remembered at most, of those that count and as many of others.
const REMEMBERED: usize = 1024;
/// The longest token that is shown to the API server, in bytes.
const LONGEST_TOKEN: usize = 16 * 1024;

type TokenDigest = [u8; 32];

/// Asks the API server.
pub struct Reviews {
    client: Client,
    known: Mutex<Known>,
}

/// What is remembered of tokens. Those that do not count have room of their own: anybody can make up a thousand.
#[derive(Default)]
struct Known {
    counts: HashMap<TokenDigest, (Instant, Bearer)>,
    others: HashMap<TokenDigest, (Instant, Bearer)>,
}

/// What somebody wants to do with something of ours.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// `invoke`, `serve`, `approve`, `get`.
    pub verb: &'a str,
    /// `agents`, `kernelnodes`.
    pub resource: &'a str,
    /// Empty for a cluster-wide one.
    pub namespace: &'a str,
    /// The resource's name; empty for any.
    pub name: &'a str,
}

/// Who shows a token.
#[derive(Debug, Clone, PartialEq)]
enum Bearer {
    /// It was made for node agents, and for nobody else.
    User(UserInfo),
    /// The cluster does not know it, or it was not made for node agents.
    Stranger,
    /// It opens the API server, too.
    Overbearing,
}

impl Reviews {
    /// By the rights of `client`, which are to make reviews.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client,
            known: Mutex::default(),
        }
    }

    /// Who shows `token`. `namespace` is that of what they ask for, as the remedy names it; empty for none.
    ///
    /// # Errors
    /// It is no token that was made for node agents alone, or the API server does not say.
    pub async fn user(&self, token: &str, namespace: &str) -> Result<UserInfo, Problem> {
        let remedy = format!(
            "make one that is: kubectl -n {} create token {INVOKER} --audience={AUDIENCE_NODE_AGENT}; aionctl --cluster does by itself",
            if namespace.is_empty() {
                "NAMESPACE"
            } else {
                namespace
            }
        );
        let refuse = |why: &str| {
            let why = format!("{why}: a node agent takes tokens made for node agents only");
            Problem::new(Code::BadSignature, why).remedy(&remedy)
        };
        if token.is_empty() || token.len() > LONGEST_TOKEN {
            return Err(refuse("this is not a token of the cluster"));
        }
        match self.bearer(token).await? {
            Bearer::User(user) => Ok(user),
            Bearer::Stranger => Err(refuse(&format!(
                "the cluster does not know this token for audience {AUDIENCE_NODE_AGENT}"
            ))),
            Bearer::Overbearing => Err(refuse(
                "this token opens the API server, too, and is to be shown to nobody else",
            )),
        }
    }

    /// Whom `token` stands for. A token for both audiences is refused as one for the API server alone is: whoever it is
    /// shown to can use it there.
    async fn bearer(&self, token: &str) -> Result<Bearer, Problem> {
        let digest: TokenDigest = Sha256::digest(token.as_bytes()).into();
        if let Some(known) = self.known.lock().get(&digest) {
            return Ok(known);
        }
        let bearer = if self.reviewed(token, None).await?.is_some() {
            Bearer::Overbearing
        } else {
            let reviewed = self.reviewed(token, Some(AUDIENCE_NODE_AGENT)).await?;
            reviewed.map_or(Bearer::Stranger, Bearer::User)
        };
        self.known.lock().remember(digest, bearer.clone());
        Ok(bearer)
    }

    /// The user of `token`, where it was made for `audience`; without one, for the API server.
    async fn reviewed(
        &self,
        token: &str,
        audience: Option<&str>,
    ) -> Result<Option<UserInfo>, Problem> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: Some(token.to_owned()),
                audiences: audience.map(|it| vec![it.to_owned()]),
            },
            ..TokenReview::default()
        };
        let reviews: Api<TokenReview> = Api::all(self.client.clone());
        let reviewed = reviews.create(&PostParams::default(), &review).await;
        let status = reviewed.map_err(|error| silent(&error))?.status;
        Ok(status.and_then(|status| user_of(status, audience)))
    }

    /// Whether `user` may do what is wanted.
    ///
    /// # Errors
    /// The API server does not say.
    pub async fn may(&self, user: &UserInfo, wanted: &Wanted<'_>) -> Result<bool, Problem> {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: user.username.clone(),
                groups: user.groups.clone(),
                uid: user.uid.clone(),
                extra: user.extra.clone(),
                resource_attributes: Some(ResourceAttributes {
                    group: Some(aion_api::GROUP.to_owned()),
                    resource: Some(wanted.resource.to_owned()),
                    verb: Some(wanted.verb.to_owned()),
                    namespace: some(wanted.namespace),
                    name: some(wanted.name),
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

impl Known {
    fn get(&self, digest: &TokenDigest) -> Option<Bearer> {
        let (at, bearer) = self
            .counts
            .get(digest)
            .or_else(|| self.others.get(digest))?;
        (at.elapsed() < BELIEVED).then(|| bearer.clone())
    }

    fn remember(&mut self, digest: TokenDigest, bearer: Bearer) {
        // It is in one of them.
        self.counts.remove(&digest);
        self.others.remove(&digest);
        let room = match bearer {
            Bearer::User(_) => &mut self.counts,
            Bearer::Stranger | Bearer::Overbearing => &mut self.others,
        };
        if room.len() >= REMEMBERED {
            room.retain(|_, (at, _)| at.elapsed() < BELIEVED);
        }
        // Tokens come faster than they are forgotten: then each is asked about.
        if room.len() < REMEMBERED {
            room.insert(digest, (Instant::now(), bearer));
        }
    }
}

/// The user of a review that was answered for `audience`. An API server that does not know of audiences names none.
fn user_of(status: TokenReviewStatus, audience: Option<&str>) -> Option<UserInfo> {
    let answered = audience.is_none_or(|audience| {
        let answered = status.audiences.iter().flatten();
        answered.into_iter().any(|it| it == audience)
    });
    let known = status.authenticated == Some(true) && answered;
    status.user.filter(|_| known)
}

/// What somebody is told who may not.
#[must_use]
pub fn refused(user: &str, wanted: &Wanted<'_>) -> Problem {
    let Wanted {
        verb,
        resource,
        namespace,
        name,
    } = *wanted;
    let place = match namespace {
        "" => String::new(),
        namespace => format!(" in namespace {namespace}"),
    };
    let remedy = match verb {
        "invoke" => format!(
            "have somebody allow it: kubectl -n {namespace} create rolebinding {} --clusterrole=aion-invoke {}",
            user.rsplit(':').next().unwrap_or(user),
            subject(user)
        ),
        _ => format!("have somebody allow {verb} on {resource}.aion.dev{place}"),
    };
    Problem::new(
        Code::Denied,
        format!("{user} may not {verb} {resource} {name}{place}"),
    )
    .remedy(remedy)
}

/// As `kubectl create rolebinding` names a user.
fn subject(user: &str) -> String {
    match user.strip_prefix("system:serviceaccount:") {
        Some(account) => format!("--serviceaccount={account}"),
        None => format!("--user={user}"),
    }
}

fn silent(error: &kube::Error) -> Problem {
    Problem::new(
        Code::Unreachable,
        format!("the Kubernetes API cannot say who is asking: {error}"),
    )
    .remedy("try again when the Kubernetes API answers; agents that run go on meanwhile")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_that_somebody_makes_up_push_out_none_that_count() {
        let digest = |it: usize| -> TokenDigest { Sha256::digest(it.to_be_bytes()).into() };
        let mut known = Known::default();
        for it in 0..2 * REMEMBERED {
            known.remember(digest(it), Bearer::Stranger);
        }
        let user = Bearer::User(UserInfo::default());
        known.remember(digest(usize::MAX), user.clone());
        assert_eq!(known.get(&digest(usize::MAX)), Some(user));
        assert_eq!(known.get(&digest(0)), Some(Bearer::Stranger));
        assert_eq!(known.others.len(), REMEMBERED);
        // It is made for the API server, too, from now on.
        known.remember(digest(usize::MAX), Bearer::Overbearing);
        assert_eq!(known.counts.len(), 0);
    }

    #[test]
    fn a_review_counts_for_the_audience_that_it_was_answered_for() {
        let reviewed = |audiences: Option<&[&str]>, authenticated| {
            let status = TokenReviewStatus {
                authenticated: Some(authenticated),
                audiences: audiences.map(|all| all.iter().map(|it| (*it).to_owned()).collect()),
                user: Some(UserInfo::default()),
                ..TokenReviewStatus::default()
            };
            user_of(status, Some(AUDIENCE_NODE_AGENT)).is_some()
        };
        assert!(reviewed(Some(&[AUDIENCE_NODE_AGENT]), true));
        assert!(!reviewed(Some(&[AUDIENCE_NODE_AGENT]), false));
        assert!(!reviewed(Some(&["https://kubernetes.default.svc"]), true));
        assert!(!reviewed(None, true), "an API server without audiences");
    }

    #[test]
    fn who_may_not_is_told_the_command_for_their_own_kind_of_user() {
        let robot = subject("system:serviceaccount:home:robot");
        assert_eq!(robot, "--serviceaccount=home:robot");
        assert_eq!(subject("alice"), "--user=alice");
    }
}
