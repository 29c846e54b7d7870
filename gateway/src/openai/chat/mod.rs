//! `/v1/chat/completions`: a question to an agent, and its answer whole or as it comes.

mod object;
mod request;
mod stream;

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};

pub(crate) use self::{object::Object, request::Request};
use self::{
    object::{Choice, Head, Message, Said},
    stream::Chunks,
};
use super::{Failed, spoken::Spoken};
use crate::{gateway::Gateway, reading};

pub(crate) async fn complete(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failed> {
    let request: Request = reading::json(&headers, body).await?;
    let (is_stream, wants_usage) = (request.is_stream(), request.wants_usage());
    let model = request.model.clone();
    let spoken = Spoken::begin(&gateway, &model, request.conversation()?, &headers).await?;
    let head = Head::of(&spoken.model);
    if is_stream {
        return Ok(spoken.streamed(Chunks::new(head, wants_usage)));
    }
    let (text, end) = spoken.whole().await?;
    let choice = Choice::of(Said::Message(Message::of(text)), Some("stop"));
    let object = head.object("chat.completion", end.turn, Some(choice));
    let object = object.with_usage(&end).with_what_is_beside(&end);
    Ok(Json(object).into_response())
}
