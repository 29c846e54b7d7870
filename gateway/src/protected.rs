//! Metadata of a protected resource (RFC 9728): who shows no token is told where to get one. It names the issuers of `issuers.yaml` and the
//! address that the gateway knows of itself, never one that a request says. Where there is no issuer there is nothing. Anybody may read it.

use std::sync::Arc;

use aion_abi::{
    code::Code,
    key::{Door, Issuer},
    problem::Problem,
};
use aion_serve::{Refused, caller};
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, HeaderValue},
    routing::get,
};
use serde::Serialize;

use crate::{
    gateway::{Gateway, problem},
    refusal::{MCP, door},
};

/// Where metadata is; behind it stands the path of a resource (RFC 9728, 3.1).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// What is said of a resource.
#[derive(Debug, Serialize)]
struct Metadata {
    resource: String,
    authorization_servers: Vec<String>,
    bearer_methods_supported: [&'static str; 1],
    resource_name: &'static str,
}

pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route(WELL_KNOWN, get(whole))
        .route(&format!("{WELL_KNOWN}{MCP}"), get(mcp))
        .with_state(gateway)
}

/// Of all that is here.
async fn whole(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
) -> Result<Json<Metadata>, Refused> {
    let said = metadata(&gateway, "").await?;
    caller::of_this_machine(&headers)?;
    Ok(Json(said))
}

/// Of MCP.
async fn mcp(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
) -> Result<Json<Metadata>, Refused> {
    let said = metadata(&gateway, MCP).await?;
    caller::of_this_machine(&headers)?;
    Ok(Json(said))
}

async fn metadata(gateway: &Gateway, path: &str) -> Result<Metadata, Problem> {
    let issuers = issuers(gateway).await?;
    let wanted = |it: &&Issuer| path.is_empty() || it.opens(door(path));
    let all = issuers.iter().filter(wanted);
    let authorization_servers: Vec<String> = all.map(|it| it.issuer.clone()).collect();
    if authorization_servers.is_empty() {
        let what = "no authorization server issues tokens for this gateway";
        let remedy =
            "show a key of aionctl key create, or name an issuer in issuers.yaml of the node";
        return Err(Problem::new(Code::NotFound, what).remedy(remedy));
    }
    Ok(Metadata {
        resource: format!("{}{path}", gateway.base()),
        authorization_servers,
        bearer_methods_supported: ["header"],
        resource_name: "AION-OS",
    })
}

async fn issuers(gateway: &Gateway) -> Result<Arc<[Issuer]>, Problem> {
    let node = gateway.own.one(
        "tokens of issuers are not accepted",
        "show a token of a service account",
    )?;
    gateway.issuers.of(node).await.map_err(problem)
}

/// What a refusal for want of a token says in `WWW-Authenticate`: for MCP also where its metadata is, where somebody gives tokens.
pub(crate) async fn challenge(gateway: &Gateway, path: &str) -> HeaderValue {
    let plain = HeaderValue::from_static("Bearer");
    if door(path) != Door::Mcp {
        return plain;
    }
    let known = issuers(gateway).await;
    let opens = known.is_ok_and(|all| all.iter().any(|it| it.opens(Door::Mcp)));
    let at = format!(
        "Bearer resource_metadata=\"{}{WELL_KNOWN}{MCP}\"",
        gateway.base()
    );
    match opens {
        true => HeaderValue::try_from(at).unwrap_or(plain),
        false => plain,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_abi::key;
    use aion_client::{Address, Node};
    use axum::http::header;
    use tokio::net::UnixListener;

    use super::*;

    /// A gateway whose node trusts these.
    async fn gateway(items: Vec<Issuer>) -> Gateway {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("node.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let all = async move || Json(key::Issuers { items });
        let router = Router::new().route("/api/v1/issuers", get(all));
        tokio::spawn(async move {
            let _folder = folder;
            axum::serve(listener, router).await
        });
        let address = Address::unix(&socket).unwrap();
        let gateway = Gateway::at(Node { address });
        gateway.serves_at("127.0.0.1:8421".parse().unwrap());
        gateway
    }

    fn issuer(name: &str, doors: &[Door]) -> Issuer {
        Issuer {
            issuer: format!("https://{name}.example"),
            doors: doors.to_vec(),
        }
    }

    #[tokio::test]
    async fn it_names_its_own_address_and_the_issuers_of_the_protocol() {
        let issuers = vec![issuer("a", &[]), issuer("b", &[Door::Rest])];
        let gateway = gateway(issuers).await;
        let said = metadata(&gateway, MCP).await.unwrap();
        assert_eq!(said.resource, "http://127.0.0.1:8421/mcp");
        assert_eq!(said.authorization_servers, ["https://a.example"]);
        let whole = metadata(&gateway, "").await.unwrap();
        assert_eq!(whole.resource, "http://127.0.0.1:8421");
        assert_eq!(whole.authorization_servers.len(), 2);
        let challenge = challenge(&gateway, "/mcp").await;
        assert_eq!(
            challenge,
            "Bearer resource_metadata=\"http://127.0.0.1:8421/.well-known/oauth-protected-resource/mcp\""
        );
        assert_eq!(super::challenge(&gateway, "/v1/agents").await, "Bearer");
    }

    #[tokio::test]
    async fn without_an_issuer_of_the_protocol_there_is_nothing() {
        for issuers in [vec![], vec![issuer("b", &[Door::Rest])]] {
            let gateway = gateway(issuers).await;
            let refused = metadata(&gateway, MCP).await.unwrap_err();
            assert_eq!(refused.code, Code::NotFound);
            assert_eq!(challenge(&gateway, "/mcp").await, "Bearer");
        }
    }

    #[tokio::test]
    async fn what_a_request_calls_this_machine_is_not_what_is_named() {
        let gateway = Arc::new(gateway(vec![issuer("a", &[])]).await);
        let headers = |host: &'static str| {
            HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))])
        };
        let asked = mcp(State(Arc::clone(&gateway)), headers("localhost:9")).await;
        assert_eq!(asked.unwrap().0.resource, "http://127.0.0.1:8421/mcp");
        let asked = mcp(State(gateway), headers("evil.example")).await;
        assert_eq!(asked.unwrap_err().0.code, Code::Denied);
    }
}
