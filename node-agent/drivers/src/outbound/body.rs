//! Reading an answer's body, never more of it than is wanted.

use reqwest::Response;

use super::describe;
use crate::secrets::Secret;

/// How much of an error's body is read and told.
const MAX_ERROR: usize = 2 * 1024;

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
/// on one line, with the key struck out where the server repeats it.
pub(crate) async fn error_text(mut response: Response, secret: Option<&Secret>) -> String {
    let mut body = Vec::new();
    while body.len() < MAX_ERROR {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            _ => break,
        }
    }
    body.truncate(MAX_ERROR);
    let text = String::from_utf8_lossy(&body);
    let text = message(&body).unwrap_or_else(|| match text.trim_start().starts_with('<') {
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

/// The text of a page: what gateways and proxies answer with in a server's place.
pub(crate) fn plain_of_html(html: &str) -> String {
    let lower = html.to_ascii_lowercase();
    let mut text = String::new();
    let mut at = 0;
    while let Some(found) = html[at..].find('<') {
        let tag = at + found;
        text.push_str(&html[at..tag]);
        text.push(' ');
        // What scripts and styles hold is not text.
        let hidden = ["script", "style", "!--"]
            .into_iter()
            .zip(["</script", "</style", "--"])
            .find(|(name, _)| lower[tag + 1..].starts_with(name));
        let from = match hidden {
            Some((_, end)) => match lower[tag + 1..].find(end) {
                Some(found) => tag + 1 + found,
                None => html.len(),
            },
            None => tag,
        };
        at = html[from..]
            .find('>')
            .map_or(html.len(), |end| from + end + 1);
    }
    text.push_str(&html[at..]);
    for (name, char) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&nbsp;", " "),
        ("&amp;", "&"),
    ] {
        text = text.replace(name, char);
    }
    text
}
