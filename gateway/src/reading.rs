//! What a handler reads of a request: its body (JSON, whole, within its bound and in time), and its key. What cannot be read
//! is a problem.

use std::time::Duration;

use aion_abi::{admin::IDEMPOTENCY_KEY, code::Code, problem::Problem};
use axum::{
    body::{Body, Bytes, HttpBody as _, to_bytes},
    http::{HeaderMap, HeaderValue, header},
};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

/// The largest body, in bytes: a question with its conversation.
pub(crate) const MAX_BODY: usize = 4 << 20;
/// How long it may take.
const BODY: Duration = Duration::from_secs(30);

/// Reads a body.
///
/// # Errors
/// What is wrong with it, and in which field.
pub(crate) async fn json<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Problem> {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|it| it.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        let what = format!("the body is {kind:?}, not JSON");
        return Err(Problem::new(Code::BadRequest, what)
            .remedy("send it with Content-Type: application/json"));
    }
    let bytes = whole(body).await?;
    let mut reader = serde_json::Deserializer::from_slice(&bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let what = match error.path().to_string() {
            path if path == "." => error.inner().to_string(),
            path => format!("{path}: {}", error.inner()),
        };
        Problem::new(Code::BadRequest, what).remedy("see docs/gateway.md for the shape of it")
    })?;
    reader.end().map_err(|error| {
        Problem::new(Code::BadRequest, error.to_string()).remedy("send one JSON value")
    })?;
    Ok(value)
}

/// Reads a body, whatever it is.
///
/// # Errors
/// It is too large, late, or broke off.
pub(crate) async fn whole(body: Body) -> Result<Bytes, Problem> {
    within(body, MAX_BODY, BODY).await
}

/// Reads a body of so many bytes at most, in so much time.
///
/// # Errors
/// It is too large, late, or broke off.
pub(crate) async fn within(body: Body, most: usize, time: Duration) -> Result<Bytes, Problem> {
    let too_large = || {
        let what = format!("the body is larger than {} MiB", most >> 20);
        Problem::new(Code::TooLarge, what).remedy("send a file as an upload instead")
    };
    // What says so itself is not waited for.
    if body.size_hint().lower() > most as u64 {
        return Err(too_large());
    }
    let read = timeout(time, to_bytes(body, most)).await;
    let late = |_| {
        let what = format!("the body did not come within {} s", time.as_secs());
        Problem::new(Code::DeadlineExceeded, what).remedy("send it without a pause")
    };
    read.map_err(late)?.map_err(|error| {
        use std::error::Error as _;
        let source = error.source();
        match source.is_some_and(|it| it.is::<http_body_util::LengthLimitError>()) {
            true => too_large(),
            false => Problem::new(Code::BadRequest, format!("the body broke off: {error}"))
                .remedy("send it again"),
        }
    })
}

/// The key under which a question is one turn, where it has one.
///
/// # Errors
/// It is no text.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let key = headers.get(IDEMPOTENCY_KEY).map(HeaderValue::to_str);
    key.transpose().map_err(|_| {
        Problem::new(Code::BadRequest, "header idempotency-key is not plain text")
            .remedy("make it of letters and digits, such as a UUID")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures::stream;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Wanted {
        #[expect(dead_code, reason = "it is read")]
        messages: Vec<u32>,
    }

    async fn refusal(kind: &'static str, body: Body) -> Problem {
        let kind = HeaderValue::from_static(kind);
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind)]);
        json::<Wanted>(&headers, body).await.unwrap_err()
    }

    #[tokio::test]
    async fn what_is_wrong_is_told_with_its_field() {
        let wrong = refusal("application/json", r#"{"messages": [1, "two"]}"#.into()).await;
        assert_eq!(wrong.code, Code::BadRequest);
        assert!(wrong.detail.starts_with("messages[1]: "), "{wrong}");
        let broken = refusal("application/json; charset=utf-8", "{".into()).await;
        assert!(broken.detail.contains("EOF"), "{broken}");
        let two = refusal("application/json", r#"{"messages": []} {}"#.into()).await;
        assert!(two.detail.contains("trailing"), "{two}");
        let form = refusal("application/x-www-form-urlencoded", "{}".into()).await;
        assert!(form.detail.contains("not JSON"), "{form}");
    }

    #[tokio::test]
    async fn a_body_is_bounded_also_where_it_says_no_length() {
        let piece = || Ok::<_, std::io::Error>(vec![b' '; 1 << 20]);
        let endless = Body::from_stream(stream::repeat_with(piece));
        let refused = refusal("application/json", endless).await;
        assert_eq!(refused.code, Code::TooLarge);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_is_not_waited_for() {
        let drips = Body::from_stream(stream::pending::<Result<Vec<u8>, std::io::Error>>());
        let refused = refusal("application/json", drips).await;
        assert_eq!(refused.code, Code::DeadlineExceeded);
    }
}
