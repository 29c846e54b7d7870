//! Answers: problems (RFC 9457), and streams of events.

use std::convert::Infallible;

use aion_abi::{
    code::Code,
    problem::{self, Problem},
};
use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::{Stream, StreamExt};
use serde::Serialize;

/// What is answered where a request cannot be done.
#[derive(Debug)]
pub struct Refused(pub Problem);

impl Refused {
    /// There is no such thing.
    pub fn not_found(what: impl Into<String>) -> Self {
        Self(Problem::new(Code::NotFound, what))
    }

    /// A part of this program failed.
    pub fn internal(why: impl Into<String>) -> Self {
        Self(Problem::new(Code::Internal, why))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = refusal(&self.0, axum::Json(&self.0));
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(problem::MEDIA_TYPE),
        );
        response
    }
}

/// A refusal in the form of a protocol: its body, with the problem's status, and when it may be tried again.
pub fn refusal(problem: &Problem, body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    *response.status_mut() =
        StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(after) = problem.retry_after_ms {
        let seconds = HeaderValue::from(after.div_ceil(1_000));
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

/// A stream of JSON values as server-sent events.
pub fn events<T: Serialize>(values: impl Stream<Item = T> + Send + 'static) -> Response {
    numbered(values.map(|value| (None, value)))
}

/// The same, each with the number that it is followed on from (`Last-Event-ID`), where it has one.
pub fn numbered<T: Serialize>(
    values: impl Stream<Item = (Option<u64>, T)> + Send + 'static,
) -> Response {
    let frames = values.map(|(number, value)| {
        // The wire types always have a JSON form.
        let json = serde_json::to_vec(&value).unwrap_or_default();
        let mut frame = Vec::with_capacity(json.len() + 32);
        if let Some(number) = number {
            frame.extend_from_slice(format!("id: {number}\n").as_bytes());
        }
        frame.extend_from_slice(b"data: ");
        frame.extend_from_slice(&json);
        frame.extend_from_slice(b"\n\n");
        Ok::<_, Infallible>(Bytes::from(frame))
    });
    stream(frames)
}

/// A stream of server-sent events, each with its frame.
pub fn stream(frames: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static) -> Response {
    let mut response = Body::from_stream(frames).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_that_passes_says_after_how_many_seconds_and_another_does_not() {
        let after = |problem: Problem| {
            let response = Refused(problem).into_response();
            let after = response.headers().get(header::RETRY_AFTER).cloned();
            (response.status().as_u16(), after)
        };
        let soon = Problem::new(Code::Unreachable, "not now").retry_after_ms(1_001);
        let status = soon.status;
        // Never before it may be: seconds are rounded up.
        assert_eq!(after(soon), (status, Some(HeaderValue::from(2))));
        assert_eq!(after(Problem::new(Code::NotFound, "nothing")), (404, None));
    }
}
