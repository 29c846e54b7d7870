//! Programs that run elsewhere: what they say goes to the node as it comes, and its answers back.

use aion_abi::{admin::IDEMPOTENCY_KEY, key::HEADER, problem::Problem};
use aion_client::{ClientError, Method};
use aion_serve::{Path, Query, Refused};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, header},
    response::Response,
    routing::{MethodRouter, post},
};

use super::{Within, parts_of};
use crate::{
    asked::Asked,
    gateway::{Gateway, NO_PROGRAMS},
    reading, unanswered,
};

pub(crate) async fn register(
    Asked(gateway): Asked,
    Path(agent): Path<String>,
    Query(within): Query<Within>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let agent = (within.or(&gateway), agent.as_str());
    passed(&gateway, Method::POST, agent, &[], headers, body).await
}

pub(crate) async fn leave(
    Asked(gateway): Asked,
    Path((agent, program)): Path<(String, String)>,
    Query(within): Query<Within>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let agent = (within.or(&gateway), agent.as_str());
    let nothing = Body::empty();
    passed(
        &gateway,
        Method::DELETE,
        agent,
        &[&program],
        headers,
        nothing,
    )
    .await
}

/// Takes what a program says below its name as `what`.
pub(crate) fn said(what: &'static str) -> MethodRouter {
    let handler = move |Asked(gateway): Asked,
                        Path((agent, program)): Path<(String, String)>,
                        Query(within): Query<Within>,
                        headers: HeaderMap,
                        body: Body| async move {
        let agent = (within.or(&gateway), agent.as_str());
        let below = [program.as_str(), what];
        passed(&gateway, Method::POST, agent, &below, headers, body).await
    };
    post(handler)
}

pub(crate) async fn syscall(
    Asked(gateway): Asked,
    Path((agent, program, turn, incarnation, syscall)): Path<(String, String, u64, u32, String)>,
    Query(within): Query<Within>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let agent = (within.or(&gateway), agent.as_str());
    let run = [turn.to_string(), incarnation.to_string()];
    let mut below = vec![program.as_str(), "turns", &run[0], &run[1], "v1"];
    below.extend(syscall.split('/'));
    passed(&gateway, Method::POST, agent, &below, headers, body).await
}

async fn passed(
    gateway: &Gateway,
    method: Method,
    (namespace, agent): (&str, &str),
    below: &[&str],
    mut headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let is = "programs that run elsewhere are not registered";
    let node = gateway.nodes.one(is, NO_PROGRAMS)?;
    let body = reading::whole(body).await?;
    keep(&mut headers, |name| {
        *name == header::CONTENT_TYPE || *name == IDEMPOTENCY_KEY
    });
    let answered = node
        .of_program(method, (namespace, agent), below, headers, body.into())
        .await;
    let (status, mut headers, download) = answered.map_err(away)?;
    keep(&mut headers, |name| {
        [
            header::CONTENT_TYPE,
            header::CONTENT_LENGTH,
            header::RETRY_AFTER,
        ]
        .contains(name)
    });
    let mut response = Response::new(parts_of(download));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// Leaves what a syscall or its answer says in headers, and what else is to stay. In whose name it is asked is not its client's to say.
fn keep(headers: &mut HeaderMap, stays: impl Fn(&HeaderName) -> bool) {
    let names: Vec<HeaderName> = headers.keys().cloned().collect();
    for name in names {
        let is_said = name.as_str().starts_with("aion-") && name != HEADER;
        if !is_said && !stays(&name) {
            headers.remove(name);
        }
    }
}

/// As a worker's socket does, the node comes back: the program tries again, under the key of its call.
fn away(error: ClientError) -> Problem {
    let remedy = "send it again under its idempotency key; start the node where it does not run: aionctl local start";
    unanswered::away(error, remedy)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn in_whose_name_it_is_asked_is_not_its_clients_to_say() {
        let mut headers = HeaderMap::new();
        for name in [HEADER, "aion-signature", "cookie", "content-type"] {
            headers.append(name, HeaderValue::from_static("x"));
            headers.append(name, HeaderValue::from_static("y"));
        }
        keep(&mut headers, |name| name == header::CONTENT_TYPE);
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["aion-signature", "content-type"]);
    }
}
