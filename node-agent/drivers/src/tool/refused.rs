//! A refusal by status: what it says, as far as that comes in time, and the pause it names. What may not enter: what it
//! means for a call (`failure`).

use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use reqwest::{
    StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::{
    body::{Body, Part},
    message::{AFTER, is_usable},
};
use crate::outbound::{REFUSAL, millis, named_pause};

/// A request that was not answered as the protocol has it.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotDone {
    /// What the wire says.
    #[error(transparent)]
    Wire(#[from] reqwest::Error),
    /// A status that is a refusal or a breakdown.
    #[error("it answered {status}{}{told}", if told.is_empty() { "" } else { ": " })]
    Status {
        status: StatusCode,
        /// Without the key.
        told: String,
        /// Whether it asks to be asked later, in whatever words.
        later: bool,
        /// When to ask again.
        after: Option<Duration>,
    },
}

/// The status of an answer with these headers, and what it says, without the key.
pub(super) fn status(headers: &HeaderMap, status: StatusCode, told: String) -> NotDone {
    NotDone::Status {
        status,
        told,
        later: headers.contains_key(RETRY_AFTER),
        after: named_pause(headers),
    }
}

/// Whether a request that this status answers may have been carried out: a gateway waited in vain, or the server broke
/// down over it. Some gateways have 503 for that, too, and do not ask for a `later` request
/// then.
pub(super) fn may_have_acted(status: StatusCode, later: bool) -> bool {
    match status {
        StatusCode::NOT_IMPLEMENTED
        | StatusCode::HTTP_VERSION_NOT_SUPPORTED
        | StatusCode::NETWORK_AUTHENTICATION_REQUIRED => false,
        StatusCode::SERVICE_UNAVAILABLE => !later,
        other => other.is_server_error(),
    }
}

/// Writes the pause into an error of the protocol, which goes through the library.
pub(super) fn keep_pause(message: &mut Value, after: Option<Duration>) {
    let Some(after) = after else { return };
    let data = &mut message["error"]["data"];
    if !data.is_object() {
        *data = json!({});
    }
    data[AFTER] = json!(millis(after));
}

/// The pause that was written into an error of the protocol, in milliseconds.
pub(super) fn kept_pause(data: Option<&Value>) -> Option<u64> {
    data?.get(AFTER)?.as_u64()
}

/// The error of the protocol in a body, and what else it says. What comes too late is left out.
pub(super) async fn said<S, E>(mut bytes: S, longest: usize) -> (Option<Value>, String)
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    let until = Instant::now() + REFUSAL;
    let (mut body, mut read) = (Body::new(longest), 0);
    while let Ok(Some(Ok(chunk))) = timeout_at(until, bytes.next()).await {
        read += chunk.len();
        body.push(&chunk);
        if let Some(found) = first_error(&mut body) {
            return (Some(found), String::new());
        }
        if read > longest {
            break;
        }
    }
    body.end();
    (first_error(&mut body), body.odd().to_owned())
}

fn first_error(body: &mut Body) -> Option<Value> {
    while let Some(part) = body.next() {
        let Part::Event { messages, .. } = part else {
            continue;
        };
        let mut errors = messages.into_iter().filter(|it| it.get("error").is_some());
        // One that stands for an answer that cannot be used says less than the status.
        if let Some(error) = errors.find(is_usable) {
            return Some(error);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_refusal_that_does_not_end_is_told_as_far_as_it_came() {
        for (begun, told) in [
            ("no depot for you\n", "no depot for you"),
            ("no depot", "no depot"),
            ("<h1>Bad gateway</h1>", "Bad gateway"),
            ("{\"detail\": \"no depot", "{\"detail\": \"no depot"),
        ] {
            let begun = Ok::<_, Infallible>(Bytes::from_static(begun.as_bytes()));
            let endless = futures::stream::iter([begun]).chain(futures::stream::pending());
            assert_eq!(said(endless, 4096).await, (None, told.to_owned()));
        }
    }

    #[test]
    fn only_what_a_server_or_a_gateway_broke_down_over_may_have_been_done() {
        for (status, later, may) in [
            (500, false, true),
            (502, true, true),
            (503, false, true),
            (503, true, false),
            (504, false, true),
            (520, false, true),
            (501, false, false),
            (400, false, false),
            (408, false, false),
            (429, false, false),
            (307, false, false),
        ] {
            let of = StatusCode::from_u16(status).unwrap_or_default();
            assert_eq!(may_have_acted(of, later), may, "{status}");
        }
    }
}
