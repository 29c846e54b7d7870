//! Who may: on the Unix socket whoever may open it; over TCP whoever the API server says, or who has the
//! node's token and comes from this machine.

use std::{sync::Arc, time::Duration};

use aion_abi::{code::Code, problem::Problem};
use axum::{
    extract::{Request, State},
    http::{Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::future::BoxFuture;
use subtle::ConstantTimeEq as _;

use super::{Admin, answer::Refused};

/// How an interface is guarded.
pub enum Access {
    /// The socket's mode and the peer's user are enough.
    Socket,
    /// A token, on loopback; a browser's page elsewhere must not get in by its user's address.
    Token(String),
    /// The cluster's word.
    Cluster(Arc<dyn Reviewer>),
}

/// Asks the cluster.
pub trait Reviewer: Send + Sync {
    /// Whether who holds `token` may do `verb` with `resource` `name` in `namespace`; gives the user's
    /// name.
    fn review<'a>(
        &'a self,
        token: &'a str,
        asked: &'a Asked,
    ) -> BoxFuture<'a, Result<String, Problem>>;
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Asked {
    /// `invoke`, `get`.
    pub verb: &'static str,
    /// `agents`, `kernelnodes`.
    pub resource: &'static str,
    /// Empty for a cluster-wide one.
    pub namespace: String,
    /// The resource's name; empty for any.
    pub name: String,
}

/// How long a request may wait for the cluster's word.
const REVIEW: Duration = Duration::from_secs(10);

pub(super) async fn check(
    State((access, admin)): State<(Arc<Access>, Arc<Admin>)>,
    request: Request,
    next: Next,
) -> Response {
    let allowed = match &*access {
        Access::Socket => Ok(()),
        Access::Token(token) => by_token(token, &request),
        Access::Cluster(reviewer) => match token(&request) {
            Ok(token) => {
                let (token, method) = (token.to_owned(), request.method().clone());
                let path = request.uri().path().to_owned();
                let asked = asked(&admin, &method, &path).await;
                by_review(&**reviewer, &token, &asked).await
            }
            Err(problem) => Err(problem),
        },
    };
    match allowed {
        Ok(()) => next.run(request).await,
        Err(problem) => Refused(problem).into_response(),
    }
}

fn bearer(request: &Request) -> Option<&str> {
    let value = request
        .headers()
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?;
    value.strip_prefix("Bearer ")
}

fn by_token(token: &str, request: &Request) -> Result<(), Problem> {
    let denied = |why: &str| Problem::new(Code::Denied, why.to_owned());
    for name in [header::HOST, header::ORIGIN] {
        for value in request.headers().get_all(&name) {
            if !value.to_str().is_ok_and(is_loopback) {
                return Err(denied(&format!("header {name} names another machine"))
                    .remedy("ask at http://127.0.0.1 or http://localhost"));
            }
        }
    }
    let given = bearer(request).unwrap_or_default();
    match given.as_bytes().ct_eq(token.as_bytes()).into() {
        true => Ok(()),
        false => Err(
            Problem::new(Code::BadSignature, "the token is missing or wrong")
                .remedy("send the token of config/admin.token as Authorization: Bearer"),
        ),
    }
}

fn is_loopback(authority: &str) -> bool {
    let authority = authority
        .strip_prefix("http://")
        .or_else(|| authority.strip_prefix("https://"))
        .unwrap_or(authority);
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// The token of who is asking.
fn token(request: &Request) -> Result<&str, Problem> {
    bearer(request).ok_or_else(|| {
        Problem::new(Code::BadSignature, "the request has no bearer token")
            .remedy("send a token of the cluster: aionctl does, with a kubeconfig")
    })
}

async fn by_review(reviewer: &dyn Reviewer, token: &str, asked: &Asked) -> Result<(), Problem> {
    match tokio::time::timeout(REVIEW, reviewer.review(token, asked)).await {
        Ok(reviewed) => reviewed.map(|_| ()),
        Err(_) => Err(Problem::new(
            Code::Unreachable,
            "the Kubernetes API did not say in time who is asking",
        )),
    }
}

/// What a request needs. An agent's log and `why` need `get` on it; asking it, and everything about a turn
/// of it, which is somebody's conversation, needs `invoke`. The rest speaks of the node.
async fn asked(admin: &Admin, method: &Method, path: &str) -> Asked {
    let parts: Vec<&str> = path.split('/').filter(|it| !it.is_empty()).collect();
    let of_turn = match parts[..] {
        ["api", "v1", "turns", turn, ..] => agent_of(admin, turn).await,
        _ => None,
    };
    needed(method, &parts, of_turn.as_deref()).unwrap_or_else(|| Asked {
        verb: "get",
        resource: "kernelnodes",
        namespace: String::new(),
        name: admin.node.clone(),
    })
}

/// The agent of a turn that this node knows, as `namespace/name`.
async fn agent_of(admin: &Admin, turn: &str) -> Option<String> {
    let turn = aion_kernel::TurnId(turn.parse().ok()?);
    Some(admin.turns.record(turn).await.ok()??.agent)
}

fn needed(method: &Method, parts: &[&str], of_turn: Option<&str>) -> Option<Asked> {
    let (verb, namespace, agent) = match *parts {
        ["api", "v1", "namespaces", namespace, "agents", agent, _] => match *method {
            Method::GET => ("get", namespace, agent),
            _ => ("invoke", namespace, agent),
        },
        _ => {
            let (namespace, agent) = of_turn?.split_once('/')?;
            ("invoke", namespace, agent)
        }
    };
    Some(Asked {
        verb,
        resource: "agents",
        namespace: namespace.to_owned(),
        name: agent.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::body::Body;

    use super::*;

    fn request(headers: &[(&str, &str)]) -> Request {
        let mut request = Request::builder().uri("/api/v1/status");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    #[test]
    fn a_token_counts_only_on_this_machine() {
        let check = |headers: &[(&str, &str)]| by_token("secret", &request(headers)).is_ok();
        let good = ("authorization", "Bearer secret");
        assert!(check(&[("host", "127.0.0.1:8080"), good]));
        assert!(check(&[("host", "[::1]:8080"), good]));
        assert!(check(&[
            ("host", "localhost"),
            ("origin", "http://localhost:3000"),
            good
        ]));
        assert!(!check(&[
            ("host", "localhost"),
            ("origin", "https://evil.example"),
            good
        ]));
        assert!(!check(&[("host", "evil.example"), good]));
        assert!(!check(&[
            ("host", "localhost"),
            ("authorization", "Bearer secrets")
        ]));
        assert!(!check(&[("host", "localhost")]));
    }

    #[test]
    fn a_turn_needs_the_right_to_invoke_its_agent() {
        let needs = |method: Method, path: &str, of_turn: Option<&str>| {
            let parts: Vec<_> = path.split('/').filter(|it| !it.is_empty()).collect();
            let asked = needed(&method, &parts, of_turn)?;
            Some(format!("{} {}/{}", asked.verb, asked.namespace, asked.name))
        };
        let jarvis = |what: &str| format!("/api/v1/namespaces/home/agents/jarvis/{what}");
        let invoke = Some("invoke home/jarvis".to_owned());
        assert_eq!(needs(Method::POST, &jarvis("turns"), None), invoke);
        assert_eq!(needs(Method::POST, &jarvis("uploads"), None), invoke);
        let get = Some("get home/jarvis".to_owned());
        assert_eq!(needs(Method::GET, &jarvis("logs"), None), get);
        for (method, path) in [
            (Method::GET, "/api/v1/turns/7"),
            (Method::GET, "/api/v1/turns/7/events"),
            (Method::GET, "/api/v1/turns/7/files/a.md"),
            (Method::DELETE, "/api/v1/turns/7"),
        ] {
            assert_eq!(needs(method, path, Some("home/jarvis")), invoke, "{path}");
        }
        assert_eq!(needs(Method::GET, "/api/v1/turns/8", None), None);
        assert_eq!(needs(Method::GET, "/api/v1/status", None), None);
    }
}
