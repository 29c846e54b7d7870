//! Who may: whoever is on this machine, and shows the token.

use std::sync::Arc;

use aion_abi::{code::Code, problem::Problem};
use aion_serve::caller;
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header},
    middleware::Next,
    response::Response,
};

use crate::{events, gateway::Gateway, refusal::refused};

/// What stands before every endpoint.
pub(crate) async fn check(
    State(gateway): State<Arc<Gateway>>,
    mut request: Request,
    next: Next,
) -> Response {
    let uri = request.uri().clone();
    events::take_token(&uri, request.headers_mut());
    match allowed(request.headers(), &gateway.token) {
        Ok(()) => next.run(request).await,
        Err(problem) => {
            let is_unknown = problem.code == Code::BadSignature;
            let mut response = refused(request.uri().path(), problem);
            if is_unknown {
                let bearer = HeaderValue::from_static("Bearer");
                let headers = response.headers_mut();
                headers.insert(header::WWW_AUTHENTICATE, bearer);
            }
            response
        }
    }
}

fn allowed(headers: &HeaderMap, token: &str) -> Result<(), Problem> {
    caller::of_this_machine(headers)?;
    match caller::bears(headers, token) {
        true => Ok(()),
        false => Err(
            Problem::new(Code::BadSignature, "the API key is missing or wrong").remedy(
                "send the token of this gateway (gateway/token in the node's state) as Authorization: Bearer",
            ),
        ),
    }
}
