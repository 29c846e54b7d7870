//! `/v1/responses`: a question to an agent, and its answer whole or as it comes.

mod object;
mod request;
mod stream;

use axum::{
    Json,
    body::Body,
    http::HeaderMap,
    response::{IntoResponse, Response},
};

use self::{object::Head, stream::Events};
pub(crate) use self::{object::Object, request::Request, stream::Numbered};
use super::{Failed, refused::refused, spoken::Spoken};
use crate::{asked::Asked, reading};

pub(crate) async fn create(
    Asked(gateway): Asked,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failed> {
    let request: Request = reading::json(&headers, body).await?;
    let (is_stream, mut head) = (request.is_stream(), Head::of(&request));
    if gateway.named(&head.model).is_some() {
        let remedy = "ask it by /v1/chat/completions, or name an agent";
        return Err(refused("model", "is a model and not an agent", remedy).into());
    }
    let conversation = request.conversation()?;
    let spoken = Spoken::begin(&gateway, &head.model, conversation, &headers).await?;
    head.model.clone_from(&spoken.model);
    if is_stream {
        return Ok(spoken.streamed(Events::new(head)));
    }
    let (text, end) = spoken.whole().await?;
    Ok(Json(head.ended(text, &end)).into_response())
}
