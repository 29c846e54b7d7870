//! Answers that a client may keep: with a tag of their content (RFC 9110, 8.8.3), and without the content where the client has it.

use axum::{
    Json,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use sha2::{Digest, Sha256};

pub(crate) fn tagged(asked: &HeaderMap, value: &impl Serialize) -> Response {
    // What is answered always has a JSON form.
    let content = serde_json::to_vec(value).unwrap_or_default();
    let tag = tag(&content);
    let mut response = match has(asked, &tag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => {
            // For its head.
            let (head, _) = Json(()).into_response().into_parts();
            let mut response = Response::from_parts(head, content.into());
            response.headers_mut().remove(header::CONTENT_LENGTH);
            response
        }
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(header::ETAG, tag);
    }
    // Agents become ready and are changed: what is kept is asked for again.
    let again = HeaderValue::from_static("private, no-cache");
    headers.insert(header::CACHE_CONTROL, again);
    response
}

fn tag(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    let digits: String = digest
        .iter()
        .take(16)
        .map(|it| format!("{it:02x}"))
        .collect();
    format!("\"{digits}\"")
}

/// Whether the client has it, by `If-None-Match` (RFC 9110, 13.1.2).
fn has(asked: &HeaderMap, tag: &str) -> bool {
    let lists = asked.get_all(header::IF_NONE_MATCH).into_iter();
    let mut tags = lists
        .filter_map(|it| it.to_str().ok())
        .flat_map(|it| it.split(','));
    tags.any(|it| it.trim() == "*" || it.trim().trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ask(tag: Option<&str>, value: &str) -> (StatusCode, String) {
        let tag = tag.map(|tag| (header::IF_NONE_MATCH, tag.parse().unwrap()));
        let response = tagged(&HeaderMap::from_iter(tag), &value);
        let tag = response.headers()[header::ETAG].to_str().unwrap();
        (response.status(), tag.to_owned())
    }

    #[test]
    fn what_the_client_has_is_not_sent_again() {
        let (status, tag) = ask(None, "a");
        assert_eq!(status, StatusCode::OK);
        for has in [tag.clone(), format!("\"b\", W/{tag}"), "*".to_owned()] {
            let again = ask(Some(&has), "a");
            assert_eq!(again, (StatusCode::NOT_MODIFIED, tag.clone()), "{has}");
        }
        let (status, other) = ask(Some(&tag), "b");
        assert_eq!(status, StatusCode::OK);
        assert_ne!(other, tag);
    }
}
