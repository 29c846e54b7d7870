//! Authorisation. On the Unix sockets, file permissions decide, and one of them is for asking alone. Over TCP, the API
//! server decides; standalone, the node's token does, and only for callers on this machine.

use std::{sync::Arc, time::Duration};

use aion_abi::{code::Code, key::Right, problem::Problem};
use aion_kernel::ApprovalId;
use aion_serve::caller;
use axum::{
    extract::{MatchedPath, RawPathParams, Request, State, rejection::RawPathParamsRejection},
    http::{HeaderMap, Method},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::future::BoxFuture;

use super::{answer::Refused, approvals, held};
use crate::{
    instances::Folder,
    keys::{Held, Keys},
    shell::Handle,
    turns::Turns,
};

/// How an interface is guarded.
pub(crate) enum Access {
    /// The socket's mode and the peer's user are enough.
    Socket,
    /// They are, and agents are asked there: nothing is applied, mapped or read of the node. For a gateway. Who has this
    /// token besides may answer approvals: asking an agent is no right to that.
    Asking(String),
    /// A token, on loopback; a browser's page elsewhere must not get in by its user's address.
    Token(String),
    /// The cluster's word.
    Cluster(Arc<dyn Reviewer>),
}

/// Asks the cluster.
pub(crate) trait Reviewer: Send + Sync {
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
pub(crate) struct Asked {
    /// `invoke`, `serve`, `approve`, `operate`, `get`.
    pub verb: &'static str,
    /// `agents`, `devices`, `kernelnodes`.
    pub resource: &'static str,
    /// Empty for a cluster-wide one.
    pub namespace: String,
    /// The resource's name; empty for any.
    pub name: String,
}

/// Whose process is at the other end of a socket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) u32);

/// Who asks, as it is recorded of what a person decides.
#[derive(Debug, Clone)]
pub(super) struct Who(pub(super) String);

/// How long a request may wait for the cluster's word.
const REVIEW: Duration = Duration::from_secs(10);

/// What stands before every endpoint.
pub(super) struct Guard {
    pub(super) access: Access,
    /// The node's name.
    pub(super) node: String,
    /// Whose turn a turn is.
    pub(super) turns: Turns,
    /// In whose name a gateway may ask.
    pub(super) keys: Keys,
    /// Which agents there are, where this node has them.
    pub(super) folder: Option<Folder>,
    /// Whose approval an approval is.
    pub(super) approvals: Whose,
}

/// Whose something is by its number, as `namespace/agent`; nobody's where there is none.
pub(super) type Whose = Box<dyn Fn(u64) -> BoxFuture<'static, Option<String>> + Send + Sync>;

/// Of approvals, as the kernel has them.
pub(super) fn of_shell(shell: Handle) -> Whose {
    Box::new(move |approval| {
        let shell = shell.clone();
        Box::pin(async move { approvals::whose(&shell, ApprovalId(approval)).await })
    })
}

/// The path is judged as the router read it, never as it was sent: `%37` is a `7` to the handler too.
pub(super) async fn check(
    State(guard): State<Arc<Guard>>,
    route: MatchedPath,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Response {
    let parameter = |name: &str| {
        let mut all = parameters.as_ref().ok()?.iter();
        all.find(|(it, _)| *it == name)
            .map(|(_, value)| value.to_owned())
            .filter(|value| !value.is_empty())
    };
    let mut held = None;
    let allowed = match &guard.access {
        Access::Socket => Ok(Who(match request.extensions().get::<Peer>() {
            Some(Peer(uid)) => format!("user {uid} of the node's machine"),
            None => "a user of the node's machine".to_owned(),
        })),
        Access::Asking(token) => {
            let head = (request.method(), request.headers());
            let asked = guard.asked(token, head, route.as_str(), parameter);
            asked.await.map(|(who, by)| {
                held = by;
                who
            })
        }
        Access::Token(token) => {
            by_token(token, &request).map(|()| Who("the holder of config/admin.token".to_owned()))
        }
        Access::Cluster(reviewer) => match token(&request).map(str::to_owned) {
            Ok(token) => {
                let needed = guard.needed(route.as_str(), parameter).await;
                guard.reviewed(&**reviewer, &token, needed).await
            }
            Err(problem) => Err(problem),
        },
    };
    match allowed {
        Ok(who) => {
            request.extensions_mut().insert(who);
            if let Some(held) = held {
                request.extensions_mut().insert(held);
            }
            next.run(request).await
        }
        Err(problem) => Refused(problem).into_response(),
    }
}

/// Approvals of every agent, and one by its number.
const ALL_APPROVALS: &str = "/api/v1/approvals";
const ONE_APPROVAL: &str = "/api/v1/approvals/{approval}";
/// Those of every agent of a namespace.
const APPROVALS_OF_NAMESPACE: &str = "/api/v1/namespaces/{namespace}/approvals";

fn is_about_approvals(route: &str) -> bool {
    let of_agent = "/api/v1/namespaces/{namespace}/agents/{agent}/approvals";
    [ALL_APPROVALS, ONE_APPROVAL, APPROVALS_OF_NAMESPACE].contains(&route)
        || route.starts_with(of_agent)
}

/// Who may ask an agent may not say yes for it: that takes a token which no gateway has.
fn approves(token: &str, headers: &HeaderMap) -> Result<(), Problem> {
    match caller::bears(headers, token) {
        true => Ok(()),
        false => Err(Problem::new(
            Code::Denied,
            "the right to ask agents does not include answering approvals",
        )
        .remedy("send the token of config/approver.token of the node, or use aionctl approvals")),
    }
}

/// Which agents there are, turns of theirs, files for them, programs of theirs that run elsewhere, what they have, remember, did and used, and what happens. What is not named here is not done there.
fn asks(method: &Method, route: &str, kind: Option<&str>) -> Result<(), Problem> {
    let named = match route {
        "/api/v1/resources/{kind}" | "/api/v1/resources/{kind}/{namespace}/{name}" => {
            method == Method::GET && kind == Some("agents")
        }
        "/api/v1/namespaces/{namespace}/agents/{agent}/turns"
        | "/api/v1/namespaces/{namespace}/agents/{agent}/uploads"
        | "/api/v1/events"
        | "/api/v1/key"
        | "/api/v1/issuers"
        | "/api/v1/usage"
        | "/api/v1/queues"
        | "/api/v1/push"
        | "/api/v1/namespaces/{namespace}/agents/{agent}/tools"
        | "/api/v1/namespaces/{namespace}/agents/{agent}/audit"
        | "/api/v1/namespaces/{namespace}/agents/{agent}/memory"
        | "/api/v1/namespaces/{namespace}/agents/{agent}/memory/{item}"
        | "/api/v1/turns/{turn}" => true,
        route => {
            route.starts_with("/api/v1/turns/{turn}/")
                // Who sent a delivery, its signature says.
                || route == "/api/v1/namespaces/{namespace}/agents/{agent}/hooks/{trigger}"
                || route.starts_with("/api/v1/namespaces/{namespace}/agents/{agent}/programs")
        }
    };
    match named {
        true => Ok(()),
        false => Err(Problem::new(
            Code::Denied,
            "agents are asked on this socket, and nothing else is done there",
        )
        .remedy("use aionctl, which has a socket of its own")),
    }
}

fn by_token(token: &str, request: &Request) -> Result<(), Problem> {
    caller::of_this_machine(request.headers())?;
    match caller::bears(request.headers(), token) {
        true => Ok(()),
        false => Err(
            Problem::new(Code::BadSignature, "the token is missing or wrong")
                .remedy("send the token of config/admin.token as Authorization: Bearer"),
        ),
    }
}

/// The token of who is asking.
fn token(request: &Request) -> Result<&str, Problem> {
    caller::bearer(request.headers()).ok_or_else(|| {
        Problem::new(Code::BadSignature, "the request has no bearer token").remedy(
            "send a token made for audience aion.dev/node-agent: aionctl --cluster does by itself",
        )
    })
}

/// The user's name.
async fn by_review(reviewer: &dyn Reviewer, token: &str, asked: &Asked) -> Result<String, Problem> {
    match tokio::time::timeout(REVIEW, reviewer.review(token, asked)).await {
        Ok(reviewed) => reviewed,
        Err(_) => Err(Problem::new(
            Code::Unreachable,
            "the Kubernetes API did not say in time who is asking",
        )),
    }
}

impl Guard {
    /// What a gateway asks for itself, or in the name of who has a key. Who has one may answer approvals where the key says so; else that
    /// takes the token.
    async fn asked(
        &self,
        token: &str,
        (method, headers): (&Method, &HeaderMap),
        route: &str,
        parameter: impl Fn(&str) -> Option<String>,
    ) -> Result<(Who, Option<Held>), Problem> {
        let key = held::shown(headers)?;
        let by = match key {
            Some(key) => Some(self.keys.holder(key).await?),
            None => None,
        };
        if !is_about_approvals(route) {
            asks(method, route, parameter("kind").as_deref())?;
        } else if !by.as_ref().is_some_and(|it| it.may(Right::Approve)) {
            approves(token, headers)?;
        }
        let Some(by) = by else {
            let who = match is_about_approvals(route) {
                true => "the holder of config/approver.token",
                false => "a gateway",
            };
            return Ok((Who(who.to_owned()), None));
        };
        self.holds(&by, route, parameter).await?;
        Ok((Who(by.name.clone()), Some(by)))
    }

    /// What a request for `route` needs; `None` where nobody has a right to it. An agent's log, `why`, its tools,
    /// the syscalls that it made and what it does in the kernel need `get` on it, and so does what a device says on that; writing or commanding a device by hand needs `operate` on it; being its program needs `serve`; saying a person's word for it needs `approve`, and so does seeing what it asks, by whichever address; asking it, and everything about a turn of it, which is somebody's conversation, needs
    /// `invoke`. What speaks of the node is named here: a route that is not named is nobody's.
    async fn needed(
        &self,
        route: &str,
        parameter: impl Fn(&str) -> Option<String>,
    ) -> Option<Asked> {
        let of_agent = |verb, namespace: String, name: String| Asked {
            verb,
            resource: "agents",
            namespace,
            name,
        };
        if let Some(what) = route.strip_prefix("/api/v1/namespaces/{namespace}/agents/{agent}/") {
            let verb = match what {
                "logs" | "why" | "kernel-events" | "triggers" | "tools" | "audit" => "get",
                "turns" | "uploads" | "triggers/{trigger}/fire" | "hooks/{trigger}" => "invoke",
                // Whoever asks an agent does not decide for it.
                what if what == "approvals" || what.starts_with("approvals/") => "approve",
                // Whoever is an agent's program has all of its rights.
                what if what == "programs" || what.starts_with("programs/") => "serve",
                _ => return None,
            };
            return Some(of_agent(verb, parameter("namespace")?, parameter("agent")?));
        }
        if route == "/api/v1/turns/{turn}" || route.starts_with("/api/v1/turns/{turn}/") {
            let agent = self.agent_of(&parameter("turn")?).await?;
            let (namespace, name) = agent.split_once('/')?;
            return Some(of_agent("invoke", namespace.to_owned(), name.to_owned()));
        }
        // They tell of every agent.
        if ["/api/v1/events", "/api/v1/usage", "/api/v1/queues"].contains(&route) {
            return Some(of_agent("get", String::new(), String::new()));
        }
        if let Some(below) = route.strip_prefix("/api/v1/namespaces/{namespace}/devices") {
            let name = match below {
                "" => String::new(),
                _ => parameter("device")?,
            };
            return Some(Asked {
                // Who may see devices may not move them.
                verb: match below {
                    "/{device}/write" | "/{device}/command" => "operate",
                    _ => "get",
                },
                resource: "devices",
                namespace: parameter("namespace")?,
                name,
            });
        }
        match route {
            "/api/v1/namespaces/{namespace}/device-changes" => {
                return Some(Asked {
                    verb: "get",
                    resource: "devices",
                    namespace: parameter("namespace")?,
                    name: String::new(),
                });
            }
            "/api/v1/namespaces/{namespace}/events" => {
                return Some(of_agent("get", parameter("namespace")?, String::new()));
            }
            ALL_APPROVALS => return Some(of_agent("approve", String::new(), String::new())),
            APPROVALS_OF_NAMESPACE => {
                return Some(of_agent("approve", parameter("namespace")?, String::new()));
            }
            ONE_APPROVAL => {
                let agent = (self.approvals)(parameter("approval")?.parse().ok()?).await?;
                let (namespace, name) = agent.split_once('/')?;
                return Some(of_agent("approve", namespace.to_owned(), name.to_owned()));
            }
            _ => {}
        }
        (route == "/api/v1/status").then(|| self.of_node())
    }

    fn of_node(&self) -> Asked {
        Asked {
            verb: "get",
            resource: "kernelnodes",
            namespace: String::new(),
            name: self.node.clone(),
        }
    }

    /// The agent of a turn that this node knows, as `namespace/name`.
    async fn agent_of(&self, turn: &str) -> Option<String> {
        let turn = aion_kernel::TurnId(turn.parse().ok()?);
        Some(self.turns.record(turn).await.ok()??.agent)
    }

    async fn reviewed(
        &self,
        reviewer: &dyn Reviewer,
        token: &str,
        needed: Option<Asked>,
    ) -> Result<Who, Problem> {
        match needed {
            Some(asked) => by_review(reviewer, token, &asked).await.map(Who),
            // Also what is not there is told only to who belongs to the cluster.
            None => {
                by_review(reviewer, token, &self.of_node()).await?;
                let what =
                    "there is nothing at this address, or no such turn or approval on this node";
                Err(Problem::new(Code::NotFound, what))
            }
        }
    }
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod in_a_cluster;
