//! Deliveries of webhooks: the raw body and the headers that sign it go to the node, which has the secrets, and its answer
//! back. Who sent one, its signature says: no token is asked for. So anybody may send one, and what it takes is bounded before
//! it is read.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use aion_abi::{
    code::Code,
    problem::Problem,
    trigger::{MAX_DELIVERY, SIGNED_HEADERS},
};
use aion_serve::{Path, Refused};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, header},
    response::Response,
};
use tokio::sync::Semaphore;

use crate::{gateway::Gateway, reading, unanswered};

/// Deliveries that come in or are with the node at once.
const AT_ONCE: usize = 32;
/// How long one may take to come in: it holds a place.
const BODY: Duration = Duration::from_secs(10);
/// Of these a delivery has one.
const SIGNATURES: [&str; 3] = [
    "stripe-signature",
    "webhook-signature",
    "x-hub-signature-256",
];
static PLACES: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(AT_ONCE));

pub(crate) async fn deliver(
    State(gateway): State<Arc<Gateway>>,
    Path((namespace, agent, trigger)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let node = gateway.nodes.one(
        "deliveries of webhooks are not accepted",
        "have its sender send it to a program that asks the agent with a token",
    )?;
    let signed = signed(&headers)?;
    let Ok(_place) = PLACES.try_acquire() else {
        let what = format!("{AT_ONCE} deliveries are being handled, as many as may be at once");
        let problem = Problem::new(Code::Overloaded, what);
        return Err(problem.retry_after_ms(1_000).into());
    };
    let body = reading::within(body, MAX_DELIVERY, BODY).await;
    let body = body.map_err(|problem| match problem.code {
        Code::TooLarge => problem.remedy("have its sender send a smaller body"),
        _ => problem,
    })?;
    let agent = (&*namespace, &*agent);
    let answered = node.deliver(agent, &trigger, signed, body.into());
    let remedy = "send it again: a delivery that was taken starts nothing twice";
    let away = |error| unanswered::away(error, remedy);
    let (status, mut said, answer) = answered.await.map_err(away)?;
    let answer = answer.whole().await.map_err(away)?;
    let mut response = Response::new(Body::from(answer));
    *response.status_mut() = status;
    for name in [header::CONTENT_TYPE, header::RETRY_AFTER] {
        if let Some(value) = said.remove(&name) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

/// The headers that sign a delivery. What has no signature, and what a web page sends, is no delivery, and is not read.
fn signed(headers: &HeaderMap) -> Result<HeaderMap, Problem> {
    let signed = SIGNED_HEADERS.into_iter().filter_map(|name| {
        let name = HeaderName::from_static(name);
        let value = headers.get(&name)?.clone();
        Some((name, value))
    });
    let signed: HeaderMap = signed.collect();
    if headers.contains_key(header::ORIGIN) {
        let what = "a web page cannot make a delivery, and this has an Origin header";
        return Err(Problem::new(Code::Denied, what).remedy("send it from a server"));
    }
    if !SIGNATURES.iter().any(|name| signed.contains_key(*name)) {
        let what = "there is no such hook, or none of its secrets signed the delivery";
        return Err(Problem::new(Code::BadSignature, what)
            .remedy("compare address and secret with the agent's trigger: aionctl trigger list"));
    }
    Ok(signed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::http::HeaderValue;

    use super::*;

    fn headers(names: &[&'static str]) -> HeaderMap {
        let value = HeaderValue::from_static("x");
        let named = names.iter().map(|it| HeaderName::from_static(it));
        named.map(|it| (it, value.clone())).collect()
    }

    #[test]
    fn what_has_no_signature_and_what_a_page_sends_is_not_read() {
        for names in [&[][..], &["webhook-id", "webhook-timestamp", "cookie"]] {
            let refused = signed(&headers(names)).unwrap_err();
            assert_eq!(refused.code, Code::BadSignature, "{names:?}");
        }
        let page = headers(&["origin", "webhook-signature"]);
        assert_eq!(signed(&page).unwrap_err().code, Code::Denied);
        let passed = signed(&headers(&["cookie", "x-hub-signature-256"])).unwrap();
        assert_eq!(passed.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_delivery_is_bounded_while_it_is_read() {
        let most = Body::from(vec![0; MAX_DELIVERY]);
        assert!(reading::within(most, MAX_DELIVERY, BODY).await.is_ok());
        let more = Body::from(vec![0; MAX_DELIVERY + 1]);
        let refused = reading::within(more, MAX_DELIVERY, BODY).await;
        assert_eq!(refused.unwrap_err().code, Code::TooLarge);
    }
}
