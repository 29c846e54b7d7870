//! `/v1/chat/completions`: a question to an agent, or to a model of one, and its answer whole or as it comes.

mod lent;
mod object;
mod passed;
mod request;
mod stream;

use aion_abi::{admin::IDEMPOTENCY_KEY, code::Code, problem::Problem};
use axum::{
    Json,
    body::Body,
    http::HeaderMap,
    response::{IntoResponse, Response},
};

use self::{
    lent::Answering,
    object::{Choice, Head, Message, Said},
    stream::Chunks,
};
pub(crate) use self::{object::Object, request::Request};
use super::{Failed, named::Named, spoken::Spoken};
use crate::{asked::Asked, reading};

pub(crate) async fn complete(
    Asked(gateway): Asked,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failed> {
    let request: Request = reading::json(&headers, body).await?;
    let (is_stream, wants_usage) = (request.is_stream(), request.wants_usage());
    let model = request.model.clone();
    if let Some(Named {
        agent,
        model: named,
    }) = gateway.named(&model)
    {
        if headers.contains_key(IDEMPOTENCY_KEY) {
            return Err(Failed::of_field(no_key()));
        }
        let request = request.passed(named).map_err(Failed::of_field)?;
        let lent = gateway.lending.chat(gateway.by()?, agent, &request).await;
        let lent = lent.map_err(Failed::of_model)?;
        let answering = Answering::of(lent, &model);
        return match is_stream {
            true => Ok(answering.streamed(wants_usage)),
            false => answering.whole().await,
        };
    }
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

/// A model's answer is not kept: what is asked again is asked twice.
fn no_key() -> Problem {
    let what = format!("{IDEMPOTENCY_KEY} is not taken for models: each request asks anew");
    Problem::new(Code::BadRequest, what).remedy("leave it out, or ask an agent")
}
