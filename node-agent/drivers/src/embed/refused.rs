//! What an endpoint that made no vectors answered, as a problem.

use aion_abi::{code::Code, problem::Problem};
use reqwest::{Response, StatusCode};
use tokio::time::Instant;

use super::{EmbedError, Embedding};
use crate::{
    outbound::{REFUSAL, error_text, is_too_long, millis, named_pause, not_before},
    secrets::Secret,
};

/// When what is busy, or loads its model, is asked again where it does not say.
const SOON_MS: u64 = 250;

/// Whether the same request may fare better soon.
fn soon(status: StatusCode) -> bool {
    let busy = [
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_EARLY,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    busy.contains(&status) || status.is_server_error()
}

/// A problem that says which model it is about.
pub(super) fn problem(embedding: &Embedding, code: Code, why: &str) -> Problem {
    Problem::new(code, format!("{}: {why}", embedding.name()))
}

/// Reads what it says, without the key.
pub(super) async fn read(
    embedding: &Embedding,
    response: Response,
    secret: Option<&Secret>,
) -> EmbedError {
    let status = response.status();
    let after = named_pause(response.headers());
    let text = error_text(response, secret, Instant::now() + REFUSAL).await;
    let said = problem(
        embedding,
        Code::UpstreamFailed,
        &format!("{status}: {text}"),
    );
    let name = &embedding.endpoint.name;
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            EmbedError::Away(said.remedy(match &embedding.endpoint.secret {
                Some(secret) => {
                    format!("correct the key in secret {secret}, or the rights it has there")
                }
                None => "name the key's secret under apiKey of the ModelEndpoint".to_owned(),
            }))
        }
        StatusCode::NOT_FOUND => EmbedError::Away(said.remedy(format!(
            "see that ModelEndpoint {name} has model {}, and that its address ends before /embeddings",
            embedding.model
        ))),
        StatusCode::BAD_REQUEST
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNPROCESSABLE_ENTITY => EmbedError::Refused(match status == StatusCode::PAYLOAD_TOO_LARGE || is_too_long(&text) {
            true => Problem::new(Code::TooLarge, said.detail).remedy("send fewer texts at a time, or shorter ones: each must fit into the model's context"),
            false => said,
        }),
        _ if soon(status) => {
            let after = after.map_or(SOON_MS, millis);
            EmbedError::Away(not_before(said, Some(after)))
        }
        _ => EmbedError::Away(said),
    }
}
