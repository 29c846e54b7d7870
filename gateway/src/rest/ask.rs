//! Asking without naming an agent.

use aion_abi::{admin::TurnRequest, code::Code, problem::Problem};
use aion_route::Match;
use aion_serve::{Query, Refused};
use axum::{
    Json,
    body::Body,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Within, turns};
use crate::{asked::Asked, reading, routing::Unrouted};

/// A refusal that asks back.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Undecided {
    #[serde(flatten)]
    problem: Problem,
    /// Those that could be meant, where the code is `undecided`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<Match>,
}

/// Asks the agent that the question is for.
pub(crate) async fn ask(
    Asked(gateway): Asked,
    Query(within): Query<Within>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Unrouted> {
    let request: TurnRequest = reading::json(&headers, body).await?;
    if !request.uploads.is_empty() {
        let what = "uploads belong to the agent that they were given to";
        let remedy = "ask that agent: POST /v1/agents/{name}/turns";
        return Err(Problem::new(Code::BadRequest, what).remedy(remedy).into());
    }
    let namespace = within.or(&gateway);
    let remedy = "ask one of them: POST /v1/agents/{name}/turns";
    let chosen = gateway.route(namespace, &request.input, remedy).await?;
    let agent = (chosen.namespace.clone(), chosen.name.clone());
    turns::asked(
        &gateway,
        (&agent.0, &agent.1),
        request,
        &headers,
        Some(chosen),
    )
    .await
    .map_err(Unrouted::from)
}

impl IntoResponse for Unrouted {
    fn into_response(self) -> Response {
        let response = Refused(self.problem.clone()).into_response();
        let body = Undecided {
            problem: self.problem,
            candidates: self.candidates,
        };
        // Its head is that of every problem, but for the length.
        let (mut head, _) = response.into_parts();
        head.headers.remove(axum::http::header::CONTENT_LENGTH);
        let (_, body) = Json(body).into_response().into_parts();
        Response::from_parts(head, body)
    }
}
