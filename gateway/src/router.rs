//! The table of endpoints.

use std::sync::Arc;

use aion_abi::{code::Code, problem::Problem};
use axum::{
    Router,
    extract::Request,
    middleware,
    response::Response,
    routing::{get, post},
};

use crate::{access, gateway::Gateway, openai, refusal::refused, rest};

pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    let guard = middleware::from_fn_with_state(Arc::clone(&gateway), access::check);
    Router::new()
        .route("/v1/agents", get(rest::agents::list))
        .route("/v1/agents/{agent}", get(rest::agents::get))
        .route("/v1/agents/{agent}/turns", post(rest::turns::ask))
        .route("/v1/agents/{agent}/uploads", post(rest::turns::upload))
        .route("/v1/ask", post(rest::ask::ask))
        .route(
            "/v1/turns/{turn}",
            get(rest::turns::get).delete(rest::turns::cancel),
        )
        .route("/v1/turns/{turn}/events", get(rest::turns::events))
        .route("/v1/turns/{turn}/files/{*path}", get(rest::turns::file))
        .route("/v1/models", get(openai::models::list))
        .route("/v1/models/{*model}", get(openai::models::get))
        .route("/v1/chat/completions", post(openai::chat::complete))
        .route("/v1/responses", post(openai::responses::create))
        .method_not_allowed_fallback(nothing)
        .fallback(nothing)
        // Also what is not there is told only to who may ask.
        .layer(guard)
        .with_state(gateway)
}

async fn nothing(request: Request) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    let what = format!("there is nothing at {method} {path}");
    refused(
        path,
        Problem::new(Code::NotFound, what).remedy("see docs/gateway.md for what there is"),
    )
}
