//! Who may: whoever is on this machine and shows the gateway's token, or a key that the node knows. What a key may is the node's to
//! say: whatever is done for it is asked in its name. In a cluster whoever shows a token that was made for node agents, which goes on to
//! them.

use std::sync::Arc;

use aion_abi::{
    code::Code,
    key::{Admit, Form, form},
    problem::Problem,
};
use aion_client::Node;
use aion_serve::caller;
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header},
    middleware::Next,
    response::Response,
};
use subtle::ConstantTimeEq as _;

#[cfg(feature = "kubernetes")]
use crate::cluster::Cluster;
use crate::{
    asked::Asked,
    events,
    gateway::{Gateway, problem},
    protected,
    refusal::{door, refused},
};

/// Where clients put a key that have no bearer token.
const API_KEY: &str = "x-api-key";

/// What stands before every endpoint.
pub(crate) struct Guard {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) by: By,
}

/// By what it is known who asks.
pub(crate) enum By {
    /// The gateway's token, or a key of the node beside it.
    Token(String),
    /// The cluster's word on a token.
    #[cfg(feature = "kubernetes")]
    Cluster(Arc<Cluster>),
}

pub(crate) async fn check(
    State(guard): State<Arc<Guard>>,
    mut request: Request,
    next: Next,
) -> Response {
    let uri = request.uri().clone();
    events::take_token(&uri, request.headers_mut());
    let path = uri.path();
    let mut response = match guard.asked(request.headers(), path).await {
        Ok(asked) => {
            request.extensions_mut().insert(asked);
            return next.run(request).await;
        }
        Err(problem) if problem.code == Code::BadSignature => {
            let mut response = refused(path, problem);
            let bearer = protected::challenge(&guard.gateway, path).await;
            let headers = response.headers_mut();
            headers.insert(header::WWW_AUTHENTICATE, bearer);
            response
        }
        Err(problem) => refused(path, problem),
    };
    // What is refused is refused to one of many who have the same address.
    let nowhere = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, nowhere);
    response
}

impl Guard {
    /// The gateway as whoever asks has it.
    #[cfg_attr(
        not(feature = "kubernetes"),
        expect(
            clippy::infallible_destructuring_match,
            reason = "a cluster has another way"
        )
    )]
    async fn asked(&self, headers: &HeaderMap, path: &str) -> Result<Asked, Problem> {
        let token = match &self.by {
            By::Token(token) => token,
            #[cfg(feature = "kubernetes")]
            By::Cluster(cluster) => return self.reviewed(cluster, headers).await,
        };
        caller::of_this_machine(headers)?;
        let shown = shown(headers).ok_or_else(wrong)?;
        if shown.as_bytes().ct_eq(token.as_bytes()).into() {
            return Ok(Asked(Arc::clone(&self.gateway)));
        }
        self.admitted(shown, path).await
    }

    /// Whose token the cluster says it is. What is asked with it a node judges again: the gateway's word counts nowhere.
    #[cfg(feature = "kubernetes")]
    async fn reviewed(
        &self,
        cluster: &Arc<Cluster>,
        headers: &HeaderMap,
    ) -> Result<Asked, Problem> {
        let token = shown(headers).and_then(|it| match form(it) {
            Form::Other if is_token(it) => Some(it),
            _ => None,
        });
        let token = token.ok_or_else(no_token)?;
        let caller = cluster.caller(token).await?;
        Ok(Asked(Arc::new(self.gateway.asked_in_cluster(caller))))
    }

    /// Wrong keys are not counted: nobody finds one of 176 random bits by trying, what has not the form of one is refused here, and who is
    /// held up by a count is somebody else. What is asked at once is bounded by connections.
    async fn admitted(&self, shown: &str, path: &str) -> Result<Asked, Problem> {
        match form(shown) {
            Form::Key => {}
            Form::Mistyped => {
                let what = "the API key is mistyped or cut: its checksum does not match";
                return Err(Problem::new(Code::BadSignature, what)
                    .remedy("copy it whole, from aion_ to its last letter"));
            }
            // A token of an issuer that the node may trust.
            Form::Other if is_token(shown) => {}
            Form::Other => return Err(wrong()),
        }
        let beside = "API keys are not accepted";
        let own = self
            .gateway
            .own
            .one(beside, "show a token of the cluster")?;
        let address = own.address.in_the_name_of(shown);
        let node = Node {
            address: address.map_err(|_| wrong())?,
        };
        let admit = Admit { door: door(path) };
        let admitted = node.admit(admit).await.map_err(problem)?;
        Ok(Asked(Arc::new(self.gateway.asked_by(node, admitted))))
    }
}

/// A bearer token, or what stands where some clients put a key.
fn shown(headers: &HeaderMap) -> Option<&str> {
    let other = || headers.get(API_KEY)?.to_str().ok();
    caller::bearer(headers).or_else(other)
}

/// Whether it has the form of a signed token (RFC 7519).
fn is_token(shown: &str) -> bool {
    shown.starts_with("eyJ") && shown.matches('.').count() == 2
}

fn wrong() -> Problem {
    Problem::new(Code::BadSignature, "the API key is missing or wrong").remedy(
        "send the token of this gateway (gateway/token in the node's state), or a key of aionctl key create, as Authorization: Bearer",
    )
}

/// Keys are a node's, and no node has those of another.
#[cfg(feature = "kubernetes")]
fn no_token() -> Problem {
    let what = "a token of the cluster is needed: keys of aionctl key create and tokens of other issuers belong to a single node";
    Problem::new(Code::BadSignature, what).remedy(
        "send a token of a service account as Authorization: Bearer: kubectl -n NAMESPACE create token aion-invoke --audience=aion.dev/node-agent",
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_abi::key::{self, HEADER};
    use aion_client::Address;
    use axum::{Json, Router, routing::post};
    use serde_json::json;
    use tokio::net::UnixListener;

    use super::*;

    #[tokio::test]
    async fn wrong_keys_hold_up_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("node.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let good = key::key(&[7; 22]);
        let known = good.clone();
        let admit = move |headers: HeaderMap| async move {
            match headers[HEADER] == known {
                true => Ok(Json(json!({"id": "k1", "namespace": "home", "may": []}))),
                false => Err(aion_serve::Refused(wrong())),
            }
        };
        let router = Router::new().route("/api/v1/key", post(admit));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let node = Node {
            address: Address::unix(&socket).unwrap(),
        };
        let guard = Guard {
            gateway: Arc::new(Gateway::at(node)),
            by: By::Token("word".to_owned()),
        };
        let asked = async |name: &'static str, shown: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("host", HeaderValue::from_static("127.0.0.1"));
            headers.insert(name, HeaderValue::try_from(shown).unwrap());
            guard.asked(&headers, "/v1/models").await
        };
        let another = key::key(&[8; 22]);
        for wrong in ["x", "aion_x", "eyJ.a.b", &another]
            .iter()
            .cycle()
            .take(200)
        {
            let refused = asked(API_KEY, wrong).await.err().unwrap();
            assert_eq!(refused.code, Code::BadSignature, "{wrong}");
        }
        let Asked(gateway) = asked(API_KEY, &good).await.unwrap();
        assert_eq!(gateway.key.as_deref(), Some("k1"));
        assert_eq!(gateway.namespace, "home");
        let Asked(own) = asked("authorization", "Bearer word").await.unwrap();
        assert_eq!(own.key, None);
    }
}
