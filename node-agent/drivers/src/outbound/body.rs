//! Reading an answer's body, never more of it than is wanted, nor longer.

use std::time::Duration;

use reqwest::Response;
use tokio::time::{Instant, timeout_at};

use super::describe;
use crate::{secrets::Secret, wire::plain_of_html};

/// How much of an error's body is read and told.
const MAX_ERROR: usize = 2 * 1024;
/// How long the end of a refusal's body is waited for. What came until then is told.
pub(crate) const REFUSAL: Duration = Duration::from_secs(5);

/// The whole body.
///
/// # Errors
/// In words, where it breaks off or is larger than `most` bytes.
pub(crate) async fn read_at_most(mut response: Response, most: usize) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| describe(&error))? {
        if body.len() + chunk.len() > most {
            return Err(format!("its answer is larger than {most} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What a server says about its refusal: the message of an error in JSON, else the beginning of the body;
/// on one line, with the key struck out where the server repeats it. What has not come `until` then is left out.
pub(crate) async fn error_text(
    mut response: Response,
    secret: Option<&Secret>,
    until: Instant,
) -> String {
    let until = until.min(Instant::now() + REFUSAL);
    let mut body = Vec::new();
    while body.len() < MAX_ERROR {
        match timeout_at(until, response.chunk()).await {
            Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
            _ => break,
        }
    }
    said(&body, secret)
}

/// The same of a body that was read.
pub(crate) fn said(body: &[u8], secret: Option<&Secret>) -> String {
    let body = &body[..body.len().min(MAX_ERROR)];
    let text = String::from_utf8_lossy(body);
    let text = message(body).unwrap_or_else(|| match text.trim_start().starts_with('<') {
        true => plain_of_html(&text),
        false => text.into_owned(),
    });
    let text = secret.map_or_else(|| text.clone(), |secret| secret.redact(&text));
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() {
        "it gave no reason".to_owned()
    } else {
        line
    }
}

/// `{"error": {"message": …}}`, `{"error": …}`, `{"message": …}` or `{"detail": …}`.
fn message(body: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let found = [
        value.pointer("/error/message"),
        value.pointer("/error"),
        value.pointer("/message"),
        value.pointer("/detail"),
    ];
    found
        .into_iter()
        .flatten()
        .find_map(|text| text.as_str())
        .map(str::to_owned)
}
